#include "packet/segmentation.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "packet/l4_checksum.h"
#include "wire/checksum.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice {

Segmenter::Segmenter(const Packet& super, Checksums checksums)
    : super_(super), checksums_(checksums), remaining_(super.wire_segments()) {}

size_t Segmenter::piece_size() const {
  return super_.headers.payload + std::min<size_t>(super_.offload.gso_size, payload_size());
}

void Segmenter::next(uint8_t* buffer, Packet& piece) {
  SLUICE_CHECK(remaining_ > 0);
  const size_t size = std::min<size_t>(super_.offload.gso_size, payload_size() - offset_);
  std::memcpy(buffer, super_.data, super_.headers.payload);
  std::memcpy(buffer + super_.headers.payload, super_.at(super_.headers.payload + offset_), size);
  --remaining_;

  piece = super_;
  piece.data = buffer;
  piece.length = static_cast<uint32_t>(super_.headers.payload + size);
  piece.headers.end = piece.length;
  piece.offload = Offload{};
  piece.offload.needs_checksum = true;
  piece.offload.checksum_start = super_.offload.checksum_start;
  piece.offload.checksum_offset = super_.offload.checksum_offset;

  write_ip(piece);
  if (piece.headers.protocol == kProtocolTcp) {
    write_tcp(piece);
  } else {
    UdpHeader(piece.at(piece.headers.l4))
        .set_length(static_cast<uint16_t>(UdpHeader::kSize + size));
  }
  write_partial_checksum(piece);
  if (checksums_ == Checksums::complete) complete_checksum(piece);
  ++index_;
  offset_ += size;
}

void Segmenter::write_ip(Packet& piece) const {
  const size_t l3 = piece.headers.l3;
  if (piece.headers.family == 6) {
    Ipv6Header(piece.at(l3))
        .set_payload_length(static_cast<uint16_t>(piece.length - l3 - Ipv6Header::kSize));
    return;
  }
  Ipv4Header ip(piece.at(l3));
  ip.set_total_length(static_cast<uint16_t>(piece.length - l3));
  ip.set_id(static_cast<uint16_t>(ip.id() + index_));
  ip.complete_checksum();
}

// FIN and PSH belong to the end of the data, so to the last piece; CWR answers once, on the first
// (RFC 3168 6.1.2). The urgent pointer counts from the piece's own sequence number, and a piece
// behind the urgent data has none (TCPX-26).
void Segmenter::write_tcp(Packet& piece) const {
  TcpHeader tcp(piece.at(piece.headers.l4));
  tcp.set_seq(tcp.seq() + static_cast<uint32_t>(offset_));
  uint8_t flags = tcp.flags();
  if (remaining_ > 0) flags &= static_cast<uint8_t>(~(kTcpFin | kTcpPsh));
  if (index_ > 0) flags &= static_cast<uint8_t>(~kTcpCwr);
  if ((flags & kTcpUrg) != 0 && index_ > 0) {
    const bool passed = tcp.urgent_pointer() <= offset_;
    if (passed) flags &= static_cast<uint8_t>(~kTcpUrg);
    tcp.set_urgent_pointer(static_cast<uint16_t>(passed ? 0 : tcp.urgent_pointer() - offset_));
  }
  tcp.set_flags(flags);
  piece.headers.tcp_flags = flags;
}

// Computed from the addresses and not taken from the super-packet, whose length it would hold.
void Segmenter::write_partial_checksum(Packet& piece) const {
  const Headers& headers = piece.headers;
  const uint32_t size = headers.end - headers.l4;
  const uint8_t* ip = piece.at(headers.l3);
  const uint64_t sum = headers.family == 4
                           ? pseudo_header_sum_v4(ip + 12, ip + 16, headers.protocol, size)
                           : pseudo_header_sum_v6(ip + 8, ip + 24, headers.protocol, size);
  store_be16(piece.at(size_t{piece.offload.checksum_start} + piece.offload.checksum_offset),
             fold_sum(sum));
}

}  // namespace sluice
