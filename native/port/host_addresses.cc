#include "port/host_addresses.h"

#include <cerrno>

#include "port/address_text.h"

namespace sluice {

Status refuse_shared_addresses(const std::vector<KernelAddress>& kernel,
                               const std::vector<InterfaceAddress>& engine) {
  for (const InterfaceAddress& ours : engine) {
    for (const KernelAddress& theirs : kernel) {
      if (theirs.address.address != ours.address) continue;
      const std::string text = to_text(ours.address);
      return Error{"take the address " + text, EADDRINUSE,
                   "The kernel has " + text +
                       " itself and would answer for it: remove it with "
                       "`ip address del`, or give the engine another address."};
    }
  }
  return Done{};
}

}  // namespace sluice
