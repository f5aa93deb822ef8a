#include "port/xdp_port.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "port/ethernet_device.h"
#include "port/netns.h"
#include "port/packet_socket.h"
#include "port/receive_queues.h"

namespace sluice {
namespace {

constexpr Duration kStatisticsInterval = Duration::milliseconds(100);
// After which the kernel is asked again to send what it left: a busy device, a link that was down.
constexpr Duration kBusyInterval = Duration::milliseconds(1);
constexpr Duration kDownInterval = Duration::milliseconds(100);
// Addresses, two VLAN tags and the EtherType.
constexpr uint32_t kLinkHeader = 22;
constexpr uint32_t kLargestMtu = Umem::kLargestFrame - kLinkHeader;

// All that must be so before anything is changed. Returns whether the device is fit.
Status refuse_unfit_device(Netlink& netlink, const LinkInfo& link, const PortOptions& options) {
  const std::string& device = options.device;
  Result<bool> used = host_uses_device(netlink, link, options);
  if (!used.ok()) return used.error();
  if (used.value()) {
    return Error{"take device " + device, EADDRINUSE,
                 "The host has an address there, and would be cut off: AF_XDP takes every frame. "
                 "Remove the address, or use a port of kind packet."};
  }
  Result<bool> carries = netlink.carries_others(link.index);
  if (!carries.ok()) return carries.error();
  if (carries.value()) {
    return Error{"take device " + device, EBUSY,
                 "Another device works through it (a bridge, a VLAN) and would be cut off: AF_XDP "
                 "takes every frame. Use a port of kind packet."};
  }
  if (link.mtu > kLargestMtu) {
    return Error{"take device " + device, EMSGSIZE,
                 "Its MTU is too large for AF_XDP: `ip link set " + device + " mtu " +
                     std::to_string(kLargestMtu) + "`, or use a port of kind packet."};
  }
  if (receive_queues(device) > 1) {
    return Error{"take device " + device, EINVAL,
                 "It spreads what it receives over several queues, of which AF_XDP gets one: "
                 "`ethtool -L " +
                     device + " combined 1`, or use a port of kind packet."};
  }
  return Done{};
}

// A packet socket that is never bound receives nothing, but its membership counts.
Result<FileDescriptor> make_promiscuous(int link_index, const std::string& device) {
  Result<FileDescriptor> socket = open_packet_socket(device);
  if (!socket.ok()) return socket;
  Status joined = receive_every_mac(socket.value().get(), link_index, device);
  if (!joined.ok()) return joined.error();
  return socket;
}

std::string describe(const XdpRedirect& redirect, bool zero_copy) {
  std::string text = "AF_XDP, ";
  text += redirect.in_driver()
              ? "driver mode"
              : std::string("generic mode (driver: ") + std::strerror(redirect.refusal()) + ")";
  return text + (zero_copy ? ", zero copy" : ", copy");
}

}  // namespace

Result<std::unique_ptr<XdpPort>> XdpPort::open(const PortOptions& options, const XdpShape& shape) {
  Result<Netns> netns = Netns::open(options.netns);
  if (!netns.ok()) return netns.error();
  return netns.value().run([&] { return open_here(options, shape); });
}

Result<std::unique_ptr<XdpPort>> XdpPort::open_here(const PortOptions& options,
                                                    const XdpShape& shape) {
  Result<Netlink> netlink = Netlink::open();
  if (!netlink.ok()) return netlink.error();
  Result<LinkInfo> found = find_ethernet_device(netlink.value(), options.device);
  if (!found.ok()) return found.error();
  const LinkInfo& link = found.value();
  Status fit = refuse_unfit_device(netlink.value(), link, options);
  if (!fit.ok()) return fit.error();
  Result<FileDescriptor> promiscuous = make_promiscuous(link.index, options.device);
  if (!promiscuous.ok()) return promiscuous.error();
  // What the kernel gets before the redirection is complete, and what it says by itself.
  Result<KernelSilence> silence =
      KernelSilence::impose(netlink.value(), options.device, link.index);
  if (!silence.ok()) return silence.error();
  Result<XdpRedirect> redirect = XdpRedirect::attach(link.index, options.device);
  if (!redirect.ok()) return redirect.error();
  Result<XdpSocket> socket = XdpSocket::open(link.index, options.device, shape);
  if (!socket.ok()) return socket.error();
  std::unique_ptr<XdpPort> port(new XdpPort(options, link, std::move(socket.value()),
                                            std::move(redirect.value()), std::move(silence.value()),
                                            std::move(promiscuous.value()), shape));
  Status directed = port->redirect_.direct_to(port->socket_.fd.get());
  if (!directed.ok()) return directed.error();
  return port;
}

XdpPort::XdpPort(const PortOptions& options, const LinkInfo& link, XdpSocket socket,
                 XdpRedirect redirect, KernelSilence silence, FileDescriptor promiscuous,
                 const XdpShape& shape)
    : name_(options.name),
      description_(describe(redirect, socket.zero_copy)),
      silence_(std::move(silence)),
      promiscuous_(std::move(promiscuous)),
      socket_(std::move(socket)),
      redirect_(std::move(redirect)),
      mac_(options.mac.value_or(link.mac)),
      // Hardware completes checksums before the frame is on the wire. But in generic mode any
      // driver may hand up what was never on one (virtio_net, from a neighbour on the same host):
      // the kernel runs the program without completing the checksum, and AF_XDP does not tell.
      // Where a driver runs the program itself, that offload is off.
      checksums_unknown_(link.software || !redirect_.in_driver()) {
  capabilities_.mtu = static_cast<uint16_t>(link.mtu);
  for (uint32_t i = 0; i < shape.receive; ++i) {
    socket_.fill.entry(i) = uint64_t{i} * Umem::kChunk;
  }
  socket_.fill.produce(shape.receive);
  free_.reserve(shape.transmit);
  for (uint32_t i = shape.receive + shape.transmit; i > shape.receive; --i) {
    free_.push_back(uint64_t{i - 1} * Umem::kChunk);
  }
}

size_t XdpPort::receive(Instant now, Batch& batch) {
  collect_statistics(now);
  if (now >= next_sending_) send_pending(now);
  const uint32_t room = static_cast<uint32_t>(kBatchCapacity - batch.count);
  const uint32_t count = std::min(socket_.received.filled(), room);
  for (uint32_t i = 0; i < count; ++i) {
    const xdp_desc& frame = socket_.received.entry(i);
    lent_[i] = frame.addr;
    Packet& packet = batch.packets[batch.count++];
    packet = Packet{};
    packet.data = socket_.umem.at(frame.addr);
    __builtin_prefetch(packet.data);  // another core has just written it
    packet.length = frame.len;
    packet.offload.checksum_unknown = checksums_unknown_;
    counters_.rx_bytes += frame.len;
  }
  socket_.received.consume(count);
  counters_.rx_frames += count;
  lent_count_ = count;
  return count;
}

// The kernel takes an address anywhere in a chunk for the chunk.
void XdpPort::release() {
  if (lent_count_ == 0) return;
  for (uint32_t i = 0; i < lent_count_; ++i) socket_.fill.entry(i) = lent_[i];
  socket_.fill.produce(lent_count_);
  lent_count_ = 0;
  if (socket_.fill.needs_wakeup()) {
    (void)recvfrom(socket_.fd.get(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
  }
}

size_t XdpPort::transmit(Instant now, std::span<Packet* const> packets) {
  collect_completed();
  // Frames that were accepted while the link was down still wait in the ring; more shall not.
  if (down_) send_pending(now);
  if (down_) {
    counters_.tx_refused += packets.size();
    return 0;
  }
  uint32_t queued = 0;
  for (const Packet* packet : packets) {
    if (free_.empty() || packet->length > Umem::kChunk) break;
    const uint64_t chunk = free_.back();
    free_.pop_back();
    std::memcpy(socket_.umem.at(chunk), packet->data, packet->length);
    socket_.to_send.entry(queued++) = {chunk, packet->length, 0};
    counters_.tx_bytes += packet->length;
  }
  socket_.to_send.produce(queued);
  send_pending(now);
  counters_.tx_frames += queued;
  counters_.tx_refused += packets.size() - queued;
  return queued;
}

void XdpPort::collect_completed() {
  const uint32_t count = socket_.completed.filled();
  for (uint32_t i = 0; i < count; ++i) free_.push_back(socket_.completed.entry(i));
  socket_.completed.consume(count);
}

// Lets the kernel send what is in the ring. Of its own it sends some tens of frames at a call, and
// up to one that the device drops, and wants to be called again. What it still leaves then is for a
// later receive() or transmit().
void XdpPort::send_pending(Instant now) {
  down_ = false;
  for (uint32_t left = socket_.to_send.pending() + 1;
       socket_.to_send.needs_wakeup() && socket_.to_send.pending() < left;) {
    left = socket_.to_send.pending();
    if (sendto(socket_.fd.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0) break;
    down_ = errno == ENETDOWN || errno == ENXIO;
  }
  next_sending_ = Instant::never();
  if (socket_.to_send.pending() > 0) next_sending_ = now + (down_ ? kDownInterval : kBusyInterval);
}

// The counts of the kernel are totals. A frame that found no chunk to go into counts as dropped,
// too; the others dropped were longer than a chunk.
void XdpPort::collect_statistics(Instant now) {
  if (now < next_statistics_) return;
  next_statistics_ = now + kStatisticsInterval;
  xdp_statistics statistics{};
  socklen_t size = sizeof statistics;
  if (getsockopt(socket_.fd.get(), SOL_XDP, XDP_STATISTICS, &statistics, &size) != 0) return;
  const uint64_t no_chunk = std::min(statistics.rx_dropped, statistics.rx_fill_ring_empty_descs);
  counters_.rx_missed = statistics.rx_ring_full + no_chunk;
  counters_.rx_truncated = statistics.rx_dropped - no_chunk;
}

}  // namespace sluice
