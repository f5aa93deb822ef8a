// fragment/: datagrams that come in fragments. None is put together: what is remembered is what the
// first fragment says for all, which bytes have passed, and those that came before the first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "packet/fragment_place.h"

namespace sluice {

// Which bytes of a datagram have come, each fragment for itself: two that share a byte are an
// attack or a broken sender (RFC 1858 3, RFC 5722), one that comes again as it was is a network's
// repetition.
class ReceivedRanges {
 public:
  // A datagram of 64 KB in fragments of 576 bytes has fewer.
  static constexpr size_t kMost = 128;

  enum class Result : uint8_t {
    fresh,
    duplicate,  // the same bytes came before
    overlap,    // some came before, or what came does not agree on where the datagram ends
    full,       // no room for another fragment
  };

  // Remembers a fresh one; nothing else changes anything.
  Result add(const FragmentPlace& place);
  // Every byte from the first to the last has come.
  bool complete() const { return end_ != 0 && bytes_ == end_; }

 private:
  struct Range {
    uint16_t begin;  // in units of 8 bytes
    uint16_t end;    // the last one's rounded up
  };

  uint32_t bytes_ = 0;
  uint32_t end_ = 0;  // of the datagram; 0 until its last fragment has come
  uint32_t count_ = 0;
  std::array<Range, kMost> ranges_;  // in order, apart
};

}  // namespace sluice
