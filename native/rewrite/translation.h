#pragma once

#include <cstdint>

#include "packet/packet.h"
#include "rewrite/tcp_offsets.h"

namespace sluice {

// What most packets become: a Rewrite of IPv4 addresses, L4 ports, the TTL and TCP's numbers.
// Addresses and ports in network order, as a flow entry has them.
struct Translation {
  uint32_t src;
  uint32_t dst;
  uint16_t src_port;
  uint16_t dst_port;
  int8_t ttl_delta;
  const TcpOffsets* tcp = nullptr;  // if any
};

// The same bytes as apply() of that Rewrite, for whole TCP and UDP packets over IPv4 that passed
// parse(), at half the cost: every flow pays it for every packet.
void translate(const Translation& to, Packet& packet);

}  // namespace sluice
