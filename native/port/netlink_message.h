#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#include "base/check.h"
#include "port/file_descriptor.h"

namespace sluice {

// The form of netlink messages (netlink(7)): what rtnetlink and generic netlink have in common.

// A request under construction. Everything that this folder sends fits.
class NetlinkRequest {
 public:
  NetlinkRequest(uint16_t type, uint16_t flags) {
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

// A socket of a netlink protocol in the calling thread's network namespace; none where errno says
// why.
FileDescriptor open_netlink(int protocol);

// Sends the request, which asks for an acknowledgement or a dump, and visits the answer up to its
// end. Returns errno, 0 for success.
int exchange_netlink(int socket, NetlinkRequest& request,
                     const std::function<void(const nlmsghdr&)>& visit);

// Visits the attributes behind the body of a message.
void visit_netlink_attributes(
    const nlmsghdr& message, size_t body_size,
    const std::function<void(uint16_t type, const uint8_t* data, size_t size)>& visit);

}  // namespace sluice
