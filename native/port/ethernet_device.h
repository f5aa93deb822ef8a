#pragma once

#include "base/result.h"
#include "port/netlink.h"
#include "port/port_options.h"

namespace sluice {

// Looks up an existing device that a port is to work on, and refuses one that is no Ethernet device
// or is down.
Result<LinkInfo> find_ethernet_device(Netlink& netlink, const std::string& device);

// Whether the host uses the device as well: it has an address there that it did not make itself.
// Refuses where it has one of the engine's, wherever.
Result<bool> host_uses_device(Netlink& netlink, const LinkInfo& link, const PortOptions& options);

}  // namespace sluice
