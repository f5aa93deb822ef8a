#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "wire/address.h"

namespace sluice {

// An IPv6 header (RFC 8200 3), without its extension headers.
class Ipv6Header {
 public:
  static constexpr size_t kSize = 40;

  explicit Ipv6Header(uint8_t* at) : at_(at) {}

  // A payload length of 0 passes here: it is right for a packet that ends after this header, and
  // the walk over the extension headers finds out about jumbograms.
  static bool check(const uint8_t* at, size_t available) {
    return available >= kSize && at[0] >> 4 == 6 && kSize + load_be16(at + 4) <= available;
  }

  // Writes the version, and zeros.
  static Ipv6Header start(uint8_t* at) {
    std::memset(at, 0, kSize);
    at[0] = 0x60;
    return Ipv6Header(at);
  }

  uint8_t traffic_class() const { return static_cast<uint8_t>(load_be16(at_) >> 4); }
  uint8_t dscp() const { return traffic_class() >> 2; }
  uint8_t ecn() const { return traffic_class() & 3; }
  uint32_t flow_label() const { return load_be32(at_) & 0xfffff; }
  uint16_t payload_length() const { return load_be16(at_ + 4); }
  uint8_t next_header() const { return at_[6]; }
  uint8_t hop_limit() const { return at_[7]; }
  IpAddress src() const { return IpAddress::load_v6(at_ + 8); }
  IpAddress dst() const { return IpAddress::load_v6(at_ + 24); }
  uint8_t* src_bytes() const { return at_ + 8; }
  uint8_t* dst_bytes() const { return at_ + 24; }

  // Keeps the ECN bits (TCPX-70).
  void set_dscp(uint8_t dscp) {
    store_be16(at_, static_cast<uint16_t>((load_be16(at_) & 0xf03f) | dscp << 6));
  }
  void set_flow_label(uint32_t label) {
    store_be32(at_, (load_be32(at_) & ~0xfffffu) | (label & 0xfffff));
  }
  void set_payload_length(uint16_t length) { store_be16(at_ + 4, length); }
  void set_next_header(uint8_t protocol) { at_[6] = protocol; }
  void set_hop_limit(uint8_t limit) { at_[7] = limit; }
  void set_src(const IpAddress& address) { std::memcpy(at_ + 8, address.bytes.data(), 16); }
  void set_dst(const IpAddress& address) { std::memcpy(at_ + 24, address.bytes.data(), 16); }

 private:
  uint8_t* at_;
};

inline constexpr uint8_t kIpv6Fragment = 44;  // next header
inline constexpr size_t kIpv6FragmentHeader = 8;

// Where the extension headers of an IPv6 packet end.
struct Ipv6Chain {
  // routing: a routing header with segments left (RFC 5095). tiny: a first fragment ends before its
  // headers do (RFC 7112).
  enum class Fault : uint8_t { none, malformed, tiny, routing };

  Fault fault = Fault::none;
  bool fragment = false;  // of a true fragment; the walk ends behind one that is not the first
  uint8_t protocol = 0;   // of the L4 header; of a later fragment, what its header says
  uint16_t fragment_field = 0;  // offset in bytes (a multiple of 8) with M in bit 0
  size_t fragment_header = 0;   // offset from the IPv6 header, 0 where there is none
  size_t l4 = 0;                // the same

  bool more_fragments() const { return (fragment_field & 1) != 0; }
  size_t fragment_offset() const { return fragment_field & 0xfff8u; }
};

// Not AH, which may be called one (RFC 4302 3.1.1): as over IPv4 it is a protocol of its own, since
// nothing behind it may be changed.
bool is_ipv6_extension(uint8_t next_header);

// Walks the extension headers of the IPv6 packet at `ip`, of which `size` bytes are there. Bounded:
// a longer chain than any sane sender builds is malformed. An atomic fragment counts as
// unfragmented (RFC 6946).
Ipv6Chain walk_ipv6_extensions(const uint8_t* ip, size_t size);
// Of a checked packet.
inline Ipv6Chain walk_ipv6_extensions(const uint8_t* ip) {
  return walk_ipv6_extensions(ip, Ipv6Header::kSize + load_be16(ip + 4));
}

}  // namespace sluice
