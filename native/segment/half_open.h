#pragma once

#include <cstdint>

#include "base/instant.h"

namespace sluice {

// The connections of one worker's clients that have still to complete their handshake, and whether
// they are a flood's (TCPX-01). Those that let their SYN-ACK be repeated count as nobody's: of
// clients who are there, however many come at once, there are hardly any.
class HalfOpen {
 public:
  // How long a flood is known again as soon as there are many half-open connections.
  static constexpr Duration kRemembered = Duration::seconds(60);

  // They take no more than a part of `connections`, whatever floods us.
  explicit HalfOpen(uint32_t connections)
      : most_(connections / 4 + (connections < 16 ? connections : 16U)) {}

  bool has_room() const { return count_ < most_; }
  void begins() { ++count_; }
  void is_unanswered() { ++unanswered_; }
  // It was established, or is over.
  void leaves(bool unanswered) {
    --count_;
    if (unanswered) --unanswered_;
  }

  // Whether nothing is to be kept for one more SYN.
  bool is_flood(Instant now) {
    if (count_ < most_ / 2) return false;
    if (unanswered_ >= most_ / 4) flood_until_ = now + kRemembered;
    return now < flood_until_;
  }

 private:
  uint32_t most_;
  uint32_t count_ = 0;
  uint32_t unanswered_ = 0;  // of those, as far as their SYN-ACK was repeated
  Instant flood_until_;
};

}  // namespace sluice
