#pragma once

#include <cstdint>

namespace sluice {

// A TCP sequence number: a point on a circle of 2^32. Order is the sign of the 32-bit difference
// (RFC 9293 3.4), so it means something only between points less than 2^31 apart. An integer does
// not convert to one by itself: `seq < 5` does not compile.
class Seq {
 public:
  constexpr Seq() = default;
  explicit constexpr Seq(uint32_t raw) : raw_(raw) {}

  constexpr uint32_t raw() const { return raw_; }

  constexpr Seq& operator+=(uint32_t bytes) {
    raw_ += bytes;
    return *this;
  }
  friend constexpr Seq operator+(Seq seq, uint32_t bytes) { return Seq(seq.raw_ + bytes); }
  friend constexpr Seq operator-(Seq seq, uint32_t bytes) { return Seq(seq.raw_ - bytes); }
  // Bytes from `from` to `to`, negative when `to` lies before.
  friend constexpr int32_t operator-(Seq to, Seq from) {
    return static_cast<int32_t>(to.raw_ - from.raw_);
  }

  friend constexpr bool operator==(Seq a, Seq b) = default;
  friend constexpr bool operator<(Seq a, Seq b) { return a - b < 0; }
  friend constexpr bool operator>(Seq a, Seq b) { return a - b > 0; }
  friend constexpr bool operator<=(Seq a, Seq b) { return a - b <= 0; }
  friend constexpr bool operator>=(Seq a, Seq b) { return a - b >= 0; }

 private:
  uint32_t raw_ = 0;
};

}  // namespace sluice
