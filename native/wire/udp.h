#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/address.h"

namespace sluice {

// A UDP header (RFC 768).
class UdpHeader {
 public:
  static constexpr size_t kSize = 8;
  static constexpr size_t kChecksumOffset = 6;

  explicit UdpHeader(uint8_t* at) : at_(at) {}

  // The length may end before the IP packet does, never behind it. A length of 0, which RFC 2675
  // gives to jumbograms, is refused.
  static bool check(const uint8_t* at, size_t available) {
    return available >= kSize && load_be16(at + 4) >= kSize && load_be16(at + 4) <= available;
  }

  L4Port src_port() const { return load_be16(at_); }
  L4Port dst_port() const { return load_be16(at_ + 2); }
  uint16_t length() const { return load_be16(at_ + 4); }
  uint16_t checksum() const { return load_be16(at_ + 6); }  // 0: none

  void set_src_port(L4Port port) { store_be16(at_, port); }
  void set_dst_port(L4Port port) { store_be16(at_ + 2, port); }
  void set_length(uint16_t length) { store_be16(at_ + 4, length); }
  void set_checksum(uint16_t checksum) { store_be16(at_ + 6, checksum); }

 private:
  uint8_t* at_;
};

}  // namespace sluice
