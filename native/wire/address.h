#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace sluice {

struct MacAddress {
  std::array<uint8_t, 6> bytes{};

  static MacAddress load(const uint8_t* at) {
    MacAddress mac;
    std::memcpy(mac.bytes.data(), at, 6);
    return mac;
  }
  void store(uint8_t* at) const { std::memcpy(at, bytes.data(), 6); }
  bool is_multicast() const { return (bytes[0] & 1) != 0; }
  bool operator==(const MacAddress&) const = default;

  static constexpr MacAddress broadcast() {
    return MacAddress{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  }
};

// An IPv4 or IPv6 address in 16 bytes; IPv4 is held as ::ffff:a.b.c.d, as on the bus.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};

  static IpAddress v4(uint32_t host_order) {
    IpAddress address;
    store_be64(address.bytes.data() + 8, 0xffff'0000'0000 | host_order);
    return address;
  }
  static IpAddress load_v4(const uint8_t* at) { return v4(load_be32(at)); }
  static IpAddress load_v6(const uint8_t* at) {
    IpAddress address;
    std::memcpy(address.bytes.data(), at, 16);
    return address;
  }

  bool is_v4() const {
    static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(bytes.data(), kMapped, 12) == 0;
  }
  uint32_t v4() const { return load_be32(bytes.data() + 12); }
  bool is_zero() const { return *this == IpAddress{}; }
  // 224.0.0.0/4 and ff00::/8.
  bool is_multicast() const { return is_v4() ? bytes[12] >> 4 == 0xe : bytes[0] == 0xff; }
  // fe80::/10, which means something on one link only.
  bool is_link_local() const { return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80; }
  // Whether it can be the address of one host that others reach: neither none at all (0.0.0.0/8,
  // ::), nor several hosts, nor the host itself (RFC 1122 3.2.1.3, RFC 4291 2.5).
  bool is_host() const {
    if (is_v4()) {
      return bytes[12] != 0 && bytes[12] != 127 && !is_multicast() && v4() != 0xffffffff;
    }
    IpAddress loopback;
    loopback.bytes[15] = 1;
    return !is_zero() && !is_multicast() && *this != loopback;
  }
  bool operator==(const IpAddress&) const = default;
};

// An address on a link and how many of its bits are the network's, as in 192.0.2.1/24.
struct InterfaceAddress {
  IpAddress address;
  uint8_t prefix_length = 0;  // of 32 for IPv4, of 128 for IPv6

  bool operator==(const InterfaceAddress&) const = default;
};

using L4Port = uint16_t;

}  // namespace sluice
