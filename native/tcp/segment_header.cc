#include "tcp/segment_header.h"

#include <algorithm>

#include "wire/tcp_options.h"

namespace sluice {

namespace {

// Options one behind the other, NOPs before those that want to end on a multiple of four.
class OptionWriter {
 public:
  explicit OptionWriter(uint8_t* at) : begin_(at), at_(at) {}

  size_t size() const { return static_cast<size_t>(at_ - begin_); }
  void nop() { *at_++ = kTcpOptionNop; }
  void head(uint8_t kind, uint8_t length) {
    *at_++ = kind;
    *at_++ = length;
  }
  void put8(uint8_t value) { *at_++ = value; }
  void put16(uint16_t value) {
    store_be16(at_, value);
    at_ += 2;
  }
  void put32(uint32_t value) {
    store_be32(at_, value);
    at_ += 4;
  }

 private:
  uint8_t* begin_;
  uint8_t* at_;
};

void write_timestamps(OptionWriter& options, const SegmentHeader& header) {
  options.head(kTcpOptionTimestamps, 10);
  options.put32(header.tsval);
  options.put32(header.tsecr);
}

void write_syn_options(OptionWriter& options, const SegmentHeader& header) {
  if (header.mss != 0) {
    options.head(kTcpOptionMss, 4);
    options.put16(header.mss);
  }
  // SACK-permitted takes the place of the NOPs before the timestamps.
  if (header.sack_permitted || header.has_timestamps) {
    if (!header.sack_permitted || !header.has_timestamps) {
      options.nop();
      options.nop();
    }
    if (header.sack_permitted) options.head(kTcpOptionSackPermitted, 2);
    if (header.has_timestamps) write_timestamps(options, header);
  }
  if (header.window_scale != kNoWindowScale) {
    options.nop();
    options.head(kTcpOptionWindowScale, 3);
    options.put8(header.window_scale);
  }
}

void write_options(OptionWriter& options, const SegmentHeader& header) {
  // More than fit beside the timestamps nobody asks for; a header has 60 bytes (RFC 9293 3.1).
  const size_t blocks =
      std::min<size_t>(header.sack_count, sack_blocks_that_fit(header.has_timestamps));
  if (header.has_timestamps) {
    options.nop();
    options.nop();
    write_timestamps(options, header);
  }
  if (blocks == 0) return;
  options.nop();
  options.nop();
  options.head(kTcpOptionSack, static_cast<uint8_t>(2 + 8 * blocks));
  for (size_t i = 0; i < blocks; ++i) {
    options.put32(header.sack[i].start.raw());
    options.put32(header.sack[i].end.raw());
  }
}

}  // namespace

size_t SegmentHeader::write(uint8_t* at) const {
  OptionWriter options(at + TcpHeader::kSize);
  if ((flags & kTcpSyn) != 0) {
    write_syn_options(options, *this);
  } else {
    write_options(options, *this);
  }
  const size_t length = TcpHeader::kSize + options.size();
  std::memset(at, 0, TcpHeader::kSize);
  at[12] = static_cast<uint8_t>(length << 2);
  TcpHeader tcp(at);
  tcp.set_seq(seq);
  tcp.set_ack(ack);
  tcp.set_flags(flags);
  tcp.set_window(window);
  return length;
}

void send_alone(SegmentSink& sink, LegIndex leg, const SegmentHeader& header, uint8_t tos) {
  uint8_t bytes[TcpHeader::kMaxSize];
  OutgoingSegment out{};
  out.header = bytes;
  out.header_length = header.write(bytes);
  out.tos = tos;
  sink.send(leg, out);
}

}  // namespace sluice
