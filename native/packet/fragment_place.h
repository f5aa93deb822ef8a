#pragma once

#include <cstdint>

#include "packet/packet.h"

namespace sluice {

// One fragment's place in its datagram, checked by parse().
struct FragmentPlace {
  uint32_t offset;  // bytes, a multiple of 8
  uint32_t size;    // bytes, not 0; a multiple of 8 unless it is the last
  bool more;        // others follow
};

// Of a fragment that passed parse().
FragmentPlace place_of(const Packet& fragment);

}  // namespace sluice
