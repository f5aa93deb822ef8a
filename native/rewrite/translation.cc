#include "rewrite/translation.h"

#include <cstring>

#include "packet/parse.h"
#include "wire/checksum.h"
#include "wire/ip_protocol.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice {

namespace {

constexpr size_t kTtl = 8;  // offsets in an IPv4 header
constexpr size_t kIpv4Checksum = 10;
constexpr size_t kAddresses = 12;

template <class Word>
Word load(const uint8_t* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

template <class Word>
void store(uint8_t* at, Word word) {
  std::memcpy(at, &word, sizeof word);
}

}  // namespace

// All sums are over words as they lie in memory: ones' complement sums do not mind byte order
// (RFC 1071 2.B), so nothing is swapped.
void translate(const Translation& to, Packet& packet) {
  uint8_t* ip = packet.at(packet.headers.l3);
  uint8_t* l4 = packet.at(packet.headers.l4);

  ChecksumDelta addresses;
  addresses.replace32(load<uint32_t>(ip + kAddresses), to.src);
  addresses.replace32(load<uint32_t>(ip + kAddresses + 4), to.dst);
  store(ip + kAddresses, uint64_t{to.src} | uint64_t{to.dst} << 32);

  ChecksumDelta header = addresses;
  const auto ttl = load<uint16_t>(ip + kTtl);  // in the low half; the protocol stays
  const auto new_ttl =
      static_cast<uint16_t>((ttl & 0xff00) | static_cast<uint8_t>(ttl + to.ttl_delta));
  store(ip + kTtl, new_ttl);
  header.replace16(ttl, new_ttl);
  store(ip + kIpv4Checksum, header.applied_to_checksum(load<uint16_t>(ip + kIpv4Checksum)));

  ChecksumDelta segment = addresses;
  const uint32_t ports = uint32_t{to.src_port} | uint32_t{to.dst_port} << 16;
  segment.replace32(load<uint32_t>(l4), ports);
  store(l4, ports);
  const bool tcp = packet.headers.protocol == kProtocolTcp;
  if (tcp && to.tcp != nullptr) {
    ChecksumDelta numbers;
    apply_tcp_offsets(*to.tcp, TcpHeader(l4), numbers);
    segment.add_swapped(numbers);
  }
  uint8_t* field = l4 + (tcp ? TcpHeader::kChecksumOffset : UdpHeader::kChecksumOffset);
  const auto before = load<uint16_t>(field);
  // A partial checksum is a sum over the pseudo-header, which has the addresses alone (TCPX-32).
  const bool partial = checksum_is_partial(packet);
  // RFC 768: 0 says that there is no checksum, and a computed 0 is sent as FFFF (TCPX-31).
  if (!tcp && before == 0 && !partial) return;
  const uint16_t after =
      partial ? addresses.applied_to_sum(before) : segment.applied_to_checksum(before);
  store(field, !tcp && after == 0 ? uint16_t{0xffff} : after);
}

}  // namespace sluice
