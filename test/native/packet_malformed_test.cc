// One case for each way in which a packet can be wrong, and the reason that it is dropped for.
#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "packet/parse.h"
#include "support/packet_builder.h"

namespace sluice::test {
namespace {

DropReason reason(Frame frame) {
  const Packet packet = frame.parsed();
  CHECK_EQ(packet.verdict == Verdict::drop, packet.drop_reason != DropReason::count);
  return packet.drop_reason;
}
constexpr DropReason kPasses = DropReason::count;

PacketBuilder v4() { return PacketBuilder().ipv4("192.0.2.1", "192.0.2.2"); }
PacketBuilder v6() { return PacketBuilder().ipv6("2001:db8::1", "2001:db8::2"); }
PacketBuilder from_to(const Hosts& hosts) { return PacketBuilder().ip(hosts.client, hosts.server); }
size_t l4_of(const Hosts& hosts) { return hosts.client.is_v4() ? 34 : 54; }

TEST_CASE("DFS-26 every truncation of a sound frame is dropped, byte by byte") {
  for (const Hosts& hosts : both_families()) {
    const Frame whole = from_to(hosts).vlan(7).tcp(1, 2).mss(1460).payload(5).build();
    for (size_t size = 0; size < whole.size(); ++size) {
      Frame cut = whole;
      cut.resize(size);
      CAPTURE(size);
      const DropReason expected =
          size < 18 ? DropReason::ethernet_malformed : DropReason::ip_malformed;
      CHECK(reason(cut) == expected);
    }
    CHECK(reason(whole) == kPasses);
  }
}

TEST_CASE("DFS-26 EtherTypes") {
  CHECK(reason(PacketBuilder().ether_type(0x88cc).payload(50).build()) ==
        DropReason::ether_type_unknown);
  // A length field of IEEE 802.3.
  CHECK(reason(PacketBuilder().ether_type(0x0026).payload(50).build()) ==
        DropReason::ether_type_unknown);
  Frame huge = v4().udp(1, 2).build();
  huge.resize(kMaxFrame + 1);
  CHECK(reason(huge) == DropReason::ethernet_malformed);
}

TEST_CASE("DFS-26 TCPX-76 ARP messages of another format, or cut off") {
  const Frame sound =
      PacketBuilder().arp(ArpMessage::kReply, kMacA, ip("10.0.0.1"), kMacB, ip("10.0.0.2")).build();
  REQUIRE(reason(sound) == kPasses);
  for (const size_t field : {14, 15, 16, 17, 18, 19, 20}) {
    Frame wrong = sound;
    wrong.put8(field, 0x77);
    CHECK(reason(wrong) == DropReason::arp_malformed);
  }
  CHECK(reason(Frame(sound).put8(21, 3)) == DropReason::arp_malformed);
  CHECK(reason(Frame(sound).resize(41)) == DropReason::arp_malformed);
}

TEST_CASE("DFS-26 IPv4 header: version, header length, total length, checksum") {
  const Frame sound = v4().tcp(1, 2).payload(8).build();
  CHECK(reason(Frame(sound).put8(14, 0x55)) == DropReason::ip_malformed);
  for (const uint8_t first : {0x40, 0x44}) {
    CHECK(reason(Frame(sound).put8(14, first)) == DropReason::ip_malformed);
  }
  // A header longer than the packet.
  CHECK(reason(v4().payload(4).build().put8(14, 0x4f)) == DropReason::ip_malformed);
  // 49 is one byte more than there is.
  for (const uint16_t total : {0, 19, 49, 65535}) {
    CAPTURE(total);
    CHECK(reason(Frame(sound).put16(16, total).fix_ipv4_checksum()) == DropReason::ip_malformed);
  }
  CHECK(reason(Frame(sound).put16(24, 0x1234)) == DropReason::ip_checksum);
  CHECK(reason(Frame(sound).put8(22, 63)) == DropReason::ip_checksum);
}

TEST_CASE("DFS-26 TCPX-71 IPv4 options: source routes refused, impossible lengths malformed") {
  const auto with = [](std::vector<uint8_t> options) {
    return reason(v4().ip_options(std::move(options)).tcp(1, 2).build());
  };
  CHECK(with({131, 7, 4, 10, 0, 0, 1}) == DropReason::ip_options_refused);
  CHECK(with({137, 7, 4, 10, 0, 0, 1}) == DropReason::ip_options_refused);
  CHECK(with({1, 1, 1, 131}) == DropReason::ip_options_refused);
  CHECK(with({7, 0, 4, 0}) == DropReason::ip_malformed);
  CHECK(with({7, 1, 4, 0}) == DropReason::ip_malformed);
  CHECK(with({7, 5, 4, 0}) == DropReason::ip_malformed);
  CHECK(with({1, 1, 1, 7}) == DropReason::ip_malformed);
}

TEST_CASE("DFS-26 IPv6 header: version and payload length") {
  const Frame sound = v6().tcp(1, 2).payload(8).build();
  CHECK(reason(Frame(sound).put8(14, 0x40)) == DropReason::ip_malformed);
  CHECK(reason(Frame(sound).put16(18, 29)) == DropReason::ip_malformed);
  CHECK(reason(Frame(sound).put16(18, 65535)) == DropReason::ip_malformed);
  // A jumbogram, with its hop-by-hop option and without.
  CHECK(reason(Frame(sound).put16(18, 0)) == DropReason::l4_malformed);
  Frame jumbo = v6().extension(0, {0, 194, 4, 0, 1, 0, 0}).tcp(1, 2).build();
  CHECK(reason(jumbo.put16(18, 0)) == DropReason::ip_malformed);
}

TEST_CASE("DFS-26 TCPX-72 IPv6 extension headers: cut off, endless, out of place, routing") {
  const std::vector<uint8_t> nothing = {0, 1, 4, 0, 0, 0, 0};
  CHECK(reason(v6().extension(60, {255, 1, 4, 0, 0, 0, 0}).tcp(1, 2).build()) ==
        DropReason::ip_malformed);
  PacketBuilder eight = v6().tcp(1, 2);
  for (int i = 0; i < 8; ++i) eight.extension(60, nothing);
  CHECK(reason(eight.build()) == kPasses);
  CHECK(reason(eight.extension(60, nothing).build()) == DropReason::ip_malformed);
  CHECK(reason(v6().extension(60, nothing).extension(0, nothing).tcp(1, 2).build()) ==
        DropReason::ip_malformed);
  CHECK(reason(v6().extension(43, {0, 0, 1, 0, 0, 0, 0}).tcp(1, 2).build()) ==
        DropReason::ip_options_refused);
  // A chain that ends where a header should begin.
  CHECK(reason(v6().protocol(60).build()) == DropReason::ip_malformed);
  CHECK(reason(v6().protocol(44).payload(7).build()) == DropReason::ip_malformed);
}

TEST_CASE("DFS-26 TCPX-71 martians: addresses that no network delivers") {
  for (const char* source : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "224.0.0.1",
                             "239.1.2.3", "255.255.255.255"}) {
    CAPTURE(source);
    CHECK(reason(PacketBuilder().ipv4(source, "192.0.2.1").udp(1, 2).build()) ==
          DropReason::ip_martian);
  }
  for (const char* destination : {"0.0.0.0", "127.0.0.1"}) {
    CHECK(reason(PacketBuilder().ipv4("192.0.2.1", destination).udp(1, 2).build()) ==
          DropReason::ip_martian);
  }
  for (const char* source : {"::", "::1", "::192.0.2.1", "100::1", "ff02::1", "ff0e::1"}) {
    CAPTURE(source);
    CHECK(reason(PacketBuilder().ipv6(source, "2001:db8::1").udp(1, 2).build()) ==
          DropReason::ip_martian);
  }
  for (const char* destination : {"::", "::1", "::192.0.2.1", "100::1"}) {
    CHECK(reason(PacketBuilder().ipv6("2001:db8::1", destination).udp(1, 2).build()) ==
          DropReason::ip_martian);
  }
  // ::ffff:10.0.0.1 on the wire would pass for 10.0.0.1 in every key.
  for (const size_t address : {22, 38}) {
    Frame mapped = v6().udp(1, 2).build();
    const IpAddress inside = ip("10.0.0.1");
    std::copy(inside.bytes.begin(), inside.bytes.end(), mapped.data() + address);
    CHECK(reason(mapped) == DropReason::ip_martian);
  }
}

TEST_CASE("DFS-26 TCPX-68 fragments that make no sense") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const auto fragment = [&](size_t offset, bool more, size_t size) {
      return reason(from_to(hosts).fragment(offset, more).protocol(17).payload(size).build());
    };
    CHECK(fragment(0, true, 0) == DropReason::ip_malformed);
    CHECK(fragment(0, true, 1479) == DropReason::ip_malformed);
    CHECK(fragment(8, false, 1479) == kPasses);
    CHECK(fragment(65528, false, 7) == kPasses);
    CHECK(fragment(65528, false, 8) == DropReason::ip_malformed);
  }
}

TEST_CASE("DFS-26 TCP header: length, data offset, ports") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const size_t l4 = l4_of(hosts);
    CHECK(reason(from_to(hosts).protocol(6).payload(19).build()) == DropReason::l4_malformed);
    const Frame sound = from_to(hosts).tcp(1, 2).payload(8).build();
    CHECK(reason(Frame(sound).put8(l4 + 12, 0x40)) == DropReason::l4_malformed);
    CHECK(reason(Frame(sound).put8(l4 + 12, 0x00)) == DropReason::l4_malformed);
    CHECK(reason(Frame(sound).put8(l4 + 12, 0x70)) == kPasses);
    CHECK(reason(Frame(sound).put8(l4 + 12, 0x80)) == DropReason::l4_malformed);
    CHECK(reason(Frame(sound).put16(l4, 0)) == DropReason::l4_malformed);
    CHECK(reason(Frame(sound).put16(l4 + 2, 0)) == DropReason::l4_malformed);
  }
}

TEST_CASE("DFS-26 TCPX-11 combinations of TCP flags that no TCP sends") {
  constexpr uint8_t kRest = kTcpPsh | kTcpUrg | kTcpEce | kTcpCwr;
  for (const Hosts& hosts : both_families()) {
    for (int flags = 0; flags < 256; ++flags) {
      CAPTURE(flags);
      bool sane = false;
      switch (flags & ~kRest) {
        case kTcpSyn:
        case kTcpSyn | kTcpAck:
        case kTcpRst:
        case kTcpRst | kTcpAck:
        case kTcpAck:
        case kTcpFin | kTcpAck: sane = true;
      }
      const DropReason expected = sane ? kPasses : DropReason::tcp_flags_invalid;
      CHECK(reason(from_to(hosts).tcp(1, 2, static_cast<uint8_t>(flags)).build()) == expected);
    }
  }
}

TEST_CASE("DFS-26 UDP header: length and port; over IPv6 a checksum") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const size_t l4 = l4_of(hosts);
    CHECK(reason(from_to(hosts).protocol(17).payload(7).build()) == DropReason::l4_malformed);
    const Frame sound = from_to(hosts).udp(1, 2).payload(8).build();
    for (const uint16_t length : {0, 7, 17, 65535}) {
      CHECK(reason(Frame(sound).put16(l4 + 4, length)) == DropReason::l4_malformed);
    }
    CHECK(reason(Frame(sound).put16(l4 + 4, 12)) == kPasses);
    CHECK(reason(Frame(sound).put16(l4, 0)) == kPasses);
    CHECK(reason(Frame(sound).put16(l4 + 2, 0)) == DropReason::l4_malformed);
    CHECK(reason(Frame(sound).put16(l4 + 6, 0)) ==
          (hosts.client.is_v4() ? kPasses : DropReason::udp_checksum_missing));
  }
}

TEST_CASE("DFS-26 ICMP messages shorter than their header") {
  for (const Hosts& hosts : both_families()) {
    const uint8_t protocol = hosts.client.is_v4() ? kProtocolIcmp : kProtocolIcmpv6;
    CHECK(reason(from_to(hosts).protocol(protocol).payload(7).build()) == DropReason::l4_malformed);
    CHECK(reason(from_to(hosts).protocol(protocol).payload(8).build()) == kPasses);
  }
}

TEST_CASE("DFS-26 land: source and destination endpoint are the same") {
  for (const Hosts& hosts : both_families()) {
    PacketBuilder self = PacketBuilder().ip(hosts.client, hosts.client);
    CHECK(reason(self.tcp(80, 80, kTcpSyn).build()) == DropReason::land);
    CHECK(reason(self.tcp(81, 80, kTcpSyn).build()) == kPasses);
    CHECK(reason(self.udp(53, 53).build()) == DropReason::land);
    CHECK(reason(self.icmp(hosts.client.is_v4() ? 8 : 128).build()) == DropReason::land);
    CHECK(reason(from_to(hosts).tcp(80, 80, kTcpSyn).build()) == kPasses);
  }
}

TEST_CASE("DFS-26 TCPX-32 an open checksum in the wrong place") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const size_t l4 = l4_of(hosts);
    for (const bool tcp : {true, false}) {
      PacketBuilder builder = from_to(hosts).payload(40);
      tcp ? builder.tcp(1, 2) : builder.udp(1, 2);
      const auto with = [&](size_t start, size_t offset) {
        Frame frame = builder.partial().build();
        frame.offload().checksum_start = static_cast<uint16_t>(start);
        frame.offload().checksum_offset = static_cast<uint16_t>(offset);
        return reason(frame);
      };
      CHECK(with(l4, tcp ? 16 : 6) == kPasses);
      CHECK(with(l4, tcp ? 6 : 16) == DropReason::l4_malformed);
      CHECK(with(l4 - 1, 16) == DropReason::l4_malformed);
      CHECK(with(0, 0) == DropReason::l4_malformed);
      CHECK(with(l4 + 1, 0) == DropReason::l4_malformed);
      // Of an inner packet: in the payload, to its last byte.
      CHECK(with(l4 + (tcp ? 42 : 30), 16) == kPasses);
      CHECK(with(l4 + (tcp ? 43 : 31), 16) == DropReason::l4_malformed);
      CHECK(with(65535, 65535) == DropReason::l4_malformed);
    }
    Frame icmp = from_to(hosts).icmp(hosts.client.is_v4() ? 8 : 128).partial().build();
    CHECK(reason(icmp) == kPasses);
    icmp.offload().checksum_offset = 4;
    CHECK((reason(icmp) == DropReason::l4_malformed) == !hosts.client.is_v4());
    // The sum would run on behind the datagram.
    Frame early = from_to(hosts).udp(1, 2).payload(8).partial().build();
    CHECK(reason(early.put16(l4 + 4, 12)) == DropReason::l4_malformed);
    Frame fragment = from_to(hosts).fragment(0, true).protocol(6).payload(40).build();
    fragment.offload().needs_checksum = true;
    fragment.offload().checksum_start = static_cast<uint16_t>(l4);
    fragment.offload().checksum_offset = 16;
    CHECK(reason(fragment) == DropReason::l4_malformed);
  }
}

TEST_CASE("DFS-26 TCPX-34 GSO metadata that does not fit the packet") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const Frame tcp = from_to(hosts).tcp(1, 2).payload(3000).gso(1000).build();
    REQUIRE(reason(tcp) == kPasses);
    const auto with = [](Frame frame, GsoType type, uint16_t size) {
      frame.offload().gso_type = type;
      frame.offload().gso_size = size;
      return reason(frame);
    };
    const bool ipv4 = hosts.client.is_v4();
    CHECK(with(tcp, ipv4 ? GsoType::tcp6 : GsoType::tcp4, 1000) == DropReason::l4_malformed);
    CHECK(with(tcp, GsoType::udp, 1000) == DropReason::l4_malformed);
    CHECK(with(tcp, ipv4 ? GsoType::tcp4 : GsoType::tcp6, 0) == DropReason::l4_malformed);
    const Frame udp = from_to(hosts).udp(1, 2).payload(3000).gso(1000).build();
    CHECK(reason(udp) == kPasses);
    CHECK(with(udp, ipv4 ? GsoType::tcp4 : GsoType::tcp6, 1000) == DropReason::l4_malformed);
    Frame complete = tcp;
    complete.offload().needs_checksum = false;
    CHECK(reason(complete) == DropReason::l4_malformed);
    Frame arp = PacketBuilder().arp(1, kMacA, ip("10.0.0.1"), {}, ip("10.0.0.2")).build();
    arp.offload().needs_checksum = true;
    CHECK(reason(arp) == DropReason::l4_malformed);
  }
}

}  // namespace
}  // namespace sluice::test
