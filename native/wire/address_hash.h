#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/hash.h"
#include "wire/address.h"

namespace sluice {

// Keyed, so that nobody outside can choose addresses that share a bucket.
class AddressHash {
 public:
  explicit AddressHash(uint64_t seed) : key_(mix64(seed | 1, 0x9e3779b97f4a7c15)), seed_(seed) {}

  size_t operator()(const IpAddress& address) const {
    const uint64_t high = mix64(load_be64(address.bytes.data()) ^ seed_, key_ | 1);
    return mix64(load_be64(address.bytes.data() + 8) ^ high, key_ ^ seed_);
  }

 private:
  uint64_t key_;
  uint64_t seed_;
};

}  // namespace sluice
