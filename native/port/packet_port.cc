#include "port/packet_port.h"

#include <linux/if_ether.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "port/ethernet_device.h"
#include "port/host_error.h"
#include "port/netns.h"
#include "port/packet_fanout.h"
#include "port/packet_socket.h"
#include "port/sysctl.h"
#include "port/virtio_header.h"

namespace sluice {
namespace {

constexpr Duration kStatisticsInterval = Duration::milliseconds(100);
constexpr size_t kMacAddresses = 12;  // destination and source, before a VLAN tag
constexpr size_t kVlanTag = 4;

// On a device with addresses of its own the kernel goes on working. It stays out of the engine's
// traffic as long as it does not route: what is not addressed to it, it drops in silence.
Status refuse_routing_kernel(const PortOptions& options) {
  const bool v4 = read_sysctl("ipv4/conf/" + options.device + "/forwarding") == "1";
  const bool v6 = read_sysctl("ipv6/conf/all/forwarding") == "1";
  const auto concerned = [&](const InterfaceAddress& ours) {
    return ours.address.is_v4() ? v4 : v6;
  };
  if (std::none_of(options.addresses.begin(), options.addresses.end(), concerned)) return Done{};
  return Error{"share device " + options.device, EADDRINUSE,
               "The host uses this device and forwards, so it would answer what is sent to the "
               "engine: give the port a `mac` of its own, or remove the host's addresses."};
}

// Puts the tag back that the kernel took out of the frame, in front of the EtherType.
void restore_vlan_tag(const tpacket2_hdr& slot, Packet& packet) {
  const bool named = (slot.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
  packet.data -= kVlanTag;
  std::memmove(packet.data, packet.data + kVlanTag, kMacAddresses);
  store_be16(packet.data + kMacAddresses, named ? slot.tp_vlan_tpid : ETH_P_8021Q);
  store_be16(packet.data + kMacAddresses + 2, slot.tp_vlan_tci);
  packet.length += kVlanTag;
  // The kernel counts from the frame without the tag.
  if (packet.offload.needs_checksum) packet.offload.checksum_start += kVlanTag;
  if (packet.offload.header_length != 0) packet.offload.header_length += kVlanTag;
}

}  // namespace

Result<std::unique_ptr<PacketPort>> PacketPort::open(const PortOptions& options,
                                                     const RingShape& shape) {
  auto ports = open_several(options, 1, nullptr, shape);
  if (!ports.ok()) return ports.error();
  return std::move(ports.value().front());
}

Result<std::vector<std::unique_ptr<PacketPort>>> PacketPort::open_several(
    const PortOptions& options, size_t count, const SteeringProgram* program,
    const RingShape& shape) {
  Result<Netns> netns = Netns::open(options.netns);
  if (!netns.ok()) return netns.error();
  return netns.value().run([&] { return open_here(options, count, program, shape); });
}

Result<std::vector<std::unique_ptr<PacketPort>>> PacketPort::open_here(
    const PortOptions& options, size_t count, const SteeringProgram* program,
    const RingShape& shape) {
  Result<Netlink> netlink = Netlink::open();
  if (!netlink.ok()) return netlink.error();
  Result<LinkInfo> link = find_ethernet_device(netlink.value(), options.device);
  if (!link.ok()) return link.error();
  std::vector<std::unique_ptr<PacketPort>> ports;
  while (ports.size() < count) {
    Result<std::unique_ptr<PacketPort>> port = open_unbound(options, link.value(), shape);
    if (!port.ok()) return port.error();
    ports.push_back(std::move(port.value()));
  }
  Status taken = ports.front()->take_device(options, link.value(), netlink.value());
  if (!taken.ok()) return taken.error();
  for (const auto& port : ports) {
    port->claim_ = ports.front()->claim_;
    port->silence_ = ports.front()->silence_;
    port->host_addresses_ = ports.front()->host_addresses_;
  }
  Status bound = bind_all(ports, link.value(), program);
  if (!bound.ok()) return bound.error();
  return ports;
}

Result<std::unique_ptr<PacketPort>> PacketPort::open_unbound(const PortOptions& options,
                                                             const LinkInfo& link,
                                                             const RingShape& shape) {
  Result<FileDescriptor> socket = open_packet_socket(options.device);
  if (!socket.ok()) return socket.error();
  Status prepared = prepare_to_receive(socket.value().get(), options.device);
  if (!prepared.ok()) return prepared.error();
  Result<PacketRing> ring =
      PacketRing::make(socket.value().get(), PacketRing::Direction::receive, shape, options.device);
  if (!ring.ok()) return ring.error();
  Result<PacketSender> sender = PacketSender::open(link.index, options.device);
  if (!sender.ok()) return sender.error();
  std::unique_ptr<PacketPort> port(new PacketPort(
      options, std::move(socket.value()), std::move(ring.value()), std::move(sender.value())));
  port->mac_ = options.mac.value_or(link.mac);
  port->capabilities_.mtu = static_cast<uint16_t>(std::min<uint32_t>(link.mtu, UINT16_MAX));
  return port;
}

Status PacketPort::bind_all(const std::vector<std::unique_ptr<PacketPort>>& ports,
                            const LinkInfo& link, const SteeringProgram* program) {
  const std::string& device = ports.front()->device_;
  if (ports.size() == 1) return bind_packet_socket(ports[0]->socket_.get(), link.index, device);
  PacketFanout fanout(program, link.index, device);
  for (const auto& port : ports) {
    const int socket = port->socket_.get();
    Status held = PacketFanout::hold_back(socket, device);
    if (!held.ok()) return held;
    Status bound = bind_packet_socket(socket, link.index, device);
    if (!bound.ok()) return bound;
    Status joined = fanout.join(socket, device);
    if (!joined.ok()) return joined;
    port->description_ += ", " + fanout.description();
  }
  for (const auto& port : ports) {
    Status let_in = PacketFanout::let_in(port->socket_.get(), device);
    if (!let_in.ok()) return let_in;
  }
  return Done{};
}

PacketPort::PacketPort(const PortOptions& options, FileDescriptor socket, PacketRing ring,
                       PacketSender sender)
    : name_(options.name),
      device_(options.device),
      socket_(std::move(socket)),
      ring_(std::move(ring)),
      sender_(std::move(sender)),
      long_frames_(kLongFrames, kMaxFrame) {
  // The kernel segments and completes checksums for a device that cannot.
  if (options.offloads) {
    capabilities_.checksum = capabilities_.tso4 = capabilities_.tso6 = true;
    capabilities_.uso = kernel_knows_uso(socket_.get());
  }
}

Status PacketPort::take_device(const PortOptions& options, const LinkInfo& link, Netlink& netlink) {
  Result<bool> shared = host_uses_device(netlink, link, options);
  if (!shared.ok()) return shared.error();
  Result<DeviceClaim> claim = DeviceClaim::make(options.device, link.index, mac_);
  if (!claim.ok()) return claim.error();
  claim_ = std::make_shared<DeviceClaim>(std::move(claim.value()));
  Result<bool> carries = netlink.carries_others(link.index);
  if (!carries.ok()) return carries.error();
  if (shared.value() || carries.value()) {
    Result<std::vector<KernelAddress>> kernel = netlink.addresses();
    if (!kernel.ok()) return kernel.error();
    for (const KernelAddress& one : kernel.value()) {
      host_addresses_.push_back(one.address.address);
    }
  }
  if (shared.value()) {
    description_ += ", shared with the host";
    return mac_ == link.mac ? refuse_routing_kernel(options) : Status(Done{});
  }
  Result<KernelSilence> silence = KernelSilence::impose(netlink, options.device, link.index);
  if (!silence.ok()) return silence.error();
  description_ += silence.value().by_programs() ? ", tcx drop" : ", sysctl silence";
  silence_ = std::make_shared<KernelSilence>(std::move(silence.value()));
  return Done{};
}

size_t PacketPort::receive(Instant now, Batch& batch) {
  collect_statistics(now);
  const size_t before = batch.count;
  while (batch.count < kBatchCapacity && held_ < ring_.slots()) {
    if ((ring_.status(next_) & TP_STATUS_USER) == 0 || long_frames_used_ == kLongFrames) break;
    tpacket2_hdr* slot = ring_.slot(next_);
    ++held_;
    next_ = ring_.after(next_);
    Packet& packet = batch.packets[batch.count];
    switch (read_slot(slot, packet)) {
      case Slot::whole: break;
      case Slot::truncated: ++counters_.rx_truncated; continue;
      case Slot::missed: ++counters_.rx_missed; continue;
    }
    ++batch.count;
    ++counters_.rx_frames;
    counters_.rx_bytes += packet.length;
  }
  if (batch.count == before) release();
  return batch.count - before;
}

PacketPort::Slot PacketPort::read_slot(tpacket2_hdr* slot, Packet& packet) {
  // The kernel has lost frames for lack of room: see how many with the next receive().
  if ((slot->tp_status & TP_STATUS_LOSING) != 0) next_statistics_ = Instant();
  packet = Packet{};
  if ((slot->tp_status & TP_STATUS_COPY) != 0) {
    const Slot read = read_long_frame(packet);
    if (read != Slot::whole) return read;
  } else if (slot->tp_snaplen < slot->tp_len) {
    return Slot::missed;  // longer than the slot, and no room to keep it whole
  } else {
    packet.data = reinterpret_cast<uint8_t*>(slot) + slot->tp_mac;
    packet.length = slot->tp_len;
  }
  read_virtio_header(packet.data - kVirtioHeaderSize, packet.length, packet.offload);
  if ((slot->tp_status & TP_STATUS_CSUM_VALID) != 0) {
    packet.offload.checksum_verified = !packet.offload.needs_checksum;
  }
  if ((slot->tp_status & TP_STATUS_VLAN_VALID) != 0) restore_vlan_tag(*slot, packet);
  return packet.length <= kMaxFrame ? Slot::whole : Slot::truncated;
}

// The frame that the slot in hand only begins: the first of those that the kernel keeps whole,
// since it queues them as it fills the slots.
PacketPort::Slot PacketPort::read_long_frame(Packet& packet) {
  packet.data = long_frames_.frame(long_frames_used_);
  const ssize_t size = recv(socket_.get(), packet.data - kVirtioHeaderSize,
                            kVirtioHeaderSize + kMaxFrame, MSG_DONTWAIT | MSG_TRUNC);
  if (size < static_cast<ssize_t>(kVirtioHeaderSize)) return Slot::missed;
  packet.length = static_cast<uint32_t>(size) - kVirtioHeaderSize;
  if (packet.length > kMaxFrame) return Slot::truncated;
  ++long_frames_used_;
  return Slot::whole;
}

void PacketPort::release() {
  long_frames_used_ = 0;
  size_t slot = next_ >= held_ ? next_ - held_ : next_ + ring_.slots() - held_;
  for (; held_ > 0; --held_) {
    ring_.set_status(slot, TP_STATUS_KERNEL);
    slot = ring_.after(slot);
  }
}

size_t PacketPort::transmit(Instant, std::span<Packet* const> packets) {
  const size_t sent = sender_.send(packets);
  counters_.tx_frames += sent;
  counters_.tx_refused += packets.size() - sent;
  for (const Packet* packet : packets.first(sent)) counters_.tx_bytes += packet->length;
  return sent;
}

// Reading the statistics clears them, and reading the error lets a link that went down and up again
// stop polling as broken.
void PacketPort::collect_statistics(Instant now) {
  if (now < next_statistics_) return;
  next_statistics_ = now + kStatisticsInterval;
  tpacket_stats statistics{};
  socklen_t size = sizeof statistics;
  if (getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &statistics, &size) == 0) {
    counters_.rx_missed += statistics.tp_drops;
  }
  int link_error = 0;
  size = sizeof link_error;
  (void)getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &link_error, &size);
}

}  // namespace sluice
