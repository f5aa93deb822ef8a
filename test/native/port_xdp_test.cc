#include "port/xdp_port.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "port/xdp_support.h"
#include "support/kernel_transfer.h"
#include "support/packet_link.h"

using namespace sluice;
using namespace sluice::test;

namespace {

PortOptions options_on(const TestNamespace& space, const std::string& device) {
  PortOptions options = packet_options(space, device);
  options.kind = PortKind::xdp;
  return options;
}

std::unique_ptr<XdpPort> open_xdp(const PortOptions& options, const XdpShape& shape = {}) {
  auto opened = XdpPort::open(options, shape);
  if (!opened.ok()) {
    FAIL(opened.error().operation << ": " << opened.error().error_number << " "
                                  << opened.error().remedy);
  }
  return std::move(opened.value());
}

// Whether AF_XDP cannot be tried here; says so on a line of its own.
bool skipped_without_xdp() {
  if (skipped_without()) return true;
  OneHost link;
  auto opened = XdpPort::open(options_on(link.engine, "e0"));
  if (opened.ok()) return false;
  std::printf("SKIPPED: no AF_XDP here: %s. %s\n", opened.error().operation.c_str(),
              opened.error().remedy.c_str());
  return true;
}

// Whether an XDP program is attached, as `ip link` shows it.
bool has_program(const TestNamespace& space, const std::string& device) {
  return space.command("ip link show dev " + device + " | grep -q xdp");
}

// Frames of our own that no kernel answers, of every size that fits.
std::vector<Bytes> frames_of_many_sizes() {
  std::vector<Bytes> frames;
  for (size_t payload = 46; payload <= 1500; payload += 97) {
    frames.push_back(marker(static_cast<uint8_t>(payload), payload));
  }
  return frames;
}

constexpr uint8_t kLast = 255;

}  // namespace

TEST_CASE("ARCH-08 AF_XDP port carries frames in and out, byte for byte") {
  if (skipped_without_xdp()) return;
  OneHost link;
  auto engine = open_xdp(options_on(link.engine, "e0"));
  auto host = open_packet(packet_options(link.host, "h0"));
  CHECK(engine->description() == "AF_XDP, driver mode, copy");
  const std::vector<Bytes> frames = frames_of_many_sizes();
  REQUIRE(transmit(*host, now(), frames) == frames.size());
  REQUIRE(transmit(*host, now(), {marker(kLast)}) == 1);
  CHECK(only_markers(receive_until(*engine, marker(kLast))) == frames);
  REQUIRE(transmit(*engine, now(), frames) == frames.size());
  REQUIRE(transmit(*engine, now(), {marker(kLast)}) == 1);
  CHECK(only_markers(receive_until(*host, marker(kLast))) == frames);
  CHECK(engine->counters().tx_frames == frames.size() + 1);
  CHECK(engine->counters().tx_refused == 0);
}

TEST_CASE("ARCH-08 AF_XDP port works its rings round and round") {
  if (skipped_without_xdp()) return;
  OneHost link;
  auto engine = open_xdp(options_on(link.engine, "e0"), {64, 64});
  auto host = open_packet(packet_options(link.host, "h0"));
  for (uint8_t round = 0; round < 40; ++round) {
    std::vector<Bytes> frames;
    for (uint8_t i = 0; i < 24; ++i) frames.push_back(marker(round, 46u + i));
    REQUIRE(transmit(*host, now(), frames) == frames.size());
    REQUIRE(transmit(*host, now(), {marker(kLast)}) == 1);
    REQUIRE(only_markers(receive_until(*engine, marker(kLast))) == frames);
    REQUIRE(transmit(*engine, now(), frames) == frames.size());
    REQUIRE(transmit(*engine, now(), {marker(kLast)}) == 1);
    REQUIRE(only_markers(receive_until(*host, marker(kLast))) == frames);
  }
  CHECK(engine->counters().rx_missed == 0);
}

TEST_CASE("ARCH-08 AF_XDP port counts what it had no room for") {
  if (skipped_without_xdp()) return;
  OneHost link;
  auto engine = open_xdp(options_on(link.engine, "e0"), {64, 64});
  auto host = open_packet(packet_options(link.host, "h0"));
  constexpr size_t kSent = 192;
  for (size_t sent = 0; sent < kSent; sent += 64) {
    REQUIRE(transmit(*host, now(), std::vector<Bytes>(64, marker(1))) == 64);
  }
  const PortCounters& counters = engine->counters();
  for (const Patience patience; patience.left();) {
    receive_all(*engine);
    Batch batch;
    engine->receive(now() + Duration::seconds(1), batch);
    engine->release();
    if (counters.rx_frames + counters.rx_missed >= kSent) break;
  }
  CHECK(counters.rx_missed > 0);
  CHECK(counters.rx_frames >= 64);
  CHECK(counters.rx_truncated == 0);
}

TEST_CASE("TCPX-32 AF_XDP ports carry a kernel's TCP, checksums left open found out") {
  if (skipped_without_xdp()) return;
  for (const char* family : {"10.9.0.", "fd09::"}) {
    CAPTURE(family);
    const std::string prefix = family;
    const bool v4 = prefix.find(':') == std::string::npos;
    TestNamespace a, engine, b;
    a.join("a0", engine, "e0");
    b.join("b0", engine, "e1");
    auto e0 = open_xdp(options_on(engine, "e0"));
    auto e1 = open_xdp(options_on(engine, "e1"));
    add_address(a, prefix + "1" + (v4 ? "/24" : "/64"), "a0");
    add_address(b, prefix + "2" + (v4 ? "/24" : "/64"), "b0");
    FrameBridge bridge(*e0, *e1);
    constexpr uint64_t kBytes = 200 * kTransferChunk;
    CHECK(transfer(a, b, ip((prefix + "2").c_str()), kBytes, [&] { bridge.pump(); }) == kBytes);
    CHECK(bridge.partial() > 0);
    CHECK(bridge.largest() <= 1514);
    CHECK(kernel_counter(a, "Tcp", "InCsumErrors") == 0);
    CHECK(kernel_counter(b, "Tcp", "InCsumErrors") == 0);
    CHECK(e0->counters().rx_truncated == 0);
  }
}

TEST_CASE("DFS-22 the kernel neither hears nor says anything on the device of an AF_XDP port") {
  if (skipped_without_xdp()) return;
  OneHost link;
  add_address(link.engine, "198.51.100.9/32", "lo");
  auto engine = open_xdp(options_on(link.engine, "e0"));
  auto host = open_packet(packet_options(link.host, "h0"));
  receive_all(*host);
  const Bytes request = PacketBuilder()
                            .eth(host->mac(), MacAddress::broadcast())
                            .arp(1, host->mac(), ip("10.9.0.1"), MacAddress(), ip("198.51.100.9"))
                            .build()
                            .bytes();
  REQUIRE(transmit(*host, now(), {request, marker(1)}) == 2);
  receive_until(*engine, marker(1));
  REQUIRE(transmit(*engine, now(), {marker(2)}) == 1);
  CHECK(receive_until(*host, marker(2)).empty());
}

TEST_CASE("ARCH-08 AF_XDP port outlives a link that goes down, and a device that goes") {
  if (skipped_without_xdp()) return;
  OneHost link;
  auto engine = open_xdp(options_on(link.engine, "e0"));
  REQUIRE(link.engine.ip("link set e0 down"));
  // What is offered first is accepted before the kernel says that the link is down.
  transmit(*engine, now(), {marker(1)});
  CHECK(transmit(*engine, now(), {marker(2)}) == 0);
  REQUIRE(link.engine.ip("link set e0 up"));
  auto host = open_packet(packet_options(link.host, "h0"));
  REQUIRE(transmit(*engine, now(), {marker(3)}) == 1);
  receive_until(*host, marker(3));
  REQUIRE(transmit(*host, now(), {marker(4)}) == 1);
  receive_until(*engine, marker(4));
  REQUIRE(link.engine.ip("link del e0"));
  transmit(*engine, now(), {marker(5)});
  CHECK(transmit(*engine, now(), {marker(6)}) == 0);
  CHECK(receive_all(*engine).empty());
}

TEST_CASE("trap 8 ARCH-08 AF_XDP port: what was accepted leaves without another transmission") {
  if (skipped_without_xdp()) return;
  OneHost link;
  auto engine = open_xdp(options_on(link.engine, "e0"));
  CHECK(engine->deadline() == Instant::never());
  REQUIRE(link.engine.ip("link set e0 down"));
  REQUIRE(transmit(*engine, now(), {marker(1)}) == 1);
  CHECK(engine->deadline() < Instant::never());
  REQUIRE(link.engine.ip("link set e0 up"));
  auto host = open_packet(packet_options(link.host, "h0"));
  Batch batch;
  engine->receive(engine->deadline(), batch);
  engine->release();
  CHECK(engine->deadline() == Instant::never());
  receive_until(*host, marker(1));
}

TEST_CASE("trap 8 ARCH-08 AF_XDP port: nothing waits behind a frame that the device drops") {
  if (skipped_without_xdp()) return;
  OneHost link;
  auto engine = open_xdp(options_on(link.engine, "e0"));
  REQUIRE(link.host.ip("link set h0 down"));  // no carrier: each frame fails by itself
  REQUIRE(transmit(*engine, now(), std::vector<Bytes>(64, marker(1))) == 64);
  CHECK(engine->deadline() == Instant::never());
  REQUIRE(link.host.ip("link set h0 up"));
  auto host = open_packet(packet_options(link.host, "h0"));
  REQUIRE(transmit(*engine, now(), {marker(2)}) == 1);
  CHECK(only_markers(receive_until(*host, marker(2))).empty());
}

TEST_CASE(
    "trap 8 ARCH-08 AF_XDP port refuses a device of several queues, of which it would get one") {
  if (skipped_without_xdp()) return;
  OneHost link;
  REQUIRE(link.engine.ip("link add q0 numrxqueues 2 numtxqueues 2 type veth peer name q1"));
  REQUIRE(link.engine.ip("link set q0 up"));
  REQUIRE(link.engine.ip("link set q1 up"));
  auto opened = XdpPort::open(options_on(link.engine, "q0"));
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().error_number == EINVAL);
  CHECK(opened.error().remedy.find("ethtool -L q0 combined 1") != std::string::npos);
}

TEST_CASE("ARCH-08 AF_XDP port leaves no program behind, not even when it is killed") {
  if (skipped_without_xdp()) return;
  OneHost link;
  open_xdp(options_on(link.engine, "e0"));
  CHECK_FALSE(has_program(link.engine, "e0"));
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const PortOptions options = [&] {
    PortOptions here = options_on(link.engine, "e0");
    here.netns = "";
    return here;
  }();
  const pid_t child = link.engine.run([&] {
    const pid_t forked = fork();
    if (forked != 0) return forked;
    const auto port = XdpPort::open(options);
    const char sign = port.ok() ? 'y' : 'n';
    if (write(ready[1], &sign, 1) == 1) pause();
    _exit(1);
  });
  char sign = 'n';
  CHECK(read(ready[0], &sign, 1) == 1);
  CHECK(sign == 'y');
  CHECK(has_program(link.engine, "e0"));
  kill(child, SIGKILL);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK_FALSE(has_program(link.engine, "e0"));
  close(ready[0]);
  close(ready[1]);
  // The kernel works there as before.
  auto host = open_packet(packet_options(link.host, "h0"));
  auto engine = open_packet(packet_options(link.engine, "e0"));
  REQUIRE(transmit(*host, now(), {marker(1)}) == 1);
  receive_until(*engine, marker(1));
}

TEST_CASE("ARCH-08 AF_XDP port takes a device without XDP in its driver in generic mode") {
  if (skipped_without_xdp()) return;
  OneHost link;
  if (!link.engine.ip("link add over0 link e0 type macvlan mode passthru") ||
      !link.engine.ip("link set over0 up")) {
    std::printf("SKIPPED: this kernel has no macvlan devices\n");
    return;
  }
  auto engine = open_xdp(options_on(link.engine, "over0"));
  auto host = open_packet(packet_options(link.host, "h0"));
  CHECK(engine->description().find("AF_XDP, generic mode (driver: ") == 0);
  const std::vector<Bytes> frames = frames_of_many_sizes();
  REQUIRE(transmit(*host, now(), frames) == frames.size());
  REQUIRE(transmit(*host, now(), {marker(kLast)}) == 1);
  CHECK(only_markers(receive_until(*engine, marker(kLast))) == frames);
  REQUIRE(transmit(*engine, now(), frames) == frames.size());
  REQUIRE(transmit(*engine, now(), {marker(kLast)}) == 1);
  CHECK(only_markers(receive_until(*host, marker(kLast))) == frames);
}

TEST_CASE("ARCH-08 what a driver says of XDP is what an AF_XDP port finds") {
  if (skipped_without_xdp()) return;
  OneHost link;
  const auto support_of = [&](const std::string& device) {
    return xdp_support(link.engine.path(), device);
  };
  REQUIRE(support_of("e0").ok());
  if (support_of("e0").value() == XdpSupport::unknown) {
    std::printf("SKIPPED: this kernel does not tell (Linux 6.3)\n");
    return;
  }
  CHECK(support_of("e0").value() == XdpSupport::driver);
  CHECK(support_of("lo").value() == XdpSupport::generic);
  CHECK(support_of("none0").error().error_number == ENODEV);
}

TEST_CASE("ARCH-08 DFS-22 AF_XDP port: errors say what was tried and what helps") {
  if (skipped_without_xdp()) return;
  OneHost link;
  const auto error_of = [&](const std::string& device) {
    auto opened = XdpPort::open(options_on(link.engine, device));
    REQUIRE_FALSE(opened.ok());
    CHECK_FALSE(opened.error().operation.empty());
    CHECK_FALSE(opened.error().remedy.empty());
    return opened.error().error_number;
  };
  CHECK(error_of("none0") == ENODEV);
  CHECK(error_of("lo") == EINVAL);
  {
    auto first = open_xdp(options_on(link.engine, "e0"));
    CHECK(error_of("e0") == EBUSY);
  }
  REQUIRE(link.host.ip("link set h0 mtu 9000"));
  CHECK(error_of("e0") == ERANGE);  // the veth driver looks at the far side
  REQUIRE(link.engine.ip("link set e0 mtu 9000"));
  CHECK(error_of("e0") == EMSGSIZE);
  REQUIRE(link.engine.ip("link set e0 mtu 1500"));
  add_address(link.engine, "10.9.0.2/24", "e0");
  CHECK(error_of("e0") == EADDRINUSE);
  REQUIRE(link.engine.ip("link set e0 down"));
  CHECK(error_of("e0") == ENETDOWN);
}
