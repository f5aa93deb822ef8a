#include "port/xdp_support.h"

#include <linux/genetlink.h>

#include <cstring>

#include "port/netlink.h"
#include "port/netlink_message.h"
#include "port/netns.h"

namespace sluice {
namespace {

// <linux/netdev.h>, since Linux 6.3.
constexpr char kFamily[] = "netdev";
constexpr uint8_t kGetDevice = 1;
constexpr uint16_t kIndex = 1;
constexpr uint16_t kXdpFeatures = 3;
constexpr uint64_t kRedirects = 2;
constexpr uint64_t kZeroCopy = 8;

NetlinkRequest generic_request(uint16_t family, uint8_t command) {
  NetlinkRequest request(family, NLM_F_ACK);
  request.append(genlmsghdr{command, 1, 0});
  return request;
}

// The number of the family; 0 where the kernel has none.
uint16_t find_family(int socket) {
  NetlinkRequest request = generic_request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
  request.attribute(CTRL_ATTR_FAMILY_NAME, kFamily, sizeof kFamily);
  uint16_t family = 0;
  (void)exchange_netlink(socket, request, [&](const nlmsghdr& message) {
    visit_netlink_attributes(message, sizeof(genlmsghdr),
                             [&](uint16_t type, const uint8_t* data, size_t size) {
                               if (type == CTRL_ATTR_FAMILY_ID && size == sizeof family) {
                                 std::memcpy(&family, data, size);
                               }
                             });
  });
  return family;
}

XdpSupport ask(int socket, uint16_t family, int link_index) {
  NetlinkRequest request = generic_request(family, kGetDevice);
  request.attribute(kIndex, static_cast<uint32_t>(link_index));
  uint64_t features = 0;
  const int error_number = exchange_netlink(socket, request, [&](const nlmsghdr& message) {
    visit_netlink_attributes(message, sizeof(genlmsghdr),
                             [&](uint16_t type, const uint8_t* data, size_t size) {
                               if (type == kXdpFeatures && size == sizeof features)
                                 std::memcpy(&features, data, size);
                             });
  });
  if (error_number != 0) return XdpSupport::unknown;
  if ((features & kZeroCopy) != 0) return XdpSupport::zero_copy;
  return (features & kRedirects) != 0 ? XdpSupport::driver : XdpSupport::generic;
}

}  // namespace

Result<XdpSupport> xdp_support(const std::string& netns, const std::string& device) {
  Result<Netns> space = Netns::open(netns);
  if (!space.ok()) return space.error();
  return space.value().run([&]() -> Result<XdpSupport> {
    Result<Netlink> route = Netlink::open();
    if (!route.ok()) return route.error();
    Result<LinkInfo> link = route.value().link(device);
    if (!link.ok()) return link.error();
    const FileDescriptor socket = open_netlink(NETLINK_GENERIC);
    const uint16_t family = socket.is_open() ? find_family(socket.get()) : uint16_t{0};
    if (family == 0) return XdpSupport::unknown;
    return ask(socket.get(), family, link.value().index);
  });
}

}  // namespace sluice
