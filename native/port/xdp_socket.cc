#include "port/xdp_socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "port/host_error.h"

namespace sluice {
namespace {

// <linux/if_xdp.h> has it since Linux 6.17: the most frames that one system call sends.
constexpr int kMaxTxSkbBudget = 9;
// Room for the frames on their way to a device that is slower than we are.
constexpr int kSendBuffer = 16 << 20;

Error socket_error(std::string operation, int error_number, const std::string& device) {
  if (error_number == EAFNOSUPPORT) {
    return {std::move(operation), error_number,
            "This kernel has no AF_XDP (CONFIG_XDP_SOCKETS): use a port of kind packet."};
  }
  if (error_number == ENOBUFS) {
    return {std::move(operation), error_number,
            "The process may not lock so much memory: raise `ulimit -l` (systemd: "
            "LimitMEMLOCK=infinity), or give it CAP_IPC_LOCK."};
  }
  return host_error(std::move(operation), error_number, device);
}

bool set_option(int socket, int option, const void* value, size_t size) {
  return setsockopt(socket, SOL_XDP, option, value, static_cast<socklen_t>(size)) == 0;
}

bool set_sizes(int socket, const XdpShape& shape) {
  const struct {
    int option;
    uint32_t entries;
  } rings[] = {{XDP_UMEM_FILL_RING, shape.receive},
               {XDP_RX_RING, shape.receive},
               {XDP_TX_RING, shape.transmit},
               {XDP_UMEM_COMPLETION_RING, shape.transmit}};
  for (const auto& ring : rings) {
    if (!set_option(socket, ring.option, &ring.entries, sizeof ring.entries)) return false;
  }
  return true;
}

Status set_options(int socket, const Umem& umem, const XdpShape& shape, const std::string& device) {
  xdp_umem_reg region{};
  region.addr = reinterpret_cast<uint64_t>(umem.memory());
  region.len = umem.size();
  region.chunk_size = Umem::kChunk;
  if (!set_option(socket, XDP_UMEM_REG, &region, sizeof region)) {
    return socket_error("share memory with the kernel for " + device, errno, device);
  }
  if (!set_sizes(socket, shape)) {
    return socket_error("make the AF_XDP rings of " + device, errno, device);
  }
  // Best effort, all three.
  (void)set_option(socket, kMaxTxSkbBudget, &shape.transmit, sizeof shape.transmit);
  setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof kSendBuffer);
  return Done{};
}

// Tries without copies first. Returns errno, 0 for success.
int bind_queue(int socket, int link_index, bool& zero_copy) {
  sockaddr_xdp address{};
  address.sxdp_family = AF_XDP;
  address.sxdp_ifindex = static_cast<uint32_t>(link_index);
  for (const uint16_t mode : {XDP_ZEROCOPY, XDP_COPY}) {
    address.sxdp_flags = static_cast<uint16_t>(mode | XDP_USE_NEED_WAKEUP);
    zero_copy = mode == XDP_ZEROCOPY;
    if (bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return 0;
  }
  return errno;
}

}  // namespace

Result<XdpSocket> XdpSocket::open(int link_index, const std::string& device,
                                  const XdpShape& shape) {
  FileDescriptor fd(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return socket_error("open an AF_XDP socket for " + device, errno, device);
  const int socket = fd.get();
  Result<Umem> umem = Umem::make(shape.chunks());
  if (!umem.ok()) return umem.error();
  Status set = set_options(socket, umem.value(), shape, device);
  if (!set.ok()) return set.error();
  xdp_mmap_offsets layout{};
  socklen_t size = sizeof layout;
  if (getsockopt(socket, SOL_XDP, XDP_MMAP_OFFSETS, &layout, &size) != 0) {
    return socket_error("lay out the AF_XDP rings of " + device, errno, device);
  }
  auto fill = XdpRing<uint64_t>::map(socket, XDP_UMEM_PGOFF_FILL_RING, layout.fr, shape.receive);
  auto received = XdpRing<xdp_desc>::map(socket, XDP_PGOFF_RX_RING, layout.rx, shape.receive);
  auto to_send = XdpRing<xdp_desc>::map(socket, XDP_PGOFF_TX_RING, layout.tx, shape.transmit);
  auto completed =
      XdpRing<uint64_t>::map(socket, XDP_UMEM_PGOFF_COMPLETION_RING, layout.cr, shape.transmit);
  if (!fill.ok()) return fill.error();
  if (!received.ok()) return received.error();
  if (!to_send.ok()) return to_send.error();
  if (!completed.ok()) return completed.error();
  bool zero_copy = false;
  const int error_number = bind_queue(socket, link_index, zero_copy);
  if (error_number != 0) {
    return socket_error("bind an AF_XDP socket to " + device, error_number, device);
  }
  return XdpSocket{std::move(fd),
                   std::move(umem.value()),
                   std::move(fill.value()),
                   std::move(received.value()),
                   std::move(to_send.value()),
                   std::move(completed.value()),
                   zero_copy};
}

}  // namespace sluice
