// One connection between two hosts over an impaired link, with random users on both sides.
#pragma once

#include <string>

#include "support/link.h"

namespace sluice::test {

// What one user does: writes so much, in pieces of up to so much, and reads with pauses.
struct SimulatedUser {
  uint64_t bytes = 0;
  uint32_t piece = 16384;
  Duration pause;  // between two reads; none: reads at once
  bool no_delay = false;
};

struct Transfer {
  SimulatedLink link;
  std::array<SimulatedUser, 2> users;

  // Everything drawn from the seed.
  static Transfer random(uint64_t seed);
};

struct TransferResult {
  std::string problem;  // empty: all bytes came, in order, and both ends are closed
  Duration took;        // until the last byte was read
};

TransferResult run_transfer(const Transfer& transfer, bool traced = false);

}  // namespace sluice::test
