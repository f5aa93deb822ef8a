#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "packet/packet.h"
#include "wire/address.h"

namespace sluice {

// Index of a slot of the neighbour table; stable while a reference to it is held.
using NextHop = uint16_t;
inline constexpr NextHop kNoNextHop = 0xffff;

// What forwarding needs of a next hop, on every packet: a quarter of a cache line. `dst` and `src`
// stand in the order of an Ethernet header.
struct NextHopView {
  MacAddress dst;  // meaningful while resolved
  MacAddress src;
  uint16_t mtu = 0;
  PortId port = kNoPort;
  bool resolved = false;

  void write_addresses(uint8_t* frame) const { std::memcpy(frame, this, 12); }
};
static_assert(sizeof(NextHopView) == 16, "four next hops share a cache line");
static_assert(std::is_trivially_copyable_v<NextHopView> && offsetof(NextHopView, src) == 6,
              "dst and src are copied as the first 12 bytes of a frame");

}  // namespace sluice
