#include "segment/transition_headers.h"

#include <algorithm>
#include <cstring>

#include "packet/l4_checksum.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

namespace sluice {

namespace {

TcpHeader header_of(const Packet& packet) { return TcpHeader(packet.at(packet.headers.l4)); }

// A block that begins at the acknowledgement, cut there or not, means nothing to its reader: hosts
// discard it, and count it as a fault.
bool cut_sack(const TcpOption& option, Seq boundary) {
  uint8_t* const at = option.at();
  uint8_t length = 2;
  for (size_t i = 0; i + 1 < option.sack_edges(); i += 2) {
    if (option.sack_edge(i) <= boundary) continue;
    std::memmove(at + length, option.sack_edge_at(i), 8);
    length = static_cast<uint8_t>(length + 8);
  }
  const uint8_t kept = length > 2 ? length : 0;
  std::memset(at + kept, kTcpOptionNop, option.length() - kept);
  if (kept > 0) at[1] = kept;
  return kept > 0;
}

}  // namespace

TcpSegment acknowledgement_before(const TcpSegment& segment, Seq boundary, Seq rcv_nxt) {
  TcpSegment ack = segment;
  ack.flags = segment.flags & (kTcpAck | kTcpEce);
  ack.payload = {};
  ack.seq = rcv_nxt;
  ack.ack = std::min(segment.ack, boundary);
  ack.sack_count = 0;
  for (size_t i = 0; i < segment.sack_count; ++i) {
    if (segment.sack[i].start >= boundary) continue;
    ack.sack[ack.sack_count++] = {segment.sack[i].start, std::min(segment.sack[i].end, boundary)};
  }
  return ack;
}

bool clamp_acknowledgement(Packet& packet, Seq boundary, uint8_t scale) {
  TcpHeader tcp = header_of(packet);
  const int32_t room = tcp.ack() + (uint32_t{tcp.window()} << scale) - boundary;
  tcp.set_ack(boundary);
  tcp.set_window(static_cast<uint16_t>(room > 0 ? room >> scale : 0));
  bool has_sack = false;
  for (TcpOptionWalk walk(tcp); walk.next();) {
    const TcpOption option = walk.option();
    if (option.is_sack()) has_sack |= cut_sack(option, boundary);
  }
  leave_tcp_checksum_open(packet);
  return has_sack;
}

void cut_reports_before(Packet& packet, Seq boundary) {
  bool is_cut = false;
  for (TcpOptionWalk walk(header_of(packet)); walk.next();) {
    const TcpOption option = walk.option();
    if (!option.is_sack() || option.sack_edges() == 0 || option.sack_edge(0) >= boundary) continue;
    cut_sack(option, boundary - 1);
    is_cut = true;
  }
  if (is_cut) leave_tcp_checksum_open(packet);
}

void raise_window(Packet& packet, Seq edge, uint8_t scale) {
  TcpHeader tcp = header_of(packet);
  const int32_t room = edge - tcp.ack();
  const uint32_t told = room > 0 ? std::min<uint32_t>(uint32_t(room) >> scale, 65535) : 0;
  if (told <= tcp.window()) return;
  tcp.set_window(static_cast<uint16_t>(told));
  leave_tcp_checksum_open(packet);
}

void clamp_echo(Packet& packet, uint32_t oldest, uint32_t newest) {
  for (TcpOptionWalk walk(header_of(packet)); walk.next();) {
    const TcpOption option = walk.option();
    if (!option.is_timestamps()) continue;
    const bool early = static_cast<int32_t>(option.tsecr() - oldest) < 0;
    const bool late = static_cast<int32_t>(option.tsecr() - newest) > 0;
    if (!early && !late) return;
    store_be32(option.tsecr_at(), early ? oldest : newest);
    return leave_tcp_checksum_open(packet);
  }
}

void renumber(Packet& packet, Seq seq) {
  header_of(packet).set_seq(seq);
  leave_tcp_checksum_open(packet);
}

}  // namespace sluice
