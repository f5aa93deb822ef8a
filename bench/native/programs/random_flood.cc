// Sends random packets to one address, each from an endpoint that nobody has:
//   random_flood KIND DEVICE DST_MAC DST_ADDRESS DST_PORT PACKETS RATE SEED [SRC_ADDRESS SRC_PORT]
// KIND: syn        first segments of TCP connections
//       datagram   first datagrams of UDP flows
//       segment    RST, FIN, SYN and ACK segments with random numbers; from one endpoint where
//                  it is given, as somebody sends them who does not see its traffic
//       garbage    IP packets of any protocol, with bytes of any kind behind their header
//       neighbor   ARP requests or neighbour solicitations, from hosts of the destination's network
// RATE packets a second, 0 for as many as go. The same seed sends the same packets. Prints how many
// the device took.

#include <sys/prctl.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "port/netlink.h"
#include "port/packet_sender.h"
#include "programs/program.h"
#include "support/packet_builder.h"

namespace {

using namespace sluice;
using bench::mac_of;
using bench::taken;
using test::Frame;
using test::PacketBuilder;

struct Flood {
  std::string_view kind;
  MacAddress from;
  MacAddress gateway;
  IpAddress destination;
  L4Port port = 0;
  uint64_t packets = 0;
  double rate = 0;
  // Where all come from, if port is not 0.
  IpAddress source;
  L4Port source_port = 0;
};

class Generator {
 public:
  Generator(const Flood& flood, uint64_t seed) : flood_(flood), random_(seed) {}

  Frame next() {
    PacketBuilder packet;
    packet.eth(flood_.from, flood_.gateway);
    if (flood_.kind == "neighbor") return solicitation(packet);
    packet.ip(source(), flood_.destination);
    if (flood_.kind == "garbage") {
      packet.protocol(static_cast<uint8_t>(random_.below(256)));
      return packet.payload(bytes(random_.below(64))).build();
    }
    const auto port = flood_.source_port != 0 ? flood_.source_port
                                              : static_cast<L4Port>(1 + random_.below(65535));
    if (flood_.kind == "datagram") return packet.udp(port, flood_.port).payload(32).build();
    return packet.tcp(port, flood_.port, flags())
        .seq(static_cast<uint32_t>(random_.next()))
        .ack(static_cast<uint32_t>(random_.next()))
        .build();
  }

 private:
  uint8_t flags() {
    if (flood_.kind == "syn") return kTcpSyn;
    constexpr uint8_t kAll[] = {kTcpRst, kTcpRst | kTcpAck, kTcpFin | kTcpAck, kTcpSyn, kTcpAck};
    return kAll[random_.below(std::size(kAll))];
  }

  // 198.18.0.0/15, or 2001:db8:bad::/48: networks for tests (RFC 2544, RFC 3849).
  IpAddress source() {
    if (flood_.source_port != 0) return flood_.source;
    const uint64_t any = random_.next();
    if (flood_.destination.is_v4()) {
      return IpAddress::v4(0xc6120000u | static_cast<uint32_t>(any & 0x1ffff));
    }
    return last_bytes(test::ip("2001:db8:bad::"), any, 8);
  }

  Frame solicitation(PacketBuilder& packet) {
    const MacAddress mac = random_mac();
    const IpAddress& target = flood_.destination;
    if (target.is_v4()) {
      // The upper half of a /24: none of those that live there is robbed of its address.
      const IpAddress sender = last_bytes(target, 0x80 | random_.next(), 1);
      packet.eth(mac, flood_.gateway).arp(ArpMessage::kRequest, mac, sender, MacAddress{}, target);
      return packet.build();
    }
    std::vector<uint8_t> body(target.bytes.begin(), target.bytes.end());
    body.insert(body.end(), {1, 1});  // its link-layer address, of one unit of 8 bytes
    body.insert(body.end(), mac.bytes.begin(), mac.bytes.end());
    packet.eth(mac, flood_.gateway).ip(last_bytes(target, random_.next(), 8), target);
    return packet.ttl(255).icmp(kIcmpv6NeighborSolicitation).payload(body).build();
  }

  static IpAddress last_bytes(IpAddress address, uint64_t value, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      address.bytes[15 - i] = static_cast<uint8_t>(value >> (8 * i));
    }
    return address;
  }

  MacAddress random_mac() {
    MacAddress mac;
    const uint64_t any = random_.next();
    for (size_t i = 0; i < mac.bytes.size(); ++i)
      mac.bytes[i] = static_cast<uint8_t>(any >> (8 * i));
    mac.bytes[0] = 0x02;
    return mac;
  }

  std::vector<uint8_t> bytes(uint64_t count) {
    std::vector<uint8_t> result(count);
    for (uint8_t& byte : result) byte = static_cast<uint8_t>(random_.next());
    return result;
  }

  const Flood& flood_;
  Random random_;
};

void sleep_until(Instant planned) {
  const int64_t span = (planned - monotonic_now()).nanoseconds();
  if (span <= 0) return;
  const timespec timeout{span / 1'000'000'000, span % 1'000'000'000};
  nanosleep(&timeout, nullptr);
}

// How many the device took: those that it has no room for are offered once more.
uint64_t run(const Flood& flood, Generator& generator, PacketSender& sender) {
  const Instant start = monotonic_now();
  uint64_t taken = 0;
  for (uint64_t made = 0; made < flood.packets;) {
    std::vector<Frame> frames;
    for (; made < flood.packets && frames.size() < kBatchCapacity; ++made) {
      frames.push_back(generator.next());
    }
    Packet packets[kBatchCapacity];
    Packet* batch[kBatchCapacity];
    for (size_t i = 0; i < frames.size(); ++i) {
      packets[i] = frames[i].packet();
      batch[i] = &packets[i];
    }
    const size_t sent = sender.send({batch, frames.size()});
    taken += sent;
    if (sent < frames.size()) taken += sender.send({batch + sent, frames.size() - sent});
    if (flood.rate > 0) {
      const double due = static_cast<double>(made) / flood.rate;
      sleep_until(start + Duration::nanoseconds(static_cast<int64_t>(due * 1e9)));
    }
  }
  return taken;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 9 && count != 11) {
    std::fprintf(stderr,
                 "usage: random_flood syn|datagram|segment|garbage|neighbor DEVICE DST_MAC "
                 "DST_ADDRESS DST_PORT PACKETS RATE SEED [SRC_ADDRESS SRC_PORT]\n");
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1UL);
  const std::string device = arguments[2];
  const LinkInfo link = taken(taken(Netlink::open()).link(device));
  PacketSender sender = taken(PacketSender::open(link.index, device));
  Flood flood;
  flood.kind = arguments[1];
  flood.from = link.mac;
  flood.gateway = mac_of(arguments[3]);
  flood.destination = test::ip(arguments[4]);
  flood.port = static_cast<L4Port>(std::atoi(arguments[5]));
  flood.packets = static_cast<uint64_t>(std::atoll(arguments[6]));
  flood.rate = std::atof(arguments[7]);
  if (count == 11) {
    flood.source = test::ip(arguments[9]);
    flood.source_port = static_cast<L4Port>(std::atoi(arguments[10]));
  }
  Generator generator(flood, static_cast<uint64_t>(std::atoll(arguments[8])));
  std::printf("{\"sent\": %lu}\n", static_cast<unsigned long>(run(flood, generator, sender)));
  return 0;
}
