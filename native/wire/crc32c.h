#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice {

// The checksum of SCTP (RFC 9260 appendix A), which stands in its packets least significant byte
// first.
inline uint32_t crc32c(const uint8_t* data, size_t size) {
  static constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
      table[i] = crc;
    }
    return table;
  }();
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < size; ++i) crc = crc >> 8 ^ kTable[(crc ^ data[i]) & 0xff];
  return ~crc;
}

}  // namespace sluice
