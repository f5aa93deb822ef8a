#pragma once

#include <compare>
#include <cstdint>

namespace sluice {

// A span of time, in nanoseconds inside.
class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration nanoseconds(int64_t n) { return Duration(n); }
  static constexpr Duration microseconds(int64_t n) { return Duration(n * 1'000); }
  static constexpr Duration milliseconds(int64_t n) { return Duration(n * 1'000'000); }
  static constexpr Duration seconds(int64_t n) { return Duration(n * 1'000'000'000); }

  constexpr int64_t nanoseconds() const { return nanoseconds_; }
  constexpr int64_t microseconds() const { return nanoseconds_ / 1'000; }
  constexpr int64_t milliseconds() const { return nanoseconds_ / 1'000'000; }

  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const {
    return Duration(nanoseconds_ + other.nanoseconds_);
  }
  constexpr Duration operator-(Duration other) const {
    return Duration(nanoseconds_ - other.nanoseconds_);
  }
  constexpr Duration operator*(int64_t factor) const { return Duration(nanoseconds_ * factor); }

 private:
  explicit constexpr Duration(int64_t n) : nanoseconds_(n) {}
  int64_t nanoseconds_ = 0;
};

// A point on the monotonic clock (TCPX-80: the wall clock moves no timer). Only the worker makes
// one from a clock; everything below takes it as an argument, so tests own time.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant from_nanoseconds(int64_t n) { return Instant(n); }
  static constexpr Instant never() { return Instant(INT64_MAX); }

  constexpr int64_t nanoseconds() const { return nanoseconds_; }
  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Instant operator+(Duration span) const {
    return Instant(nanoseconds_ + span.nanoseconds());
  }
  constexpr Duration operator-(Instant other) const {
    return Duration::nanoseconds(nanoseconds_ - other.nanoseconds_);
  }

 private:
  explicit constexpr Instant(int64_t n) : nanoseconds_(n) {}
  int64_t nanoseconds_ = 0;
};

}  // namespace sluice
