#include <doctest/doctest.h>

#include <random>

#include "segment/serials.h"

namespace sluice {
namespace {

TEST_CASE("SSMB-11 SSMB-16 no serial is a control segment's, another segment's or a live flow's") {
  for (const uint8_t node : {0, 1, 127}) {
    CAPTURE(int{node});
    Serials serials(node);
    std::mt19937 random(node);
    std::vector<uint32_t> live;
    // The count comes round once.
    for (uint32_t i = 0; i < (1u << 24) + 100'000; ++i) {
      const uint32_t serial = serials.next();
      if (serial >> 24 != (0x80u | node)) FAIL_CHECK("the serial ", serial, " is not ours");
      if (live.size() < 1000) {
        live.push_back(serial);
        continue;
      }
      for (const uint32_t other : {live.front(), live[random() % live.size()]}) {
        if (serial == other) FAIL_CHECK("a live flow has the serial ", serial);
      }
      serials.give_back(serial);
      // What a control segment made (NEWFLOW) is none of ours to keep or to give back.
      serials.keep(serial & 0x7fffffff);
    }
  }
}

}  // namespace
}  // namespace sluice
