#include "port/netlink_message.h"

#include <sys/socket.h>

#include <cerrno>
#include <span>

namespace sluice {
namespace {

// Visits the messages of one datagram. Returns whether the answer is complete; `error_number` is
// then what the kernel said.
bool visit_datagram(std::span<const uint8_t> bytes,
                    const std::function<void(const nlmsghdr&)>& visit, int& error_number) {
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

}  // namespace

FileDescriptor open_netlink(int protocol) {
  return FileDescriptor(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
}

int exchange_netlink(int socket, NetlinkRequest& request,
                     const std::function<void(const nlmsghdr&)>& visit) {
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

void visit_netlink_attributes(
    const nlmsghdr& message, size_t body_size,
    const std::function<void(uint16_t type, const uint8_t* data, size_t size)>& visit) {
  const auto* at = static_cast<const uint8_t*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(body_size);
  auto left = static_cast<int>(message.nlmsg_len - NLMSG_SPACE(body_size));
  auto* attribute = reinterpret_cast<const rtattr*>(at);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    visit(attribute->rta_type, static_cast<const uint8_t*>(RTA_DATA(attribute)),
          RTA_PAYLOAD(attribute));
  }
}

}  // namespace sluice
