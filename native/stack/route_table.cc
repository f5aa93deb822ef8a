#include "stack/route_table.h"

#include <algorithm>

namespace sluice {

void RouteTable::add(const Route& route) {
  const auto shorter = [&](const Route& other) { return other.to.length() < route.to.length(); };
  routes_.insert(std::find_if(routes_.begin(), routes_.end(), shorter), route);
}

const Route* RouteTable::find(const IpAddress& destination) const {
  for (const Route& route : routes_) {
    if (route.to.contains(destination)) return &route;
  }
  return nullptr;
}

const Route* RouteTable::find_connected(const IpAddress& destination) const {
  for (const Route& route : routes_) {
    if (route.via.is_zero() && route.to.contains(destination)) return &route;
  }
  return nullptr;
}

}  // namespace sluice
