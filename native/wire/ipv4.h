#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "wire/address.h"
#include "wire/checksum.h"

namespace sluice {

// An IPv4 header (RFC 791). Addresses are numbers in host order here, so that the IPv4 path does
// no 16-byte work.
class Ipv4Header {
 public:
  static constexpr size_t kSize = 20;  // without options
  static constexpr uint16_t kDontFragment = 0x4000;
  static constexpr uint16_t kMoreFragments = 0x2000;

  enum class Options { harmless, source_route, malformed };

  explicit Ipv4Header(uint8_t* at) : at_(at) {}

  // Version, header length and total length fit each other and the bytes that are there. A total
  // length of 0 (a super-packet of more than 64 KB) is refused with the rest.
  static bool check(const uint8_t* at, size_t available) {
    if (available < kSize || at[0] >> 4 != 4) return false;
    const size_t header = size_t{at[0] & 0xfu} * 4;
    const size_t total = load_be16(at + 2);
    return header >= kSize && header <= total && total <= available;
  }

  // Writes version and header length of a header without options, and zeros.
  static Ipv4Header start(uint8_t* at) {
    std::memset(at, 0, kSize);
    at[0] = 0x45;
    return Ipv4Header(at);
  }

  size_t header_length() const { return size_t{at_[0] & 0xfu} * 4; }
  uint8_t dscp() const { return at_[1] >> 2; }
  uint8_t ecn() const { return at_[1] & 3; }
  uint16_t total_length() const { return load_be16(at_ + 2); }
  uint16_t id() const { return load_be16(at_ + 4); }
  bool dont_fragment() const { return (load_be16(at_ + 6) & kDontFragment) != 0; }
  bool more_fragments() const { return (load_be16(at_ + 6) & kMoreFragments) != 0; }
  // As set_fragment() takes it.
  uint16_t fragment() const { return load_be16(at_ + 6) & 0x7fff; }
  size_t fragment_offset() const { return size_t{load_be16(at_ + 6) & 0x1fffu} * 8; }  // bytes
  bool is_fragment() const { return (load_be16(at_ + 6) & 0x3fff) != 0; }
  uint8_t ttl() const { return at_[8]; }
  uint8_t protocol() const { return at_[9]; }
  uint16_t checksum() const { return load_be16(at_ + 10); }
  uint32_t src() const { return load_be32(at_ + 12); }
  uint32_t dst() const { return load_be32(at_ + 16); }
  bool checksum_is_right() const {
    // 0xffff is 0xffff in any byte order (RFC 1071 2.B).
    uint64_t sum = add_words(word<uint64_t>(0), word<uint64_t>(8));
    for (size_t i = 16; i < header_length(); i += 4) sum = add_words(sum, word<uint32_t>(i));
    return fold_sum(sum) == 0xffff;
  }
  Options inspect_options() const;

  // Keeps the ECN bits (TCPX-70).
  void set_dscp(uint8_t dscp) { at_[1] = static_cast<uint8_t>(dscp << 2 | (at_[1] & 3)); }
  void set_total_length(uint16_t length) { store_be16(at_ + 2, length); }
  void set_id(uint16_t id) { store_be16(at_ + 4, id); }
  // Flags (kDontFragment, kMoreFragments) and the offset in units of 8 bytes.
  void set_fragment(uint16_t flags_and_offset) { store_be16(at_ + 6, flags_and_offset); }
  void set_ttl(uint8_t ttl) { at_[8] = ttl; }
  void set_protocol(uint8_t protocol) { at_[9] = protocol; }
  void set_checksum(uint16_t checksum) { store_be16(at_ + 10, checksum); }
  void set_src(uint32_t address) { store_be32(at_ + 12, address); }
  void set_dst(uint32_t address) { store_be32(at_ + 16, address); }
  // Computes the checksum over the header as it stands.
  void complete_checksum() {
    set_checksum(0);
    set_checksum(finish_checksum(sum_bytes(at_, header_length())));
  }

 private:
  // As it lies in memory.
  template <class Word>
  Word word(size_t offset) const {
    Word word;
    std::memcpy(&word, at_ + offset, sizeof word);
    return word;
  }

  static constexpr uint8_t kEndOfOptions = 0;
  static constexpr uint8_t kNoOperation = 1;
  static constexpr uint8_t kLooseSourceRoute = 131;
  static constexpr uint8_t kStrictSourceRoute = 137;

  uint8_t* at_;
};

inline Ipv4Header::Options Ipv4Header::inspect_options() const {
  const size_t end = header_length();
  for (size_t i = kSize; i < end;) {
    const uint8_t type = at_[i];
    if (type == kEndOfOptions) break;
    if (type == kNoOperation) {
      ++i;
      continue;
    }
    if (type == kLooseSourceRoute || type == kStrictSourceRoute) return Options::source_route;
    if (i + 1 >= end || at_[i + 1] < 2 || i + at_[i + 1] > end) return Options::malformed;
    i += at_[i + 1];
  }
  return Options::harmless;
}

}  // namespace sluice
