#include "port/tap_port.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "port/host_addresses.h"
#include "port/host_error.h"
#include "port/netlink.h"
#include "port/netns.h"
#include "port/sysctl.h"
#include "port/virtio_header.h"

// USO is younger than the headers of some systems that we build on (Linux 6.2).
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace sluice {
namespace {

constexpr Duration kCountInterval = Duration::seconds(1);

Error tap_error(const std::string& operation, int error_number, const std::string& device) {
  const std::string tried = operation + " " + device;
  if (error_number == EINVAL) {
    return {tried, EINVAL,
            "\"" + device +
                "\" is no name for a TAP device (1 to 15 characters), or a device of "
                "another kind has it, or a persistent TAP with one queue where several are wanted: "
                "choose another name."};
  }
  return host_error(tried, error_number, device);
}

Result<FileDescriptor> open_tun() {
  FileDescriptor tap(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (tap.is_open()) return tap;
  if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
    return Error{"open /dev/net/tun", errno,
                 "Load the module with `modprobe tun`, give the container the device /dev/net/tun, "
                 "or use a port of kind packet."};
  }
  return host_error("open /dev/net/tun", errno, "");
}

// Makes the device and lets each frame be preceded by a virtio-net header.
Status make_device(int tap, const std::string& device, bool several_queues) {
  if (device.empty() || device.size() >= IFNAMSIZ) return tap_error("make TAP", EINVAL, device);
  ifreq request{};
  std::memcpy(request.ifr_name, device.data(), device.size());
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (several_queues) request.ifr_flags |= IFF_MULTI_QUEUE;
  if (ioctl(tap, TUNSETIFF, &request) != 0) return tap_error("make TAP", errno, device);
  const int header_size = kVirtioHeaderSize;
  if (ioctl(tap, TUNSETVNETHDRSZ, &header_size) != 0) {
    return tap_error("set the header size of TAP", errno, device);
  }
  return Done{};
}

// What the host may need to use its IPv6 addresses at once, also where IPv6 is off by default.
Status enable_ipv6(const std::string& device) {
  const std::string settings = "ipv6/conf/" + device + "/";
  if (read_sysctl(settings + "disable_ipv6") == "1") {
    Status enabled = write_sysctl(settings + "disable_ipv6", "0");
    if (!enabled.ok()) return enabled;
  }
  // The link-local address, too, is to be usable at once (RFC 4862 5.4 turned off).
  return write_sysctl(settings + "accept_dad", "0");
}

// The kernel enters the route to an IPv6 address of its own in a work queue. On a busy machine that
// takes a while; one that takes seconds has other troubles, and only loses first packets by it.
void wait_until_usable(Netlink& netlink, const IpAddress& address) {
  constexpr int kTries = 3000;
  constexpr useconds_t kMillisecond = 1000;
  for (int i = 0; i < kTries && !netlink.delivers_locally(address); ++i) usleep(kMillisecond);
}

// The engine's own MAC on the link: the kernel's random one with one bit turned, so that the two
// differ and the engine needs no entropy for it.
MacAddress derived_mac(MacAddress kernel) {
  kernel.bytes[5] ^= 1;
  kernel.bytes[0] = static_cast<uint8_t>((kernel.bytes[0] & ~1u) | 2u);  // unicast, local
  return kernel;
}

}  // namespace

Result<std::unique_ptr<TapPort>> TapPort::open(const PortOptions& options, size_t largest_frame) {
  auto ports = open_several(options, 1, nullptr, largest_frame);
  if (!ports.ok()) return ports.error();
  return std::move(ports.value().front());
}

Result<std::vector<std::unique_ptr<TapPort>>> TapPort::open_several(const PortOptions& options,
                                                                    size_t count,
                                                                    const SteeringProgram* program,
                                                                    size_t largest_frame) {
  Result<Netns> netns = Netns::open(options.netns);
  if (!netns.ok()) return netns.error();
  return netns.value().run([&] { return open_here(options, count, program, largest_frame); });
}

Result<std::vector<std::unique_ptr<TapPort>>> TapPort::open_here(const PortOptions& options,
                                                                 size_t count,
                                                                 const SteeringProgram* program,
                                                                 size_t largest_frame) {
  Result<Netlink> netlink = Netlink::open();
  if (!netlink.ok()) return netlink.error();
  Result<DeviceDrops> drops = DeviceDrops::open();
  if (!drops.ok()) return drops.error();
  std::vector<std::unique_ptr<TapPort>> ports;
  while (ports.size() < count) {
    Result<std::unique_ptr<TapPort>> port = open_queue(options, count, largest_frame);
    if (!port.ok()) return port.error();
    ports.push_back(std::move(port.value()));
  }
  TapPort& first = *ports.front();
  first.drops_.emplace(std::move(drops.value()));
  if (count > 1) first.steer_by(program);
  Status up = first.set_up_host_side(options, netlink.value());
  if (!up.ok()) return up.error();
  for (const auto& port : ports) port->mac_ = first.mac_;
  return ports;
}

Result<std::unique_ptr<TapPort>> TapPort::open_queue(const PortOptions& options, size_t count,
                                                     size_t largest_frame) {
  Result<FileDescriptor> tap = open_tun();
  if (!tap.ok()) return tap.error();
  Status made = make_device(tap.value().get(), options.device, count > 1);
  if (!made.ok()) return made.error();
  std::unique_ptr<TapPort> port(new TapPort(options, std::move(tap.value()), largest_frame));
  Status offloads = port->set_offloads(options.offloads);
  if (!offloads.ok()) return offloads.error();
  return port;
}

TapPort::TapPort(const PortOptions& options, FileDescriptor tap, size_t largest_frame)
    : name_(options.name),
      device_(options.device),
      tap_(std::move(tap)),
      buffers_(kBatchCapacity, largest_frame) {
  capabilities_.mtu = options.mtu;
}

void TapPort::steer_by(const SteeringProgram* program) {
  int refusal = program != nullptr ? program->refusal() : 0;
  if (program != nullptr && refusal == 0) {
    int descriptor = program->descriptor();
    if (ioctl(tap_.get(), TUNSETSTEERINGEBPF, &descriptor) != 0) refusal = errno;
  }
  description_ += ", " + describe_steering(program, refusal);
}

// TUNSETOFFLOAD says what the kernel may hand to us. What it takes from us it takes in any case;
// only USO it must know, which shows here.
Status TapPort::set_offloads(bool wanted) {
  constexpr unsigned kChecksumAndTso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  constexpr unsigned kUso = TUN_F_USO4 | TUN_F_USO6;
  constexpr unsigned kChoices[] = {kChecksumAndTso | TUN_F_TSO_ECN | kUso,
                                   kChecksumAndTso | TUN_F_TSO_ECN, kChecksumAndTso};
  if (!wanted) {
    if (ioctl(tap_.get(), TUNSETOFFLOAD, 0ul) == 0) return Done{};
    return tap_error("turn off the offloads of TAP", errno, device_);
  }
  for (const unsigned choice : kChoices) {
    if (ioctl(tap_.get(), TUNSETOFFLOAD, static_cast<unsigned long>(choice)) != 0) continue;
    capabilities_.checksum = capabilities_.tso4 = capabilities_.tso6 = true;
    capabilities_.uso = (choice & kUso) != 0;
    return Done{};
  }
  return tap_error("turn on the offloads of TAP", errno, device_);
}

Status TapPort::set_up_host_side(const PortOptions& options, Netlink& netlink) {
  Result<LinkInfo> link = netlink.link(device_);
  if (!link.ok()) return link.error();
  dropped_before_ = drops_->sent(device_).value_or(0);
  mac_ = options.mac.value_or(derived_mac(link.value().mac));
  if (mac_ == link.value().mac) {
    return Error{"take the MAC address of TAP " + device_, EADDRINUSE,
                 "The kernel's side has this address: give the engine another `mac`."};
  }
  const bool any_v6 = std::any_of(options.host_addresses.begin(), options.host_addresses.end(),
                                  [](const auto& host) { return !host.address.is_v4(); });
  if (any_v6) {
    Status enabled = enable_ipv6(device_);
    if (!enabled.ok()) return enabled;
  }
  Status up = netlink.set_up(device_, link.value().index, options.mtu);
  if (!up.ok()) return up;
  for (const InterfaceAddress& address : options.host_addresses) {
    Status added = netlink.add_address(device_, link.value().index, address);
    if (!added.ok()) return added;
    wait_until_usable(netlink, address.address);
  }
  Result<std::vector<KernelAddress>> kernel = netlink.addresses();
  if (!kernel.ok()) return kernel.error();
  return refuse_shared_addresses(kernel.value(), options.addresses);
}

size_t TapPort::receive(Instant now, Batch& batch) {
  count_missed(now);
  const size_t before = batch.count;
  for (size_t room = kBatchCapacity - before; room > 0 && !device_gone_; --room) {
    Packet& packet = batch.packets[batch.count];
    if (!read_frame(buffers_.frame(batch.count), packet)) break;
    if (packet.length > buffers_.largest()) {
      ++counters_.rx_truncated;
      continue;
    }
    ++batch.count;
    ++counters_.rx_frames;
    counters_.rx_bytes += packet.length;
  }
  return batch.count - before;
}

// One read() fills header and frame: the header lands in the headroom, right before the frame.
bool TapPort::read_frame(uint8_t* frame, Packet& packet) {
  uint8_t* header = frame - kVirtioHeaderSize;
  const ssize_t size = read(tap_.get(), header, kVirtioHeaderSize + buffers_.largest() + 1);
  if (size < static_cast<ssize_t>(kVirtioHeaderSize)) {
    if (size < 0 && errno == EBADFD) leave_device();
    return false;
  }
  packet = Packet{};
  packet.data = frame;
  packet.length = static_cast<uint32_t>(size) - kVirtioHeaderSize;
  read_virtio_header(header, packet.length, packet.offload);
  return true;
}

size_t TapPort::transmit(Instant, std::span<Packet* const> packets) {
  size_t sent = 0;
  for (; sent < packets.size() && !device_gone_; ++sent) {
    const Packet& packet = *packets[sent];
    uint8_t* header = packet.data - kVirtioHeaderSize;
    write_virtio_header(packet.offload, packet.length, header);
    if (write(tap_.get(), header, kVirtioHeaderSize + packet.length) < 0) break;
    ++counters_.tx_frames;
    counters_.tx_bytes += packet.length;
  }
  counters_.tx_refused += packets.size() - sent;
  return sent;
}

void TapPort::count_missed(Instant now) {
  if (now < next_count_ || device_gone_ || !drops_) return;
  next_count_ = now + kCountInterval;
  const std::optional<uint64_t> dropped = drops_->sent(device_);
  if (dropped) counters_.rx_missed = *dropped - dropped_before_;
}

// Somebody deleted the device. Its descriptor would poll as broken from now on and keep the worker
// awake for nothing: in its place comes one that never becomes readable.
void TapPort::leave_device() {
  device_gone_ = true;
  FileDescriptor never_readable(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  dup3(never_readable.get(), tap_.get(), O_CLOEXEC);
}

}  // namespace sluice
