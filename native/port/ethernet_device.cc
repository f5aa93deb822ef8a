#include "port/ethernet_device.h"

#include <linux/if_arp.h>

#include <algorithm>
#include <cerrno>

#include "port/host_addresses.h"
#include "port/host_error.h"

namespace sluice {

Result<LinkInfo> find_ethernet_device(Netlink& netlink, const std::string& device) {
  Result<LinkInfo> link = netlink.link(device);
  if (!link.ok()) return link;
  if (link.value().hardware_type != ARPHRD_ETHER) {
    return Error{"use device " + device, EINVAL,
                 "\"" + device + "\" is no Ethernet device: choose one that is."};
  }
  if (!link.value().up) return host_error("use device " + device, ENETDOWN, device);
  return link;
}

Result<bool> host_uses_device(Netlink& netlink, const LinkInfo& link, const PortOptions& options) {
  Result<std::vector<KernelAddress>> kernel = netlink.addresses();
  if (!kernel.ok()) return kernel.error();
  Status distinct = refuse_shared_addresses(kernel.value(), options.addresses);
  if (!distinct.ok()) return distinct.error();
  return std::any_of(kernel.value().begin(), kernel.value().end(),
                     [&](const KernelAddress& address) {
                       return address.link_index == link.index && !address.link_local;
                     });
}

}  // namespace sluice
