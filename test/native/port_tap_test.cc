#include <doctest/doctest.h>

#include <poll.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "port/address_text.h"
#include "port/tap_port.h"
#include "support/frame_bridge.h"
#include "support/kernel_transfer.h"
#include "support/packet_builder.h"
#include "support/test_namespace.h"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr const char* kTun = "/dev/net/tun";
constexpr uint64_t kTransfer = 800 * kTransferChunk;

struct Addresses {
  std::string family;
  IpAddress engine;
  IpAddress host;
  IpAddress other_host;
  uint8_t prefix_length;
};

const Addresses kAddresses[] = {
    {"IPv4", ip("10.9.0.100"), ip("10.9.0.1"), ip("10.9.0.2"), 24},
    {"IPv6", ip("fd09::100"), ip("fd09::1"), ip("fd09::2"), 64},
};

PortOptions tap_options(const TestNamespace& space, const Addresses& addresses) {
  PortOptions options;
  options.name = "inside";
  options.kind = PortKind::tap;
  options.device = "tap0";
  options.netns = space.path();
  options.addresses = {{addresses.engine, addresses.prefix_length}};
  options.host_addresses = {{addresses.host, addresses.prefix_length}};
  return options;
}

std::unique_ptr<TapPort> open_tap(const PortOptions& options, size_t largest = kMaxFrame) {
  auto opened = TapPort::open(options, largest);
  if (!opened.ok()) FAIL(opened.error().operation << ": " << opened.error().error_number);
  return std::move(opened.value());
}

// Receives until a frame satisfies `wanted`. The kernel also sends frames of its own accord.
template <class Wanted>
bool receive_until(Port& port, Wanted wanted) {
  for (const Patience patience; patience.left();) {
    wait_for_frames(port, port);
    Batch batch;
    port.receive(now(), batch);
    bool found = false;
    for (Packet& packet : batch.all()) {
      parse(packet);
      found = found || wanted(packet);
    }
    port.release();
    if (found) return true;
  }
  return false;
}

void send_datagram(const TestNamespace& space, const IpAddress& to, size_t size) {
  const SocketAddress address(to, 9);
  const FileDescriptor socket = kernel_socket(space, address.family(), SOCK_DGRAM);
  const std::vector<uint8_t> payload(size, 0x55);
  CHECK(sendto(socket.get(), payload.data(), size, 0, address.get(), address.size) ==
        static_cast<ssize_t>(size));
}

void know_neighbor(const TestNamespace& space, const IpAddress& address, const MacAddress& mac) {
  REQUIRE(space.ip("neigh replace " + to_text(address) + " lladdr " + to_text(mac) + " dev tap0"));
}

bool is_echo_reply(const Packet& packet) {
  const uint8_t type = *packet.at(packet.headers.l4);
  return (packet.headers.protocol == 1 && type == 0) ||
         (packet.headers.protocol == 58 && type == 129);
}

}  // namespace

TEST_CASE("ARCH-08 TAP port: the host's side is usable at once, and gone afterwards") {
  if (skipped_without(kTun)) return;
  for (const Addresses& addresses : kAddresses) {
    CAPTURE(addresses.family);
    TestNamespace space;
    PortOptions options = tap_options(space, addresses);
    options.mtu = 1400;
    auto port = open_tap(options);
    const LinkInfo link = link_of(space, "tap0");
    CHECK(link.up);
    CHECK(link.mtu == 1400);
    CHECK(port->capabilities().mtu == 1400);
    CHECK(port->mac() != link.mac);
    CHECK_FALSE(port->mac().is_multicast());
    CHECK((port->mac().bytes[0] & 2) != 0);

    // The kernel answers an echo request for its address; nothing waited for it to settle.
    know_neighbor(space, addresses.engine, port->mac());
    const bool v4 = addresses.engine.is_v4();
    Frame request = PacketBuilder()
                        .eth(port->mac(), link.mac)
                        .ip(addresses.engine, addresses.host)
                        .icmp(v4 ? 8 : 128, 0, 0x00010001)
                        .payload(56)
                        .build();
    Packet packet = request.packet();
    Packet* const packets[] = {&packet};
    REQUIRE(port->transmit(now(), packets) == 1);
    CHECK(receive_until(*port, is_echo_reply));
    CHECK(port->counters().tx_frames == 1);

    port.reset();
    CHECK(link_of(space, "tap0").index == 0);
  }
}

TEST_CASE("TCPX-32 TCPX-34 TAP ports carry a kernel's TCP, offloads on and off") {
  if (skipped_without(kTun)) return;
  for (const Addresses& addresses : kAddresses) {
    for (const bool offloads : {true, false}) {
      CAPTURE(addresses.family);
      CAPTURE(offloads);
      TestNamespace here, there;
      PortOptions options = tap_options(here, addresses);
      options.offloads = offloads;
      auto a = open_tap(options);
      options.netns = there.path();
      options.host_addresses = {{addresses.other_host, addresses.prefix_length}};
      auto b = open_tap(options);
      CHECK(a->capabilities().tso4 == offloads);
      FrameBridge bridge(*a, *b);
      CHECK(transfer(here, there, addresses.other_host, kTransfer, [&] { bridge.pump(); }) ==
            kTransfer);
      CHECK(kernel_counter(here, "Tcp", "InCsumErrors") == 0);
      CHECK(kernel_counter(there, "Tcp", "InCsumErrors") == 0);
      if (offloads) {
        CHECK(bridge.largest() > 30000);
        const uint16_t mss = addresses.engine.is_v4() ? 1448 : 1428;
        CHECK(bridge.gso_sizes().count(mss) == 1);
        CHECK(bridge.partial() > 0);
      } else {
        CHECK(bridge.largest() <= 1514);
        CHECK(bridge.partial() == 0);
      }
    }
  }
}

TEST_CASE("TCPX-35 TAP port counts a frame longer than its buffers and never hands it out") {
  if (skipped_without(kTun)) return;
  TestNamespace space;
  const Addresses& addresses = kAddresses[0];
  PortOptions options = tap_options(space, addresses);
  options.mtu = 9000;
  auto port = open_tap(options, 2048);
  know_neighbor(space, addresses.engine, port->mac());
  send_datagram(space, addresses.engine, 4000);
  send_datagram(space, addresses.engine, 100);
  uint32_t longest = 0;
  CHECK(receive_until(*port, [&](const Packet& packet) {
    longest = std::max(longest, packet.length);
    return packet.headers.protocol == 17;
  }));
  CHECK(longest < 2048);
  CHECK(port->counters().rx_truncated == 1);
}

TEST_CASE("ARCH-08 TAP port tells what the kernel dropped for lack of room") {
  if (skipped_without(kTun)) return;
  TestNamespace space;
  const Addresses& addresses = kAddresses[0];
  auto port = open_tap(tap_options(space, addresses));
  REQUIRE(space.ip("link set tap0 txqueuelen 5"));
  know_neighbor(space, addresses.engine, port->mac());
  for (int i = 0; i < 200; ++i) send_datagram(space, addresses.engine, 100);
  Batch batch;
  port->receive(Instant() + Duration::seconds(1), batch);
  CHECK(port->counters().rx_missed > 0);
}

TEST_CASE("ARCH-08 TAP port whose device is deleted goes quiet") {
  if (skipped_without(kTun)) return;
  TestNamespace space;
  auto port = open_tap(tap_options(space, kAddresses[0]));
  REQUIRE(space.ip("link delete tap0"));
  Batch batch;
  while (port->receive(now(), batch) > 0) batch.count = 0;
  pollfd fd{port->wait_fd(), POLLIN, 0};
  CHECK(poll(&fd, 1, 0) == 0);
  Frame frame = PacketBuilder().ipv4("10.9.0.100", "10.9.0.1").udp(1, 2).build();
  Packet packet = frame.packet();
  Packet* const packets[] = {&packet};
  CHECK(port->transmit(now(), packets) == 0);
  CHECK(port->counters().tx_refused == 1);
}

TEST_CASE("ARCH-08 TAP port leaves the namespace of the process alone") {
  if (skipped_without(kTun)) return;
  const auto own_namespace = [] {
    struct stat status;
    REQUIRE(stat("/proc/thread-self/ns/net", &status) == 0);
    return status.st_ino;
  };
  const ino_t before = own_namespace();
  TestNamespace space;
  auto port = open_tap(tap_options(space, kAddresses[1]));
  CHECK(own_namespace() == before);
}

TEST_CASE("ARCH-08 DFS-22 TAP port: errors say what was tried and what helps") {
  if (skipped_without(kTun)) return;
  TestNamespace space;
  const PortOptions good = tap_options(space, kAddresses[0]);
  const auto error_of = [](const PortOptions& options) {
    auto opened = TapPort::open(options);
    REQUIRE_FALSE(opened.ok());
    CHECK_FALSE(opened.error().operation.empty());
    CHECK_FALSE(opened.error().remedy.empty());
    return opened.error().error_number;
  };
  PortOptions options = good;
  options.device = "a-name-that-is-too-long";
  CHECK(error_of(options) == EINVAL);
  options = good;
  options.netns = "no-such-namespace";
  CHECK(error_of(options) == ENOENT);
  options = good;
  options.netns = "/proc/self/status";
  CHECK(error_of(options) == EINVAL);
  options = good;
  options.mtu = 20;
  CHECK(error_of(options) == EINVAL);
  options = good;
  options.addresses = good.host_addresses;
  CHECK(error_of(options) == EADDRINUSE);
  options = good;
  REQUIRE(space.ip("address add 10.9.0.100/32 dev lo"));
  CHECK(error_of(options) == EADDRINUSE);
  REQUIRE(space.ip("address del 10.9.0.100/32 dev lo"));
  auto first = open_tap(good);
  CHECK(error_of(good) == EBUSY);
  first.reset();
  CHECK(link_of(space, "tap0").index == 0);
}
