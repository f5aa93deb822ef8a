// Offers UDP datagrams to a forwarder at a fixed rate and takes the time until each arrives behind
// it:
//   first_packets DEVICE FAR_NETNS FAR_DEVICE DST_MAC SRC_ADDRESS DST_ADDRESS DST_PORT FIRST FLOWS
//                 RATE SECONDS
// The load is open: each datagram has its planned time, from which its delay counts, whatever
// became of those before it. FLOWS signatures take turns, from number FIRST on; each has a source
// port of its own, and after 60 000 of them the next source address follows. With as many flows as
// datagrams each is the first of its flow. One that does not arrive, because the device did not
// take it or for any other reason, counts as slow as the run is long. Prints counts, and
// percentiles in microseconds; the median also of those that arrived.

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
#include "port/netlink.h"
#include "port/packet_port.h"
#include "port/packet_sender.h"
#include "programs/program.h"
#include "support/packet_builder.h"
#include "wire/udp.h"

namespace {

using namespace sluice;
using bench::mac_of;
using bench::taken;

constexpr uint32_t kPortsOfSource = 60'000;
constexpr uint32_t kFirstPort = 2'000;
constexpr size_t kUdpPayload = 14 + 20 + 8;
// What has not arrived so long after the last was sent never will.
constexpr Duration kPatience = Duration::milliseconds(500);

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
    while (arrived_.count() < load_.datagrams && now < end) {
      const bool sent = send_due(now);
      const bool received = receive();
      if (!sent && !received) sleep(next_ < load_.datagrams ? planned(next_) : end);
      now = monotonic_now();
    }
    planned_.add(arrived_);
    while (planned_.count() < load_.datagrams) planned_.record(end - start_);
  }

  void print() const {
    const auto microseconds = [](Duration delay) {
      return static_cast<double>(delay.nanoseconds()) / 1e3;
    };
    std::printf("{\"planned\": %lu, \"arrived\": %lu, ",
                static_cast<unsigned long>(load_.datagrams),
                static_cast<unsigned long>(arrived_.count()));
    std::printf("\"p50\": %.1f, \"p99\": %.1f, \"p50_of_arrived\": %.1f}\n",
                microseconds(planned_.percentile(0.5)), microseconds(planned_.percentile(0.99)),
                microseconds(arrived_.percentile(0.5)));
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
    if (!batch.empty()) sender_.send(batch);
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
      const Instant planned = Instant::from_nanoseconds(stamp);
      if (planned >= start_) arrived_.record(now - planned);  // else it is of an earlier run
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
  // The delays of those that have arrived, and in the end those of all.
  bench::DelayHistogram arrived_;
  bench::DelayHistogram planned_;
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
  load.gateway = mac_of(arguments[4]);
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
