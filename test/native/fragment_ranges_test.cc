// Which bytes of a datagram have come.
#include "fragment/received_ranges.h"

#include <doctest/doctest.h>

#include <vector>

#include "base/random.h"

namespace sluice {
namespace {

using Result = ReceivedRanges::Result;

TEST_CASE("TCPX-68 ranges agree with a map of every byte, whatever comes") {
  Random random(7);
  for (int run = 0; run < 3000; ++run) {
    ReceivedRanges ranges;
    std::vector<int> came(4096, -1);  // which fragment each unit of 8 bytes came with
    std::vector<FragmentPlace> kept;
    uint32_t end = 0;
    for (int i = 0; i < 40; ++i) {
      const auto offset = static_cast<uint32_t>(random.below(64)) * 8;
      const bool more = random.chance(0.8);
      const auto size =
          static_cast<uint32_t>(more ? (1 + random.below(8)) * 8 : 1 + random.below(64));
      const FragmentPlace place{offset, size, more};
      const uint32_t last = (offset + size + 7) / 8;
      bool overlaps = !more && end != 0;
      for (uint32_t unit = offset / 8; unit < last; ++unit) overlaps |= came[unit] >= 0;
      for (const FragmentPlace& other : kept) {
        overlaps |= !more && other.offset >= offset;
        overlaps |= more && end != 0 && offset + size >= end;
      }
      bool same = false;
      for (const FragmentPlace& other : kept) {
        same |= other.offset == offset && other.size == size && other.more == more;
      }
      const Result expected = same ? Result::duplicate : overlaps ? Result::overlap : Result::fresh;
      CHECK(ranges.add(place) == expected);
      if (expected != Result::fresh) continue;
      for (uint32_t unit = offset / 8; unit < last; ++unit) came[unit] = i;
      kept.push_back(place);
      if (!more) end = offset + size;
      bool whole = end != 0;
      for (uint32_t unit = 0; unit < (end + 7) / 8; ++unit) whole &= came[unit] >= 0;
      CHECK(ranges.complete() == whole);
    }
  }
}

TEST_CASE("TCPX-68 a datagram has no more fragments than are remembered") {
  ReceivedRanges ranges;
  for (uint32_t i = 0; i < ReceivedRanges::kMost; ++i) {
    CHECK(ranges.add({i * 16, 8, true}) == Result::fresh);
  }
  CHECK(ranges.add({65528, 7, false}) == Result::full);
}

}  // namespace
}  // namespace sluice
