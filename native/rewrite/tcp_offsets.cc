#include "rewrite/tcp_offsets.h"

#include <algorithm>
#include <cstring>

#include "wire/tcp_options.h"

namespace sluice {

namespace {

// Never more than the window was worth, but for the bits that a right shift drops: those make it
// smaller, so no space is invented (TCPX-15).
uint16_t shift_window(uint16_t window, int8_t shift) {
  if (shift < 0) return static_cast<uint16_t>(window >> std::min(-shift, 16));
  return static_cast<uint16_t>(std::min(uint32_t{window} << std::min<int>(shift, 16), 0xffffu));
}

// An option and the parity of its place in the checksum.
class OptionRewriter {
 public:
  OptionRewriter(const TcpHeader& tcp, ChecksumDelta& delta)
      : header_(tcp.options() - TcpHeader::kSize), delta_(delta) {}

  void add(uint8_t* at, uint32_t offset) {
    const uint32_t before = load_be32(at);
    store_be32(at, before + offset);
    delta_.replace32_at(place(at), before, before + offset);
  }

  void blank(const TcpOption& option) {
    uint8_t nops[TcpHeader::kMaxSize];
    std::memset(nops, kTcpOptionNop, option.length());
    delta_.replace16_at(place(option.at()), sum_bytes(option.at(), option.length()),
                        sum_bytes(nops, option.length()));
    std::memcpy(option.at(), nops, option.length());
  }

 private:
  size_t place(const uint8_t* at) const { return static_cast<size_t>(at - header_); }

  const uint8_t* header_;
  ChecksumDelta& delta_;
};

// Options of other kinds, and known ones of a wrong length, pass unchanged (TCPX-27). Without ACK
// the acknowledgement, TSecr (RFC 7323 3.2) and SACK blocks mean nothing and stay as they are.
void apply_to_options(const TcpOffsets& offsets, const TcpHeader& tcp, ChecksumDelta& delta) {
  const bool ack = tcp.has(kTcpAck);
  OptionRewriter rewriter(tcp, delta);
  for (TcpOptionWalk walk(tcp); walk.next();) {
    const TcpOption option = walk.option();
    if (option.is_timestamps()) {
      if (offsets.strip_timestamps) {
        rewriter.blank(option);
        continue;
      }
      rewriter.add(option.tsval_at(), offsets.tsval);
      if (ack) rewriter.add(option.tsecr_at(), offsets.tsecr);
    } else if (option.is_sack()) {
      if (offsets.strip_sack) {
        rewriter.blank(option);
        continue;
      }
      for (size_t i = 0; ack && i < option.sack_edges(); ++i) {
        rewriter.add(option.sack_edge_at(i), offsets.ack);
      }
    } else if (option.is_sack_permitted() && offsets.strip_sack) {
      rewriter.blank(option);
    }
  }
}

}  // namespace

TcpOffsets mirrored(const TcpOffsets& offsets) {
  TcpOffsets other = negated(offsets);
  std::swap(other.seq, other.ack);
  std::swap(other.tsval, other.tsecr);
  other.window_shift = offsets.reply_window_shift;
  other.reply_window_shift = offsets.window_shift;
  other.strip_sack = offsets.strip_sack;
  other.strip_timestamps = offsets.strip_timestamps;
  return other;
}

TcpOffsets negated(const TcpOffsets& offsets) {
  TcpOffsets other;
  other.seq = 0 - offsets.seq;
  other.ack = 0 - offsets.ack;
  other.tsval = 0 - offsets.tsval;
  other.tsecr = 0 - offsets.tsecr;
  other.window_shift = static_cast<int8_t>(-offsets.window_shift);
  other.reply_window_shift = static_cast<int8_t>(-offsets.reply_window_shift);
  return other;
}

void apply_tcp_offsets(const TcpOffsets& offsets, TcpHeader tcp, ChecksumDelta& delta) {
  const Seq seq = tcp.seq() + offsets.seq;
  delta.replace32(tcp.seq().raw(), seq.raw());
  tcp.set_seq(seq);
  if (tcp.has(kTcpAck)) {  // TCPX-13
    const Seq ack = tcp.ack() + offsets.ack;
    delta.replace32(tcp.ack().raw(), ack.raw());
    tcp.set_ack(ack);
  }
  // RFC 7323 2.2: the window of a SYN is never scaled.
  if (offsets.window_shift != 0 && !tcp.has(kTcpSyn)) {
    const uint16_t window = shift_window(tcp.window(), offsets.window_shift);
    delta.replace16(tcp.window(), window);
    tcp.set_window(window);
  }
  if (tcp.options_length() != 0) apply_to_options(offsets, tcp, delta);
}

}  // namespace sluice
