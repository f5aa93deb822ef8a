#pragma once

#include <vector>

#include "base/result.h"
#include "port/netlink.h"
#include "wire/address.h"

namespace sluice {

// Fails if the kernel has one of the engine's addresses on any device of the namespace: it would
// answer for it, or keep for itself what others send there (DFS-22).
Status refuse_shared_addresses(const std::vector<KernelAddress>& kernel,
                               const std::vector<InterfaceAddress>& engine);

}  // namespace sluice
