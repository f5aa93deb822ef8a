#pragma once

#include <string>

#include "base/result.h"

namespace sluice {

// What the driver of a device says of XDP.
enum class XdpSupport : uint8_t {
  unknown,    // this kernel does not tell (before Linux 6.3)
  generic,    // no XDP in the driver: the kernel's own does it, after it made a packet of the frame
  driver,     // in the driver
  zero_copy,  // in the driver, which reads and writes the memory of an AF_XDP socket itself
};

// Asks for a device of a network namespace (see Netns::open). Changes nothing and needs no
// privilege in the present namespace.
Result<XdpSupport> xdp_support(const std::string& netns, const std::string& device);

}  // namespace sluice
