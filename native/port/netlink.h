#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "port/file_descriptor.h"
#include "wire/address.h"

namespace sluice {

struct LinkInfo {
  int index = 0;
  uint16_t hardware_type = 0;  // ARPHRD_*
  bool up = false;
  uint32_t mtu = 0;
  MacAddress mac;
  bool software = false;  // made by the kernel (veth, macvlan), not by a driver of hardware
};

struct KernelAddress {
  int link_index = 0;
  bool link_local = false;  // IPv6 fe80::/10, which the kernel makes by itself
  InterfaceAddress address;
};

// A route netlink socket of the network namespace in which it was opened (rtnetlink(7)). Every
// call waits while somebody else holds the kernel's lock of network configuration (rtnl), so this
// is for the opening of a port and not for a worker.
class Netlink {
 public:
  static Result<Netlink> open();

  Result<LinkInfo> link(const std::string& device);
  // Whether another device works through this one: a bridge or bond that it is part of, a VLAN or
  // macvlan on it. What works through it from another namespace does not show.
  Result<bool> carries_others(int index);
  Status set_up(const std::string& device, int index, uint32_t mtu);
  // An IPv6 address is usable at once: no duplicate address detection. One that is there already
  // is no error.
  Status add_address(const std::string& device, int index, const InterfaceAddress& address);
  Result<std::vector<KernelAddress>> addresses();
  // Whether the kernel takes packets for the address as its own. For IPv6 it does so only some time
  // after the address is there.
  bool delivers_locally(const IpAddress& address);

 private:
  explicit Netlink(FileDescriptor socket) : socket_(std::move(socket)) {}

  FileDescriptor socket_;
};

}  // namespace sluice
