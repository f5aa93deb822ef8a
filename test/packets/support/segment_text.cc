#include "support/segment_text.h"

#include <sstream>

#include "support/packet_builder.h"
#include "wire/tcp_options.h"

namespace sluice::test {

namespace {

constexpr struct {
  char letter;
  uint8_t flag;
} kFlags[] = {{'S', kTcpSyn}, {'F', kTcpFin}, {'R', kTcpRst}, {'P', kTcpPsh},
              {'U', kTcpUrg}, {'E', kTcpEce}, {'W', kTcpCwr}, {'.', kTcpAck}};

uint8_t flags_of(const std::string& text) {
  uint8_t flags = 0;
  for (const auto& [letter, flag] : kFlags) {
    if (text.find(letter) != std::string::npos) flags |= flag;
  }
  return flags;
}

std::string text_of(uint8_t flags) {
  std::string text;
  for (const auto& [letter, flag] : kFlags) {
    if ((flags & flag) != 0) text += letter;
  }
  return text.empty() ? "-" : text;
}

constexpr const char* kEcn[] = {"", "ect1", "ect0", "ce"};

uint8_t ecn_of(const std::string& text) {
  for (uint8_t ecn = 1; ecn < 4; ++ecn) {
    if (text == kEcn[ecn]) return ecn;
  }
  return 0;
}

void add_options(PacketBuilder& builder, const ScriptSegment& segment, const NumberBase& base) {
  if (segment.mss) builder.mss(*segment.mss);
  if (segment.sack_permitted) builder.nop().nop().sack_permitted();
  if (segment.timestamps) {
    const auto [tsval, tsecr] = *segment.timestamps;
    builder.nop().nop().timestamps(tsval, tsecr + base.our_clock);
  }
  if (segment.window_scale) builder.nop().window_scale(*segment.window_scale);
  if (!segment.sack.empty()) {
    std::vector<uint8_t> bytes = {kTcpOptionNop, kTcpOptionNop, kTcpOptionSack,
                                  static_cast<uint8_t>(2 + 8 * segment.sack.size())};
    for (const ScriptSack& block : segment.sack) {
      for (const uint32_t edge : {block.start + base.ours, block.end + base.ours}) {
        for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<uint8_t>(edge >> shift));
      }
    }
    builder.raw_option(bytes);
  }
  if (!segment.unknown_option.empty()) builder.raw_option(segment.unknown_option);
}

std::vector<uint8_t> payload_of(const ScriptSegment& segment) {
  std::vector<uint8_t> bytes(segment.length);
  for (uint32_t i = 0; i < segment.length; ++i) {
    bytes[i] = segment.fill ? *segment.fill : stream_byte(segment.seq + i);
  }
  return bytes;
}

void read_options(const TcpHeader& tcp, const NumberBase& base, ScriptSegment& segment) {
  for (TcpOptionWalk walk(tcp); walk.next();) {
    const TcpOption option = walk.option();
    if (option.is_mss()) {
      segment.mss = option.mss();
    } else if (option.is_window_scale()) {
      segment.window_scale = option.window_scale();
    } else if (option.is_sack_permitted()) {
      segment.sack_permitted = true;
    } else if (option.is_timestamps()) {
      segment.timestamps = {option.tsval() - base.our_clock, option.tsecr()};
    } else if (option.is_sack()) {
      for (size_t i = 0; i + 1 < option.sack_edges(); i += 2) {
        segment.sack.push_back({option.sack_edge(i).raw() - base.theirs,
                                option.sack_edge(i + 1).raw() - base.theirs});
      }
    } else {
      segment.unknown_option.assign(option.at(), option.at() + option.length());
    }
  }
}

std::string payload_error(const Packet& packet, const ScriptSegment& segment) {
  for (uint32_t i = 0; i < segment.length; ++i) {
    if (*packet.at(packet.headers.payload + i) != stream_byte(segment.seq + i)) {
      return "wrong byte at " + std::to_string(segment.seq + i);
    }
  }
  return {};
}

bool same_options(const ScriptSegment& a, const ScriptSegment& b) {
  if (a.sack.size() != b.sack.size()) return false;
  for (size_t i = 0; i < a.sack.size(); ++i) {
    if (a.sack[i].start != b.sack[i].start || a.sack[i].end != b.sack[i].end) return false;
  }
  return a.mss == b.mss && a.window_scale == b.window_scale &&
         a.sack_permitted == b.sack_permitted && a.timestamps == b.timestamps &&
         a.unknown_option == b.unknown_option;
}

}  // namespace

Frame build_frame(const FlowKey& key, const ScriptSegment& segment, const NumberBase& base) {
  PacketBuilder builder;
  const uint8_t flags = flags_of(segment.flags);
  builder.ip(key.src, key.dst).tcp(key.src_port, key.dst_port, flags);
  builder.seq(segment.seq + base.theirs).ack(segment.ack ? *segment.ack + base.ours : 0);
  builder.window(segment.window.value_or(65535)).ecn(ecn_of(segment.ecn));
  if (segment.urgent) builder.urgent(*segment.urgent);
  add_options(builder, segment, base);
  builder.payload(payload_of(segment));
  if (segment.merged != 0) builder.gso(segment.merged);
  Frame frame = builder.build();
  if (segment.bad_checksum) {
    const size_t l4 = EthernetHeader::kSize + (key.src.is_v4() ? Ipv4Header::kSize : Ipv6Header::kSize);
    frame.put16(l4 + TcpHeader::kChecksumOffset,
                static_cast<uint16_t>(load_be16(frame.data() + l4 + 16) ^ 0x5555));
  }
  return frame;
}

ReadSegment read_frame(Frame& frame, const FlowKey& key, const NumberBase& base) {
  ReadSegment read;
  Packet packet = frame.packet();
  if (!take_tcp(packet)) return {{}, "not a sound TCP packet"};
  if (packet.key != key) return {{}, "not from our endpoint to the peer's"};
  const TcpHeader tcp(packet.at(packet.headers.l4));
  ScriptSegment& segment = read.segment;
  segment.flags = text_of(tcp.flags());
  segment.seq = tcp.seq().raw() - base.ours;
  segment.length = packet.headers.end - packet.headers.payload;
  if (tcp.has(kTcpAck)) segment.ack = tcp.ack().raw() - base.theirs;
  segment.window = tcp.window();
  if (packet.offload.gso_type != GsoType::none) segment.merged = packet.offload.gso_size;
  segment.ecn = kEcn[read_segment(packet).ecn];
  read_options(tcp, base, segment);
  read.error = payload_error(packet, segment);
  return read;
}

std::string to_text(const ScriptSegment& segment) {
  std::ostringstream text;
  if (!segment.ecn.empty()) text << '[' << segment.ecn << "] ";
  text << segment.flags << ' ' << segment.seq << ':' << segment.seq + segment.length << '('
       << segment.length << ')';
  if (segment.ack) text << " ack " << *segment.ack;
  if (segment.window) text << " win " << *segment.window;
  if (segment.merged != 0) text << " merged " << segment.merged;
  const char* before = " <";
  const auto option = [&text, &before]() -> std::ostream& {
    text << before;
    before = ",";
    return text;
  };
  if (segment.mss) option() << "mss " << *segment.mss;
  if (segment.sack_permitted) option() << "sackOK";
  if (segment.timestamps) {
    option() << "TS val " << segment.timestamps->first << " ecr " << segment.timestamps->second;
  }
  if (segment.window_scale) option() << "wscale " << int{*segment.window_scale};
  if (!segment.sack.empty()) option() << "sack";
  for (const ScriptSack& block : segment.sack) text << ' ' << block.start << ':' << block.end;
  if (!segment.unknown_option.empty()) option() << "unknown " << int{segment.unknown_option[0]};
  if (*before == ',') text << '>';
  return text.str();
}

bool fits(const ScriptSegment& wanted, const ScriptSegment& sent) {
  return flags_of(wanted.flags) == flags_of(sent.flags) && wanted.seq == sent.seq &&
         wanted.length == sent.length && wanted.ack == sent.ack &&
         (!wanted.window || wanted.window == sent.window) && wanted.ecn == sent.ecn &&
         wanted.merged == sent.merged && (wanted.any_options || same_options(wanted, sent));
}

}  // namespace sluice::test
