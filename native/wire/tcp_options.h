#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "wire/seq.h"
#include "wire/tcp.h"

namespace sluice {

inline constexpr uint8_t kTcpOptionEnd = 0;
inline constexpr uint8_t kTcpOptionNop = 1;
inline constexpr uint8_t kTcpOptionMss = 2;
inline constexpr uint8_t kTcpOptionWindowScale = 3;
inline constexpr uint8_t kTcpOptionSackPermitted = 4;
inline constexpr uint8_t kTcpOptionSack = 5;
inline constexpr uint8_t kTcpOptionTimestamps = 8;

// One TCP option inside a header, at any alignment. The `is_` questions ask for kind and length
// together; the accessors below each are total where its question was answered with yes.
class TcpOption {
 public:
  TcpOption(uint8_t* at, uint8_t length) : at_(at), length_(length) {}

  uint8_t kind() const { return at_[0]; }
  uint8_t length() const { return length_; }
  uint8_t* at() const { return at_; }

  bool is_mss() const { return kind() == kTcpOptionMss && length_ == 4; }
  uint16_t mss() const { return load_be16(at_ + 2); }

  bool is_window_scale() const { return kind() == kTcpOptionWindowScale && length_ == 3; }
  // RFC 7323 2.3: a shift above 14 counts as 14.
  uint8_t window_scale() const { return at_[2] > 14 ? 14 : at_[2]; }

  bool is_sack_permitted() const { return kind() == kTcpOptionSackPermitted && length_ == 2; }

  // RFC 2018 3: one to four blocks of two edges each.
  bool is_sack() const {
    return kind() == kTcpOptionSack && length_ >= 10 && (length_ - 2) % 8 == 0;
  }
  size_t sack_edges() const { return (length_ - 2u) / 4; }
  uint8_t* sack_edge_at(size_t i) const { return at_ + 2 + 4 * i; }
  Seq sack_edge(size_t i) const { return Seq(load_be32(sack_edge_at(i))); }

  bool is_timestamps() const { return kind() == kTcpOptionTimestamps && length_ == 10; }
  uint8_t* tsval_at() const { return at_ + 2; }
  uint8_t* tsecr_at() const { return at_ + 6; }
  uint32_t tsval() const { return load_be32(tsval_at()); }
  uint32_t tsecr() const { return load_be32(tsecr_at()); }

 private:
  uint8_t* at_;
  uint8_t length_;
};

// Walks the options of a checked TCP header:
//   for (TcpOptionWalk walk(tcp); walk.next();) use(walk.option());
// NOPs are passed over. Ends at the end-of-list option, and at an option of an impossible length:
// what stands behind it has no meaning.
class TcpOptionWalk {
 public:
  explicit TcpOptionWalk(const TcpHeader& tcp)
      : at_(tcp.options()), end_(tcp.options() + tcp.options_length()) {}

  bool next() {
    at_ += length_;
    while (at_ < end_ && *at_ == kTcpOptionNop) ++at_;
    length_ = 0;
    if (end_ - at_ < 2 || at_[0] == kTcpOptionEnd) return false;
    if (at_[1] < 2 || at_[1] > end_ - at_) return false;
    length_ = at_[1];
    return true;
  }
  TcpOption option() const { return TcpOption(at_, length_); }

 private:
  uint8_t* at_;
  uint8_t* end_;
  uint8_t length_ = 0;
};

}  // namespace sluice
