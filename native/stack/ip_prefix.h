#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "wire/address.h"

namespace sluice {

// An address prefix, IPv4 or IPv6; its length counts in bits of its own family.
class IpPrefix {
 public:
  IpPrefix(const IpAddress& address, uint8_t length)
      : is_v4_(address.is_v4()), length_(length), high_mask_(0), low_mask_(0) {
    SLUICE_CHECK(length <= (is_v4_ ? 32 : 128));
    const unsigned bits = is_v4_ ? length + 96u : length;
    high_mask_ = mask(bits > 64 ? 64 : bits);
    low_mask_ = mask(bits > 64 ? bits - 64 : 0);
    high_ = load_be64(address.bytes.data()) & high_mask_;
    low_ = load_be64(address.bytes.data() + 8) & low_mask_;
  }

  uint8_t length() const { return length_; }
  // No address of the other family: IPv4-mapped ones are not in ::/0.
  bool contains(const IpAddress& address) const {
    return address.is_v4() == is_v4_ && (load_be64(address.bytes.data()) & high_mask_) == high_ &&
           (load_be64(address.bytes.data() + 8) & low_mask_) == low_;
  }
  // The directed broadcast of an IPv4 subnet; RFC 3021: a /31 has none.
  bool is_broadcast(const IpAddress& address) const {
    return is_v4_ && length_ < 31 && contains(address) &&
           (load_be64(address.bytes.data() + 8) | low_mask_) == UINT64_MAX;
  }

 private:
  static uint64_t mask(unsigned bits) { return bits == 0 ? 0 : ~uint64_t{0} << (64 - bits); }

  bool is_v4_;
  uint8_t length_;
  uint64_t high_;
  uint64_t low_;
  uint64_t high_mask_;
  uint64_t low_mask_;
};

}  // namespace sluice
