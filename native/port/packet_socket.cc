#include "port/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>

#include "packet/packet.h"
#include "port/host_error.h"

// Younger than the headers of some systems that we build on (Linux 6.4).
#ifndef PACKET_VNET_HDR_SZ
#define PACKET_VNET_HDR_SZ 24
#endif

namespace sluice {
namespace {

// Room for some batches of 64 KB frames on their way to a device that is slower than we are.
constexpr int kSendBuffer = 16 << 20;
// Frames longer than a slot that the kernel keeps for recv(). It takes twice this, for its
// overhead: about 500 super-packets.
constexpr int kReceiveBuffer = 16 << 20;

bool set_option(int socket, int option, int value) {
  return setsockopt(socket, SOL_PACKET, option, &value, sizeof value) == 0;
}

Status bind_to_device(int socket, uint16_t protocol, int link_index, const std::string& device) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = link_index;
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return host_error("bind to " + device, errno, device);
  }
  return Done{};
}

}  // namespace

Result<FileDescriptor> open_packet_socket(const std::string& device) {
  // Protocol 0: nothing arrives before bind(), when ring and options are in place.
  FileDescriptor socket(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return host_error("open a packet socket for " + device, errno, device);
  const int fd = socket.get();
  if (!set_option(fd, PACKET_VNET_HDR, 1)) {
    return host_error("ask for virtio-net headers on " + device, errno, device);
  }
  if (!set_option(fd, PACKET_VERSION, TPACKET_V2)) {
    return host_error("prepare the packet ring of " + device, errno, device);
  }
  // PACKET_QDISC_BYPASS stays off: it gains nothing measurable on devices without a queueing
  // discipline, and hides what we send from tcpdump and from the host's traffic control.
  // Best effort: without CAP_NET_ADMIN the system's default stays.
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer);
  return socket;
}

Status prepare_to_receive(int socket, const std::string& device) {
  // The engine's own frames are no input (DFS-23).
  if (!set_option(socket, PACKET_IGNORE_OUTGOING, 1)) {
    return host_error("ignore outgoing frames on " + device, errno, device);
  }
  if (!set_option(socket, PACKET_RESERVE, kHeadroom)) {
    return host_error("prepare the packet ring of " + device, errno, device);
  }
  // Frames longer than a slot are kept whole for recv().
  if (!set_option(socket, PACKET_COPY_THRESH, 1)) {
    return host_error("keep long frames of " + device, errno, device);
  }
  setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
  return Done{};
}

// USO came with Linux 6.2, and shows by the option that came next (6.4).
bool kernel_knows_uso(int socket) {
  int header_size = 0;
  socklen_t size = sizeof header_size;
  return getsockopt(socket, SOL_PACKET, PACKET_VNET_HDR_SZ, &header_size, &size) == 0;
}

Status receive_every_mac(int socket, int link_index, const std::string& device) {
  packet_mreq membership{};
  membership.mr_ifindex = link_index;
  membership.mr_type = PACKET_MR_PROMISC;
  if (setsockopt(socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership) != 0) {
    return host_error("receive all frames of " + device, errno, device);
  }
  return Done{};
}

Status bind_packet_socket(int socket, int link_index, const std::string& device) {
  Status joined = receive_every_mac(socket, link_index, device);
  if (!joined.ok()) return joined;
  return bind_to_device(socket, ETH_P_ALL, link_index, device);
}

Status bind_to_send(int socket, int link_index, const std::string& device) {
  constexpr uint16_t kNothing = 0;
  return bind_to_device(socket, kNothing, link_index, device);
}

}  // namespace sluice
