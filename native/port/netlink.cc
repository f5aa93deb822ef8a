#include "port/netlink.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "port/host_error.h"
#include "port/netlink_message.h"

namespace sluice {
namespace {

LinkInfo read_link(const nlmsghdr& message) {
  const auto* body = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  LinkInfo link;
  link.index = body->ifi_index;
  link.hardware_type = body->ifi_type;
  link.up = (body->ifi_flags & IFF_UP) != 0;
  visit_netlink_attributes(message, sizeof *body,
                           [&](uint16_t type, const uint8_t* data, size_t size) {
                             if (type == IFLA_MTU && size == sizeof link.mtu)
                               std::memcpy(&link.mtu, data, size);
                             if (type == IFLA_ADDRESS && size == 6)
                               link.mac = MacAddress::load(data);
                             if (type == IFLA_LINKINFO) link.software = true;
                           });
  return link;
}

// How a device refers to others; 0 where it does not.
struct LinkRelations {
  int index = 0;
  int master = 0;  // the bridge or bond that it is part of
  int below = 0;   // what it works through; of a veth device, its peer
};

LinkRelations read_relations(const nlmsghdr& message) {
  LinkRelations found;
  const auto* body = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  found.index = body->ifi_index;
  bool foreign = false;
  visit_netlink_attributes(message, sizeof *body,
                           [&](uint16_t type, const uint8_t* data, size_t size) {
                             if (type == IFLA_LINK_NETNSID) foreign = true;
                             if (type == IFLA_MASTER && size == sizeof found.master)
                               std::memcpy(&found.master, data, size);
                             if (type == IFLA_LINK && size == sizeof found.below)
                               std::memcpy(&found.below, data, size);
                           });
  if (foreign) found.below = 0;
  return found;
}

KernelAddress read_address(const nlmsghdr& message) {
  const auto* body = static_cast<const ifaddrmsg*>(NLMSG_DATA(&message));
  KernelAddress found;
  found.link_index = static_cast<int>(body->ifa_index);
  found.link_local = body->ifa_family == AF_INET6 && body->ifa_scope == RT_SCOPE_LINK;
  found.address.prefix_length = body->ifa_prefixlen;
  // IFA_ADDRESS is the far end where IFA_LOCAL, which comes after it, is there too.
  visit_netlink_attributes(message, sizeof *body,
                           [&](uint16_t type, const uint8_t* data, size_t size) {
                             if (type != IFA_ADDRESS && type != IFA_LOCAL) return;
                             if (size == 4) found.address.address = IpAddress::load_v4(data);
                             if (size == 16) found.address.address = IpAddress::load_v6(data);
                           });
  return found;
}

}  // namespace

Result<Netlink> Netlink::open() {
  FileDescriptor socket = open_netlink(NETLINK_ROUTE);
  if (!socket.is_open()) return host_error("open a route netlink socket", errno, "");
  return Netlink(std::move(socket));
}

Result<LinkInfo> Netlink::link(const std::string& device) {
  NetlinkRequest request(RTM_GETLINK, NLM_F_ACK);
  request.append(ifinfomsg{});
  request.attribute(IFLA_IFNAME, device.c_str(), device.size() + 1);
  LinkInfo link;
  const int error_number = exchange_netlink(
      socket_.get(), request, [&](const nlmsghdr& message) { link = read_link(message); });
  if (error_number != 0) return host_error("look up device " + device, error_number, device);
  return link;
}

Result<bool> Netlink::carries_others(int index) {
  NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP);
  request.append(ifinfomsg{});
  std::vector<LinkRelations> links;
  const int error_number = exchange_netlink(socket_.get(), request, [&](const nlmsghdr& message) {
    links.push_back(read_relations(message));
  });
  if (error_number != 0) return host_error("list the devices", error_number, "");
  LinkRelations own;
  for (const LinkRelations& link : links) {
    if (link.index == index) own = link;
  }
  if (own.master != 0) return true;
  return std::any_of(links.begin(), links.end(), [&](const LinkRelations& link) {
    return link.below == index && link.index != own.below;
  });
}

Status Netlink::set_up(const std::string& device, int index, uint32_t mtu) {
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK);
  ifinfomsg body{};
  body.ifi_index = index;
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  request.append(body);
  request.attribute(IFLA_MTU, mtu);
  const int error_number = exchange_netlink(socket_.get(), request, [](const nlmsghdr&) {});
  if (error_number == 0) return Done{};
  const std::string operation = "set " + device + " up with MTU " + std::to_string(mtu);
  if (error_number == EINVAL) {
    return Error{operation, EINVAL, "The device takes no such MTU: use 68 to 65521."};
  }
  return host_error(operation, error_number, device);
}

Status Netlink::add_address(const std::string& device, int index, const InterfaceAddress& address) {
  const bool v4 = address.address.is_v4();
  NetlinkRequest request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  ifaddrmsg body{};
  body.ifa_family = v4 ? AF_INET : AF_INET6;
  body.ifa_prefixlen = address.prefix_length;
  body.ifa_index = static_cast<uint32_t>(index);
  body.ifa_flags = v4 ? 0 : IFA_F_NODAD;
  request.append(body);
  const uint8_t* bytes = address.address.bytes.data();
  request.attribute(IFA_LOCAL, v4 ? bytes + 12 : bytes, v4 ? 4 : 16);
  request.attribute(IFA_ADDRESS, v4 ? bytes + 12 : bytes, v4 ? 4 : 16);
  const int error_number = exchange_netlink(socket_.get(), request, [](const nlmsghdr&) {});
  if (error_number == 0 || error_number == EEXIST) return Done{};
  return host_error("add an address to " + device, error_number, device);
}

bool Netlink::delivers_locally(const IpAddress& address) {
  const bool v4 = address.is_v4();
  NetlinkRequest request(RTM_GETROUTE, NLM_F_ACK);
  rtmsg body{};
  body.rtm_family = v4 ? AF_INET : AF_INET6;
  body.rtm_dst_len = v4 ? 32 : 128;
  request.append(body);
  request.attribute(RTA_DST, address.bytes.data() + (v4 ? 12 : 0), v4 ? 4 : 16);
  bool local = false;
  const int error_number = exchange_netlink(socket_.get(), request, [&](const nlmsghdr& message) {
    local = static_cast<const rtmsg*>(NLMSG_DATA(&message))->rtm_type == RTN_LOCAL;
  });
  return error_number == 0 && local;
}

Result<std::vector<KernelAddress>> Netlink::addresses() {
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP);
  request.append(ifaddrmsg{});
  std::vector<KernelAddress> found;
  const int error_number = exchange_netlink(socket_.get(), request, [&](const nlmsghdr& message) {
    found.push_back(read_address(message));
  });
  if (error_number != 0) return host_error("list the kernel's addresses", error_number, "");
  return found;
}

}  // namespace sluice
