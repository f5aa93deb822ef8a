#include "port/host_error.h"

#include <cerrno>

namespace sluice {
namespace {

std::string remedy_for(int error_number, const std::string& device) {
  switch (error_number) {
    case EPERM:
    case EACCES: return "Run as root or give the process CAP_NET_ADMIN and CAP_NET_RAW.";
    case ENODEV:
    case ENXIO:
      return "There is no device \"" + device +
             "\" in this network namespace: correct the name, or make it with `ip link add`.";
    case EBUSY:
      return "Device \"" + device +
             "\" is in use by another program: stop that program or choose another device.";
    case ENETDOWN: return "Device \"" + device + "\" is down: `ip link set " + device + " up`.";
    case ENOMEM:
    case ENOBUFS:
      return "The kernel has no memory left for the packet ring: use fewer ports or add memory.";
    default: return "";
  }
}

}  // namespace

Error host_error(std::string operation, int error_number, const std::string& device) {
  return {std::move(operation), error_number, remedy_for(error_number, device)};
}

}  // namespace sluice
