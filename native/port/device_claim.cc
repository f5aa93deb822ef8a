#include "port/device_claim.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

#include "port/host_error.h"

namespace sluice {

Result<DeviceClaim> DeviceClaim::make(const std::string& device, int link_index,
                                      const MacAddress& mac) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const auto& m = mac.bytes;
  // The first byte stays zero: what follows is no path.
  const int length = std::snprintf(name.sun_path + 1, sizeof name.sun_path - 1,
                                   "sluice/device/%d/%02x:%02x:%02x:%02x:%02x:%02x", link_index,
                                   m[0], m[1], m[2], m[3], m[4], m[5]);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.is_open() && bind(socket.get(), reinterpret_cast<sockaddr*>(&name), size) == 0) {
    return DeviceClaim(std::move(socket));
  }
  if (errno != EADDRINUSE) return host_error("claim device " + device, errno, device);
  return Error{"take device " + device, EADDRINUSE,
               "Another engine has it with this MAC address: stop that one first, "
               "or give one of the two a `mac` of its own."};
}

}  // namespace sluice
