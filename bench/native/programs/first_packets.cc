// Offers UDP datagrams to a forwarder at a fixed rate and takes the time until each arrives behind
// it:
//   first_packets DEVICE FAR_NETNS FAR_DEVICE DST_MAC SRC_ADDRESS DST_ADDRESS DST_PORT FIRST FLOWS
//                 RATE SECONDS
// The load is open: each datagram has its planned time, from which its delay counts, whatever
// became of those before it. FLOWS signatures take turns, from number FIRST on; each has a source
// port of its own, and after 60 000 of them the next source address follows. With as many flows as
// datagrams each is the first of its flow. Prints counts, and percentiles in microseconds of those
// that arrived.

#include <poll.h>
#include <sys/prctl.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "loads/delay_histogram.h"
#include "port/address_text.h"
#include "port/netlink.h"
#include "port/packet_port.h"
#include "port/packet_sender.h"
#include "support/packet_builder.h"
#include "wire/udp.h"

namespace {

using namespace sluice;

constexpr uint32_t kPortsOfSource = 60'000;
constexpr uint32_t kFirstPort = 2'000;
constexpr size_t kUdpPayload = 14 + 20 + 8;
// What has not arrived so long after the last was sent never will.
constexpr Duration kPatience = Duration::milliseconds(500);

[[noreturn]] void fail(const Error& error) {
  std::fprintf(stderr, "first_packets: %s: errno %d. %s\n", error.operation.c_str(),
               error.error_number, error.remedy.c_str());
  std::exit(1);
}

template <class T>
T taken(Result<T> result) {
  if (!result.ok()) fail(result.error());
  return std::move(result.value());
}

struct Load {
  MacAddress from;
  MacAddress gateway;
  IpAddress source;
  IpAddress destination;
  L4Port port = 0;
  uint32_t first = 0;
  uint32_t flows = 1;
  Duration interval;
  uint64_t datagrams = 0;
};

IpAddress plus(IpAddress address, uint32_t count) {
  address.bytes[15] = static_cast<uint8_t>(address.bytes[15] + count);
  return address;
}

test::Frame datagram(const Load& load, uint64_t number, Instant planned) {
  const auto flow = static_cast<uint32_t>(load.first + number % load.flows);
  const int64_t stamp = planned.nanoseconds();
  std::vector<uint8_t> payload(sizeof stamp);
  std::memcpy(payload.data(), &stamp, sizeof stamp);
  return test::PacketBuilder()
      .eth(load.from, load.gateway)
      .ip(plus(load.source, flow / kPortsOfSource), load.destination)
      .udp(static_cast<L4Port>(kFirstPort + flow % kPortsOfSource), load.port)
      .payload(payload)
      .build();
}

class Run {
 public:
  Run(const Load& load, PacketSender& sender, Port& far)
      : load_(load), sender_(sender), far_(far), start_(monotonic_now()) {}

  void run() {
    Instant now = start_;
    const Instant end = planned(load_.datagrams) + kPatience;
    while (delays_.count() < load_.datagrams && now < end) {
      const bool sent = send_due(now);
      const bool received = receive();
      if (!sent && !received) sleep(next_ < load_.datagrams ? planned(next_) : end);
      now = monotonic_now();
    }
  }

  void print() {
    const auto microseconds = [](Duration delay) {
      return static_cast<double>(delay.nanoseconds()) / 1e3;
    };
    std::printf("{\"planned\": %lu, \"offered\": %lu, \"arrived\": %lu, ",
                static_cast<unsigned long>(load_.datagrams), static_cast<unsigned long>(offered_),
                static_cast<unsigned long>(delays_.count()));
    std::printf("\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}\n",
                microseconds(delays_.percentile(0.5)), microseconds(delays_.percentile(0.99)),
                microseconds(delays_.max()));
  }

 private:
  Instant planned(uint64_t number) const {
    return start_ + load_.interval * static_cast<int64_t>(number);
  }

  bool send_due(Instant now) {
    std::vector<test::Frame> frames;
    while (next_ < load_.datagrams && planned(next_) <= now && frames.size() < kBatchCapacity) {
      frames.push_back(datagram(load_, next_, planned(next_)));
      ++next_;
    }
    std::vector<Packet> packets;
    std::vector<Packet*> batch;
    packets.reserve(frames.size());
    for (test::Frame& frame : frames) {
      packets.push_back(frame.packet());
      batch.push_back(&packets.back());
    }
    if (!batch.empty()) offered_ += sender_.send(batch);
    return !batch.empty();
  }

  bool receive() {
    Batch batch;
    far_.receive(monotonic_now(), batch);
    const Instant now = monotonic_now();
    for (const Packet& packet : batch.all()) {
      if (packet.length < kUdpPayload + sizeof(int64_t)) continue;
      if (packet.data[12] != 0x08 || packet.data[13] != 0 || packet.data[23] != kProtocolUdp)
        continue;
      int64_t stamp;
      std::memcpy(&stamp, packet.data + kUdpPayload, sizeof stamp);
      delays_.record(now - Instant::from_nanoseconds(stamp));
    }
    const bool some = batch.count > 0;
    far_.release();
    return some;
  }

  void sleep(Instant until) const {
    const int64_t span = (until - monotonic_now()).nanoseconds();
    if (span <= 0) return;
    const timespec timeout{span / 1'000'000'000, span % 1'000'000'000};
    pollfd readable{far_.wait_fd(), POLLIN, 0};
    ppoll(&readable, 1, &timeout, nullptr);
  }

  const Load& load_;
  PacketSender& sender_;
  Port& far_;
  Instant start_;
  uint64_t next_ = 0;
  uint64_t offered_ = 0;
  bench::DelayHistogram delays_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 12) {
    std::fprintf(stderr,
                 "usage: first_packets DEVICE FAR_NETNS FAR_DEVICE DST_MAC SRC_ADDRESS DST_ADDRESS "
                 "DST_PORT FIRST FLOWS RATE SECONDS\n");
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1UL);
  const std::string device = arguments[1];
  const LinkInfo link = taken(taken(Netlink::open()).link(device));
  PacketSender sender = taken(PacketSender::open(link.index, device));
  PortOptions far;
  far.name = "far";
  far.kind = PortKind::packet;
  far.netns = arguments[2];
  far.device = arguments[3];
  const std::unique_ptr<PacketPort> port = taken(PacketPort::open(far));
  const double rate = std::atof(arguments[10]);
  Load load;
  load.from = link.mac;
  load.gateway = parse_mac(arguments[4]).value();
  load.source = test::ip(arguments[5]);
  load.destination = test::ip(arguments[6]);
  load.port = static_cast<L4Port>(std::atoi(arguments[7]));
  load.first = static_cast<uint32_t>(std::atol(arguments[8]));
  load.flows = static_cast<uint32_t>(std::atol(arguments[9]));
  load.interval = Duration::nanoseconds(static_cast<int64_t>(1e9 / rate));
  load.datagrams = static_cast<uint64_t>(rate * std::atof(arguments[11]));
  Run run(load, sender, *port);
  run.run();
  run.print();
  return 0;
}
