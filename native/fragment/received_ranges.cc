#include "fragment/received_ranges.h"

#include <algorithm>

namespace sluice {

ReceivedRanges::Result ReceivedRanges::add(const FragmentPlace& place) {
  const uint32_t end = place.offset + place.size;
  const Range range{static_cast<uint16_t>(place.offset / 8), static_cast<uint16_t>((end + 7) / 8)};
  Range* const last = ranges_.data() + count_;
  // The first that ends behind the beginning of this one.
  Range* at = last;
  if (count_ > 0 && (last - 1)->end > range.begin) {
    at = std::upper_bound(ranges_.data(), last, range.begin,
                          [](uint16_t begin, const Range& other) { return begin < other.end; });
  }
  const bool final_one = !place.more;
  if (at != last && at->begin < range.end) {
    const bool same = at->begin == range.begin && at->end == range.end;
    // The last one is the same to the byte, any other is none that ends the datagram.
    const bool ends_same = final_one ? end_ == end : end_ == 0 || end < end_;
    return same && ends_same ? Result::duplicate : Result::overlap;
  }
  const bool beyond = final_one ? end_ != 0 || at != last : end_ != 0 && end >= end_;
  if (beyond) return Result::overlap;
  if (count_ == kMost) return Result::full;
  std::move_backward(at, last, last + 1);
  *at = range;
  ++count_;
  bytes_ += place.size;
  if (final_one) end_ = end;
  return Result::fresh;
}

}  // namespace sluice
