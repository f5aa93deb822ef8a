// Several ports on one device: each packet comes to the queue that Steering names. The kernel runs
// the program, on frames that a host puts on the wire.
#include <doctest/doctest.h>

#include <cerrno>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "packet/parse.h"
#include "port/bpf_program.h"
#include "port/steering_program.h"
#include "port/tap_port.h"
#include "support/packet_link.h"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr uint32_t kQueues = 3;
constexpr const char* kByHash = ", spread by hash (program: Invalid argument)";

struct Arrival {
  size_t queue;
  Bytes frame;
};

// Receives from all queues until as many frames with our marks have come. Frames of the kernel's
// own accord are left out.
template <class Ports>
std::vector<Arrival> receive_all_of(Ports& ports, size_t count) {
  std::vector<Arrival> arrivals;
  for (const Patience patience; arrivals.size() < count && patience.left();) {
    for (size_t queue = 0; queue < ports.size(); ++queue) {
      for (Bytes& frame : receive_all(*ports[queue])) {
        if (MacAddress::load(&frame[6]) == kMacA) arrivals.push_back({queue, std::move(frame)});
      }
    }
  }
  return arrivals;
}

IpAddress random_address(Random& random, bool v4) {
  if (v4) return IpAddress::v4(0x0a000000 | static_cast<uint32_t>(random.next() & 0xffffff));
  IpAddress address = ip("2001:db8::");
  for (size_t i = 8; i < 16; ++i) address.bytes[i] = static_cast<uint8_t>(random.next());
  return address;
}

// Every shape of packet that the program reads, or has to let be.
std::vector<Bytes> packets_between(const IpAddress& a, const IpAddress& b, L4Port port) {
  const auto from = [&] { return PacketBuilder().eth(kMacA, kMacB).ip(a, b); };
  return {from().tcp(port, 80).payload(20).build().bytes(),
          from().udp(port, 53).payload(20).build().bytes(),
          from().udp(port, 53).payload(64).fragment(0, true).build().bytes(),
          from().protocol(kProtocolUdp).payload(64).fragment(64, false).build().bytes(),
          from().icmp(a.is_v4() ? 8 : 128, 0, uint32_t{port} << 16).payload(20).build().bytes(),
          from().icmp(a.is_v4() ? 0 : 129, 0, uint32_t{port} << 16).payload(20).build().bytes(),
          from().icmp(a.is_v4() ? 8 : 128).payload(64).fragment(0, true).build().bytes(),
          from().icmp(a.is_v4() ? 3 : 1, 0, 7).payload(20).build().bytes(),
          from().icmp(a.is_v4() ? 13 : 139, 0, 7).payload(20).build().bytes(),
          from().protocol(a.is_v4() ? 58 : 1).payload(20).build().bytes(),
          from().protocol(kProtocolSctp).payload(20).build().bytes(),
          from().protocol(kProtocolAh).payload(20).build().bytes(),
          from().protocol(47).payload(20).build().bytes(),
          from().protocol(50).payload(2).build().bytes()};
}

struct Traffic {
  std::vector<IpAddress> own = {ip("192.0.2.100"), ip("2001:db8::100")};
  std::vector<Bytes> frames;

  Traffic() {
    Random random(7);
    for (int i = 0; i < 40; ++i) {
      const IpAddress& service = own[i % 2];
      const IpAddress client = random_address(random, service.is_v4());
      const IpAddress server = random_address(random, service.is_v4());
      const auto port = static_cast<L4Port>(random.next());
      for (Bytes& frame : packets_between(client, service, port)) frames.push_back(frame);
      for (Bytes& frame : packets_between(server, client, port)) frames.push_back(frame);
    }
  }
  bool owns(const IpAddress& address) const {
    return std::find(own.begin(), own.end(), address) != own.end();
  }
};

// Sends the traffic by `wire`; each frame has to arrive once, where Steering says.
template <class Ports>
void check_steering(const Steering& steering, SteerBy others, const Traffic& traffic, Port& wire,
                    Ports& ports) {
  for (const Bytes& frame : traffic.frames) REQUIRE(transmit(wire, now(), {frame}) == 1);
  std::vector<size_t> spread(kQueues);
  const auto arrivals = receive_all_of(ports, traffic.frames.size());
  CHECK(arrivals.size() == traffic.frames.size());
  for (const Arrival& arrival : arrivals) {
    Frame frame(arrival.frame, {});
    Packet packet = frame.packet();
    parse(packet);
    REQUIRE(packet.verdict == Verdict::none);
    CAPTURE(packet.headers.family);
    CAPTURE(int{packet.headers.protocol});
    const SteerBy by = traffic.owns(packet.key.dst) ? SteerBy::source : others;
    CHECK(arrival.queue == steering.worker_of_arrival(packet, by));
    ++spread[arrival.queue];
  }
  for (const size_t share : spread) CHECK(share > traffic.frames.size() / kQueues / 2);
}

PortOptions tap_options(const TestNamespace& space) {
  PortOptions options;
  options.name = "taps";
  options.kind = PortKind::tap;
  options.device = "tap0";
  options.netns = space.path();
  return options;
}

// What the kernel does not steer by: nothing, since it refused to load it, and where it loads any,
// a program of another type.
std::vector<SteeringProgram> programs_refused() {
  std::vector<SteeringProgram> programs;
  programs.push_back(SteeringProgram::refused(EINVAL));
  const bpf_insn pass[] = {bpf::set(bpf::kR0, 2), bpf::leave()};
  auto other = load_bpf_program(BPF_PROG_TYPE_XDP, pass, "pass");
  if (other.ok()) programs.emplace_back(std::move(other.value()));
  return programs;
}

std::optional<SteeringPrograms> load_programs(const Steering& steering) {
  auto programs = SteeringPrograms::load(steering);
  if (programs.ok()) return std::move(programs.value());
  std::printf("SKIPPED: %s: %s\n", programs.error().operation.c_str(),
              programs.error().remedy.c_str());
  return std::nullopt;
}

}  // namespace

TEST_CASE("AF_PACKET ports of several workers get what the program steers to each") {
  if (skipped_without()) return;
  const Steering steering(0x1234567890abcdef, kQueues);
  const auto programs = load_programs(steering);
  if (!programs) return;
  const Traffic traffic;
  for (const IpAddress& own : traffic.own) programs->set_own(own, true);
  for (const SteerBy others : {SteerBy::source, SteerBy::destination}) {
    CAPTURE(others);
    OneHost link;
    auto host = open_packet(packet_options(link.host, "h0"));
    auto ports =
        PacketPort::open_several(packet_options(link.engine, "e0"), kQueues, &programs->of(others));
    REQUIRE(ports.ok());
    CHECK(ports.value()[2]->description().find("steered by program") != std::string::npos);
    check_steering(steering, others, traffic, *host, ports.value());
    // Nothing is learned: after the link was down the sockets stand in the same order.
    REQUIRE(link.engine.ip("link set e0 down"));
    REQUIRE(link.engine.ip("link set e0 up"));
    check_steering(steering, others, traffic, *host, ports.value());
  }
}

TEST_CASE("AF_PACKET ports of several workers share the frames without a program, too") {
  if (skipped_without()) return;
  for (const SteeringProgram& refused : programs_refused()) {
    CAPTURE(refused.descriptor());
    OneHost link;
    auto host = open_packet(packet_options(link.host, "h0"));
    auto ports = PacketPort::open_several(packet_options(link.engine, "e0"), kQueues, &refused);
    REQUIRE(ports.ok());
    CHECK(ports.value()[0]->description().ends_with(kByHash));
    const Traffic traffic;
    for (const Bytes& frame : traffic.frames) REQUIRE(transmit(*host, now(), {frame}) == 1);
    const auto arrivals = receive_all_of(ports.value(), traffic.frames.size());
    CHECK(arrivals.size() == traffic.frames.size());
    std::set<size_t> queues;
    for (const Arrival& arrival : arrivals) queues.insert(arrival.queue);
    CHECK(queues.size() == kQueues);
  }
}

TEST_CASE("queues of a TAP device share the frames without a program, too") {
  if (skipped_without("/dev/net/tun")) return;
  for (const SteeringProgram& refused : programs_refused()) {
    CAPTURE(refused.descriptor());
    const TestNamespace space;
    auto ports = TapPort::open_several(tap_options(space), kQueues, &refused);
    REQUIRE(ports.ok());
    CHECK(ports.value()[0]->description().ends_with(kByHash));
    auto wire = open_packet(packet_options(space, "tap0"));
    const Traffic traffic;
    for (const Bytes& frame : traffic.frames) REQUIRE(transmit(*wire, now(), {frame}) == 1);
    CHECK(receive_all_of(ports.value(), traffic.frames.size()).size() == traffic.frames.size());
  }
}

TEST_CASE("queues of a TAP device get what the program steers to each") {
  if (skipped_without("/dev/net/tun")) return;
  const Steering steering(0x1234567890abcdef, kQueues);
  const auto programs = load_programs(steering);
  if (!programs) return;
  const Traffic traffic;
  for (const IpAddress& own : traffic.own) programs->set_own(own, true);
  for (const SteerBy others : {SteerBy::source, SteerBy::destination}) {
    CAPTURE(others);
    const TestNamespace space;
    auto ports = TapPort::open_several(tap_options(space), kQueues, &programs->of(others));
    REQUIRE(ports.ok());
    CHECK(ports.value()[1]->mac() == ports.value()[0]->mac());
    // On the kernel's side of the device, as the host's own stack would send.
    auto wire = open_packet(packet_options(space, "tap0"));
    check_steering(steering, others, traffic, *wire, ports.value());
  }
}
