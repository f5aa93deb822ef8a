#include "port/netlink.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <span>

#include "base/check.h"
#include "port/host_error.h"

namespace sluice {
namespace {

// A request under construction. Everything that this file sends fits.
class Request {
 public:
  Request(uint16_t type, uint16_t flags) {
    header().nlmsg_len = NLMSG_HDRLEN;
    header().nlmsg_type = type;
    header().nlmsg_flags = NLM_F_REQUEST | flags;
  }

  template <class T>
  void append(const T& body) {
    add(&body, sizeof body);
  }
  void attribute(uint16_t type, const void* data, size_t size) {
    const rtattr header{static_cast<uint16_t>(RTA_LENGTH(size)), type};
    add(&header, sizeof header);
    add(data, size);
  }
  template <class T>
  void attribute(uint16_t type, const T& value) {
    attribute(type, &value, sizeof value);
  }

  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }

 private:
  void add(const void* data, size_t size) {
    SLUICE_CHECK(NLMSG_ALIGN(header().nlmsg_len) + size <= bytes_.size());
    std::memcpy(bytes_.data() + NLMSG_ALIGN(header().nlmsg_len), data, size);
    header().nlmsg_len = NLMSG_ALIGN(header().nlmsg_len) + static_cast<uint32_t>(size);
  }

  alignas(nlmsghdr) std::array<uint8_t, 256> bytes_{};
};

using MessageVisitor = std::function<void(const nlmsghdr&)>;

// Visits the messages of one datagram. Returns whether the answer is complete; `error_number` is
// then what the kernel said.
bool visit_datagram(std::span<const uint8_t> bytes, const MessageVisitor& visit,
                    int& error_number) {
  auto left = static_cast<int>(bytes.size());
  auto* message = reinterpret_cast<const nlmsghdr*>(bytes.data());
  for (; NLMSG_OK(message, static_cast<unsigned>(left)); message = NLMSG_NEXT(message, left)) {
    if (message->nlmsg_type == NLMSG_DONE) return true;
    if (message->nlmsg_type == NLMSG_ERROR) {
      error_number = -static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
      return true;
    }
    visit(*message);
  }
  return false;
}

// Sends the request and visits the answer up to its end. Returns errno, 0 for success.
int exchange(int socket, Request& request, const MessageVisitor& visit) {
  const nlmsghdr& header = request.header();
  if (send(socket, &header, header.nlmsg_len, 0) < 0) return errno;
  alignas(nlmsghdr) std::array<uint8_t, 32768> answer;
  int error_number = 0;
  for (;;) {
    const ssize_t size = recv(socket, answer.data(), answer.size(), 0);
    if (size < 0) return errno;
    if (visit_datagram({answer.data(), static_cast<size_t>(size)}, visit, error_number)) {
      return error_number;
    }
  }
}

using AttributeVisitor = std::function<void(uint16_t type, const uint8_t* data, size_t size)>;

void visit_attributes(const nlmsghdr& message, size_t body_size, const AttributeVisitor& visit) {
  const auto* at = static_cast<const uint8_t*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(body_size);
  auto left = static_cast<int>(message.nlmsg_len - NLMSG_SPACE(body_size));
  auto* attribute = reinterpret_cast<const rtattr*>(at);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    visit(attribute->rta_type, static_cast<const uint8_t*>(RTA_DATA(attribute)),
          RTA_PAYLOAD(attribute));
  }
}

LinkInfo read_link(const nlmsghdr& message) {
  const auto* body = static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  LinkInfo link;
  link.index = body->ifi_index;
  link.hardware_type = body->ifi_type;
  link.up = (body->ifi_flags & IFF_UP) != 0;
  visit_attributes(message, sizeof *body, [&](uint16_t type, const uint8_t* data, size_t size) {
    if (type == IFLA_MTU && size == sizeof link.mtu) std::memcpy(&link.mtu, data, size);
    if (type == IFLA_ADDRESS && size == 6) link.mac = MacAddress::load(data);
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
  visit_attributes(message, sizeof *body, [&](uint16_t type, const uint8_t* data, size_t size) {
    if (type == IFLA_LINK_NETNSID) foreign = true;
    if (type == IFLA_MASTER && size == sizeof found.master) std::memcpy(&found.master, data, size);
    if (type == IFLA_LINK && size == sizeof found.below) std::memcpy(&found.below, data, size);
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
  visit_attributes(message, sizeof *body, [&](uint16_t type, const uint8_t* data, size_t size) {
    if (type != IFA_ADDRESS && type != IFA_LOCAL) return;
    if (size == 4) found.address.address = IpAddress::load_v4(data);
    if (size == 16) found.address.address = IpAddress::load_v6(data);
  });
  return found;
}

}  // namespace

Result<Netlink> Netlink::open() {
  FileDescriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket.is_open()) return host_error("open a route netlink socket", errno, "");
  return Netlink(std::move(socket));
}

Result<LinkInfo> Netlink::link(const std::string& device) {
  Request request(RTM_GETLINK, NLM_F_ACK);
  request.append(ifinfomsg{});
  request.attribute(IFLA_IFNAME, device.c_str(), device.size() + 1);
  LinkInfo link;
  const int error_number =
      exchange(socket_.get(), request, [&](const nlmsghdr& message) { link = read_link(message); });
  if (error_number != 0) return host_error("look up device " + device, error_number, device);
  return link;
}

Result<bool> Netlink::carries_others(int index) {
  Request request(RTM_GETLINK, NLM_F_DUMP);
  request.append(ifinfomsg{});
  std::vector<LinkRelations> links;
  const int error_number = exchange(socket_.get(), request, [&](const nlmsghdr& message) {
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
  Request request(RTM_NEWLINK, NLM_F_ACK);
  ifinfomsg body{};
  body.ifi_index = index;
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  request.append(body);
  request.attribute(IFLA_MTU, mtu);
  const int error_number = exchange(socket_.get(), request, [](const nlmsghdr&) {});
  if (error_number == 0) return Done{};
  const std::string operation = "set " + device + " up with MTU " + std::to_string(mtu);
  if (error_number == EINVAL) {
    return Error{operation, EINVAL, "The device takes no such MTU: use 68 to 65521."};
  }
  return host_error(operation, error_number, device);
}

Status Netlink::add_address(const std::string& device, int index, const InterfaceAddress& address) {
  const bool v4 = address.address.is_v4();
  Request request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  ifaddrmsg body{};
  body.ifa_family = v4 ? AF_INET : AF_INET6;
  body.ifa_prefixlen = address.prefix_length;
  body.ifa_index = static_cast<uint32_t>(index);
  body.ifa_flags = v4 ? 0 : IFA_F_NODAD;
  request.append(body);
  const uint8_t* bytes = address.address.bytes.data();
  request.attribute(IFA_LOCAL, v4 ? bytes + 12 : bytes, v4 ? 4 : 16);
  request.attribute(IFA_ADDRESS, v4 ? bytes + 12 : bytes, v4 ? 4 : 16);
  const int error_number = exchange(socket_.get(), request, [](const nlmsghdr&) {});
  if (error_number == 0 || error_number == EEXIST) return Done{};
  return host_error("add an address to " + device, error_number, device);
}

bool Netlink::delivers_locally(const IpAddress& address) {
  const bool v4 = address.is_v4();
  Request request(RTM_GETROUTE, NLM_F_ACK);
  rtmsg body{};
  body.rtm_family = v4 ? AF_INET : AF_INET6;
  body.rtm_dst_len = v4 ? 32 : 128;
  request.append(body);
  request.attribute(RTA_DST, address.bytes.data() + (v4 ? 12 : 0), v4 ? 4 : 16);
  bool local = false;
  const int error_number = exchange(socket_.get(), request, [&](const nlmsghdr& message) {
    local = static_cast<const rtmsg*>(NLMSG_DATA(&message))->rtm_type == RTN_LOCAL;
  });
  return error_number == 0 && local;
}

Result<std::vector<KernelAddress>> Netlink::addresses() {
  Request request(RTM_GETADDR, NLM_F_DUMP);
  request.append(ifaddrmsg{});
  std::vector<KernelAddress> found;
  const int error_number = exchange(socket_.get(), request, [&](const nlmsghdr& message) {
    found.push_back(read_address(message));
  });
  if (error_number != 0) return host_error("list the kernel's addresses", error_number, "");
  return found;
}

}  // namespace sluice
