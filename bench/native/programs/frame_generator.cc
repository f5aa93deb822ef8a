// Offers minimum-size frames on a device, as many as it can, for a stated time:
//   frame_generator DEVICE DST_MAC SRC_ADDRESS DST_ADDRESS DST_PORT FLOWS SECONDS
// UDP over IPv4 with right checksums; each flow has a source port of its own, and they take turns.
// Prints how many frames the device took.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/clock.h"
#include "port/netlink.h"
#include "port/packet_sender.h"
#include "programs/program.h"
#include "support/packet_builder.h"

namespace {

using namespace sluice;
using bench::mac_of;
using bench::taken;

constexpr L4Port kFirstPort = 10'000;
// The smallest Ethernet frame has 64 bytes on the wire: 60, and a check sequence that no program
// sees.
constexpr size_t kPayload = 60 - 14 - 20 - 8;

}  // namespace

int main(int count, char** arguments) {
  if (count != 8) {
    std::fprintf(stderr,
                 "usage: frame_generator DEVICE DST_MAC SRC_ADDRESS DST_ADDRESS DST_PORT FLOWS "
                 "SECONDS\n");
    return 2;
  }
  const std::string device = arguments[1];
  const LinkInfo link = taken(taken(Netlink::open()).link(device));
  PacketSender sender = taken(PacketSender::open(link.index, device));
  std::vector<test::Frame> frames;
  for (int flow = 0; flow < std::atoi(arguments[6]); ++flow) {
    frames.push_back(test::PacketBuilder()
                         .eth(link.mac, mac_of(arguments[2]))
                         .ip(test::ip(arguments[3]), test::ip(arguments[4]))
                         .udp(static_cast<L4Port>(kFirstPort + flow),
                              static_cast<L4Port>(std::atoi(arguments[5])))
                         .payload(kPayload)
                         .build());
  }
  const Instant start = monotonic_now();
  const Instant end =
      start + Duration::milliseconds(static_cast<int64_t>(std::atof(arguments[7]) * 1000));
  uint64_t offered = 0;
  size_t next = 0;
  Instant now = start;
  for (; now < end; now = monotonic_now()) {
    Packet packets[kBatchCapacity];
    Packet* batch[kBatchCapacity];
    for (size_t i = 0; i < kBatchCapacity; ++i) {
      packets[i] = frames[next++ % frames.size()].packet();
      batch[i] = &packets[i];
    }
    offered += sender.send(batch);
  }
  const double seconds = static_cast<double>((now - start).nanoseconds()) / 1e9;
  std::printf("{\"offered\": %lu, \"seconds\": %.6f}\n", static_cast<unsigned long>(offered),
              seconds);
  return 0;
}
