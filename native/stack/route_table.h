#pragma once

#include <cstdint>
#include <vector>

#include "packet/packet.h"
#include "stack/ip_prefix.h"
#include "wire/address.h"

namespace sluice {

struct Route {
  IpPrefix to;
  PortId port;
  IpAddress via;  // zero: the destination is a neighbour itself
};

// Longest prefix match over static routes and connected subnets. A scan from the longest prefix
// down: there are few, and it runs once for each leg of a new flow, never per packet.
class RouteTable {
 public:
  // Of equal prefixes the one that was added first wins.
  void add(const Route& route);
  const Route* find(const IpAddress& destination) const;
  // The same among connected subnets alone.
  const Route* find_connected(const IpAddress& destination) const;

 private:
  std::vector<Route> routes_;  // by descending length
};

}  // namespace sluice
