#pragma once

#include <cstring>

#include "wire/address.h"

namespace sluice {

// RFC 4291 2.7.1: ff02::1:ff00:0/104 and the last 24 bits of the address.
inline IpAddress solicited_node(const IpAddress& address) {
  IpAddress group{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0}};
  std::memcpy(group.bytes.data() + 13, address.bytes.data() + 13, 3);
  return group;
}

// RFC 2464 7.
inline MacAddress multicast_mac(const IpAddress& group) {
  MacAddress mac{{0x33, 0x33}};
  std::memcpy(mac.bytes.data() + 2, group.bytes.data() + 12, 4);
  return mac;
}

}  // namespace sluice
