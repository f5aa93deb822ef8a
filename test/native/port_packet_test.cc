#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "port/address_text.h"
#include "support/kernel_transfer.h"
#include "support/packet_link.h"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr uint64_t kTransfer = 800 * kTransferChunk;

struct Addresses {
  std::string family;
  const char* a;
  const char* b;
  const char* prefix;
};

const Addresses kAddresses[] = {
    {"IPv4", "10.9.0.1", "10.9.0.2", "/24"},
    {"IPv6", "fd09::1", "fd09::2", "/64"},
};

// Two hosts, and the engine between them with a port on each of two devices:
//   a (a0) ---- (e0) engine (e1) ---- (b0) b
struct TwoHosts {
  TestNamespace a, engine, b;
  std::unique_ptr<PacketPort> e0, e1;

  TwoHosts() {
    a.join("a0", engine, "e0");
    b.join("b0", engine, "e1");
  }
  void open() {
    e0 = open_packet(packet_options(engine, "e0"));
    e1 = open_packet(packet_options(engine, "e1"));
  }
};

}  // namespace

TEST_CASE("TCPX-32 TCPX-34 AF_PACKET ports carry a kernel's TCP in super-packets") {
  if (skipped_without()) return;
  for (const Addresses& addresses : kAddresses) {
    CAPTURE(addresses.family);
    TwoHosts hosts;
    hosts.open();
    add_address(hosts.a, std::string(addresses.a) + addresses.prefix, "a0");
    add_address(hosts.b, std::string(addresses.b) + addresses.prefix, "b0");
    FrameBridge bridge(*hosts.e0, *hosts.e1);
    CHECK(transfer(hosts.a, hosts.b, ip(addresses.b), kTransfer, [&] { bridge.pump(); }) ==
          kTransfer);
    CHECK(bridge.largest() > 30000);
    const uint16_t mss = ip(addresses.b).is_v4() ? 1448 : 1428;
    CHECK(bridge.gso_sizes().count(mss) == 1);
    CHECK(bridge.partial() > 0);
    CHECK(kernel_counter(hosts.a, "Tcp", "InCsumErrors") == 0);
    CHECK(kernel_counter(hosts.b, "Tcp", "InCsumErrors") == 0);
    CHECK(hosts.e0->counters().rx_truncated == 0);
  }
}

TEST_CASE("TCPX-32 AF_PACKET ports carry a kernel's TCP with complete checksums") {
  if (skipped_without()) return;
  TwoHosts hosts;
  if (!hosts.a.command("ethtool -K a0 tx off")) {
    std::printf("SKIPPED: there is no `ethtool` command (Debian package ethtool)\n");
    return;
  }
  REQUIRE(hosts.b.command("ethtool -K b0 tx off"));
  hosts.open();
  add_address(hosts.a, "10.9.0.1/24", "a0");
  add_address(hosts.b, "10.9.0.2/24", "b0");
  FrameBridge bridge(*hosts.e0, *hosts.e1);
  CHECK(transfer(hosts.a, hosts.b, ip("10.9.0.2"), kTransfer / 4, [&] { bridge.pump(); }) ==
        kTransfer / 4);
  CHECK(bridge.partial() == 0);
  CHECK(kernel_counter(hosts.b, "Tcp", "InCsumErrors") == 0);
}

// The kernel takes the tag out of what arrives, and counts the offsets from the frame without it.
TEST_CASE("TCPX-32 TCPX-35 AF_PACKET port puts the VLAN tag back, also on super-packets") {
  if (skipped_without()) return;
  OneHost link;
  auto host = open_packet(packet_options(link.host, "h0"));
  auto engine = open_packet(packet_options(link.engine, "e0"));
  for (const Hosts& hosts : both_families()) {
    for (const uint16_t ether_type : {0x8100, 0x88a8}) {
      CAPTURE(hosts.family);
      CAPTURE(ether_type);
      const auto segment = [&](size_t payload) {
        return PacketBuilder()
            .vlan(0x6007, ether_type)
            .ip(hosts.client, hosts.server)
            .tcp(1000, 80)
            .payload(payload);
      };
      Frame frames[] = {segment(100).build(), segment(100).partial().build(),
                        segment(60000).gso(1400).build()};
      for (Frame& frame : frames) {
        Packet packet = frame.packet();
        Packet* const packets[] = {&packet};
        REQUIRE(host->transmit(now(), packets) == 1);
        Batch batch;
        for (const Patience patience; batch.count == 0 && patience.left();) {
          wait_for_frames(*engine, *engine);
          engine->receive(now(), batch);
        }
        REQUIRE(batch.count == 1);
        Offload offload = batch.packets[0].offload;
        CHECK(bytes_of(batch.packets[0]) == frame.bytes());
        offload.header_length = frame.offload().header_length;
        CHECK((offload == frame.offload()));
        engine->release();
      }
    }
  }
}

TEST_CASE("TCPX-35 AF_PACKET port hands out frames longer than its slots whole, and in order") {
  if (skipped_without()) return;
  OneHost link;
  REQUIRE(link.host.ip("link set h0 mtu 9000"));
  REQUIRE(link.engine.ip("link set e0 mtu 9000"));
  auto engine = open_packet(packet_options(link.engine, "e0"));
  auto host = open_packet(packet_options(link.host, "h0"));
  std::vector<Bytes> frames;
  // More long ones than a batch has buffers for, between short ones.
  for (uint8_t i = 0; i < 100; ++i) frames.push_back(marker(i, i % 3 == 0 ? 46 : 1800u + i * 70));
  REQUIRE(transmit(*host, now(), frames) == frames.size());
  REQUIRE(transmit(*host, now(), {marker(255)}) == 1);
  CHECK(only_markers(receive_until(*engine, marker(255))) == frames);
  CHECK(engine->counters().rx_truncated == 0);
  CHECK(engine->counters().rx_missed == 0);
}

TEST_CASE("TCPX-35 AF_PACKET port counts each long frame that the kernel has no room to keep") {
  if (skipped_without()) return;
  OneHost link;
  auto engine = open_packet(packet_options(link.engine, "e0"));
  auto host = open_packet(packet_options(link.host, "h0"));
  constexpr size_t kSent = 1000;
  Frame frame = PacketBuilder()
                    .ip(both_families()[0].client, both_families()[0].server)
                    .tcp(1000, 80)
                    .payload(60000)
                    .gso(1400)
                    .build();
  for (size_t i = 0; i < kSent; ++i) {
    Packet packet = frame.packet();
    Packet* const packets[] = {&packet};
    REQUIRE(host->transmit(now(), packets) == 1);
  }
  REQUIRE(transmit(*host, now(), {marker(1)}) == 1);
  std::vector<Bytes> received = receive_until(*engine, marker(1));
  std::erase_if(received, [&](const Bytes& bytes) { return bytes != frame.bytes(); });
  CHECK(received.size() > 0);
  CHECK(engine->counters().rx_missed > 0);
  CHECK(received.size() + engine->counters().rx_missed == kSent);
}

TEST_CASE("ARCH-08 AF_PACKET port works its ring round and round, and counts what it missed") {
  if (skipped_without()) return;
  OneHost link;
  auto engine = open_packet(packet_options(link.engine, "e0"), {2048, 1 << 16, 1});
  auto host = open_packet(packet_options(link.host, "h0"));
  constexpr size_t kSlots = 32;
  constexpr uint8_t kLast = 255;
  for (uint8_t round = 0; round < 20; ++round) {
    std::vector<Bytes> frames;
    for (uint8_t i = 0; i < kSlots / 2; ++i) frames.push_back(marker(round, 46u + i));
    REQUIRE(transmit(*host, now(), frames) == frames.size());
    REQUIRE(transmit(*host, now(), {marker(kLast)}) == 1);
    REQUIRE(only_markers(receive_until(*engine, marker(kLast))) == frames);
  }
  CHECK(engine->counters().rx_missed == 0);
  for (int i = 0; i < 3; ++i) transmit(*host, now(), std::vector<Bytes>(kSlots, Bytes(60)));
  receive_all(*engine);
  Batch batch;
  engine->receive(now() + Duration::seconds(1), batch);
  CHECK(engine->counters().rx_missed > 0);
}

// A veth device passes frames on without a copy: what a receiver has not read yet may be memory
// that the sender fills again.
TEST_CASE("ARCH-08 AF_PACKET port: frames that wait at their receiver stay as they were sent") {
  if (skipped_without()) return;
  OneHost link;
  add_address(link.host, "10.9.0.1/24", "h0");
  auto engine = open_packet(packet_options(link.engine, "e0"));
  const SocketAddress here(ip("10.9.0.1"), 4000);
  FileDescriptor receiver = kernel_socket(link.host, AF_INET, SOCK_DGRAM);
  REQUIRE(bind(receiver.get(), here.get(), here.size) == 0);
  const int room = 32 << 20;
  REQUIRE(setsockopt(receiver.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0);
  Result<LinkInfo> host =
      link.host.run([] { return std::move(Netlink::open().value().link("h0")); });
  REQUIRE(host.ok());
  constexpr size_t kFrames = 2000;  // four times the transmit ring
  const auto payload = [](size_t i) { return Bytes(1200, static_cast<uint8_t>(i * 7)); };
  for (size_t i = 0; i < kFrames; ++i) {
    Frame frame = PacketBuilder()
                      .eth(engine->mac(), host.value().mac)
                      .ip(ip("10.9.0.2"), ip("10.9.0.1"))
                      .udp(5000, 4000)
                      .payload(payload(i))
                      .build();
    Packet packet = frame.packet();
    Packet* const packets[] = {&packet};
    REQUIRE(engine->transmit(now(), packets) == 1);
  }
  size_t intact = 0;
  for (size_t i = 0; i < kFrames; ++i) {
    Bytes datagram(2000);
    const ssize_t size = recv(receiver.get(), datagram.data(), datagram.size(), 0);
    REQUIRE(size > 0);
    datagram.resize(static_cast<size_t>(size));
    intact += datagram == payload(i);
  }
  CHECK(intact == kFrames);
}

TEST_CASE("ARCH-08 AF_PACKET port refuses frames while the link is down, and forgets them") {
  if (skipped_without()) return;
  OneHost link;
  auto engine = open_packet(packet_options(link.engine, "e0"));
  auto host = open_packet(packet_options(link.host, "h0"));
  REQUIRE(transmit(*host, now(), {marker(1)}) == 1);
  REQUIRE(link.host.ip("link set h0 down"));
  CHECK(transmit(*host, now(), {marker(2), marker(3, 3000)}) == 0);
  CHECK(host->counters().tx_refused == 2);
  REQUIRE(link.host.ip("link set h0 up"));
  // The socket tells once that its link was down.
  while (transmit(*host, now(), {marker(4)}) == 0) {
  }
  CHECK(only_markers(receive_until(*engine, marker(4))) == std::vector<Bytes>{marker(1)});
}

TEST_CASE("DFS-23 AF_PACKET ports do not receive what they send, one or several on a device") {
  if (skipped_without()) return;
  for (const size_t count : {1, 3}) {
    CAPTURE(count);
    OneHost link;
    auto opened = PacketPort::open_several(packet_options(link.engine, "e0"), count, nullptr);
    REQUIRE(opened.ok());
    auto host = open_packet(packet_options(link.host, "h0"));
    for (const auto& engine : opened.value()) {
      REQUIRE(transmit(*engine, now(), std::vector<Bytes>(64, marker(1))) == 64);
    }
    REQUIRE(transmit(*host, now(), {marker(2)}) == 1);
    std::vector<Bytes> received;
    const auto came = [&] { return std::find(received.begin(), received.end(), marker(2)); };
    for (const Patience patience; came() == received.end() && patience.left();) {
      for (const auto& engine : opened.value()) {
        for (Bytes& frame : only_markers(receive_all(*engine))) received.push_back(frame);
      }
    }
    CHECK(received == std::vector<Bytes>{marker(2)});
  }
}

TEST_CASE("ARCH-08 AF_PACKET port sees its own device only, and every MAC address there") {
  if (skipped_without()) return;
  TwoHosts hosts;
  hosts.open();
  auto a = open_packet(packet_options(hosts.a, "a0"));
  auto b = open_packet(packet_options(hosts.b, "b0"));
  REQUIRE(transmit(*b, now(), {marker(1)}) == 1);
  REQUIRE(transmit(*a, now(), {marker(2)}) == 1);
  CHECK(only_markers(receive_until(*hosts.e0, marker(2))).empty());
  CHECK(only_markers(receive_until(*hosts.e1, marker(1))).empty());
}

TEST_CASE("ARCH-08 AF_PACKET port takes MTU and MAC address from the device") {
  if (skipped_without()) return;
  OneHost link;
  REQUIRE(link.engine.ip("link set e0 mtu 1400 address 02:00:00:00:00:55"));
  auto port = open_packet(packet_options(link.engine, "e0"));
  CHECK(port->capabilities().mtu == 1400);
  CHECK(to_text(port->mac()) == "02:00:00:00:00:55");
  CHECK(port->capabilities().checksum);
  PortOptions plain = packet_options(link.engine, "e0");
  CHECK(PacketPort::open(plain).error().error_number ==
        EADDRINUSE);  // another engine's MAC address
  plain.mac = MacAddress{{2, 0, 0, 0, 0, 0x56}};
  plain.offloads = false;
  const PortCapabilities none = open_packet(plain)->capabilities();
  CHECK_FALSE((none.checksum || none.tso4 || none.tso6 || none.uso));
}

TEST_CASE("ARCH-08 DFS-22 AF_PACKET port: errors say what was tried and what helps") {
  if (skipped_without()) return;
  OneHost link;
  const auto error_of = [](const PortOptions& options) {
    auto opened = PacketPort::open(options);
    REQUIRE_FALSE(opened.ok());
    CHECK_FALSE(opened.error().operation.empty());
    CHECK_FALSE(opened.error().remedy.empty());
    return opened.error().error_number;
  };
  CHECK(error_of(packet_options(link.engine, "none0")) == ENODEV);
  CHECK(error_of(packet_options(link.engine, "lo")) == EINVAL);
  PortOptions options = packet_options(link.engine, "e0");
  options.addresses = {{ip("198.51.100.9"), 32}};
  add_address(link.engine, "198.51.100.9/32", "lo");
  CHECK(error_of(options) == EADDRINUSE);
  REQUIRE(link.engine.ip("link set e0 down"));
  CHECK(error_of(packet_options(link.engine, "e0")) == ENETDOWN);
}
