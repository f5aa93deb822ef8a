// What the parse stage finds in sound packets.
#include "packet/parse.h"

#include <doctest/doctest.h>

#include <vector>

#include "support/fragments.h"
#include "support/packet_builder.h"
#include "support/packet_check.h"

namespace sluice::test {
namespace {

TEST_CASE("DFS-01 a TCP segment gives the six-field signature and where its headers are") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Frame frame = PacketBuilder()
                      .ip(hosts.client, hosts.virtual_server)
                      .dscp(46)
                      .tcp(40000, 80, kTcpAck | kTcpPsh)
                      .nop()
                      .nop()
                      .timestamps(1, 2)
                      .payload(100)
                      .build();
    const Packet packet = frame.parsed();
    REQUIRE(packet.verdict == Verdict::none);
    const FlowKey expected{hosts.client, hosts.virtual_server, 40000, 80, kProtocolTcp, 46};
    CHECK(packet.key == expected);
    const bool ipv4 = hosts.client.is_v4();
    CHECK_EQ(packet.headers.family, ipv4 ? 4 : 6);
    CHECK_EQ(packet.headers.ether_type, ipv4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
    CHECK_EQ(packet.headers.l3, 14);
    CHECK_EQ(packet.headers.l4, ipv4 ? 34 : 54);
    CHECK_EQ(packet.headers.payload, packet.headers.l4 + 32);
    CHECK_EQ(packet.headers.end, frame.size());
    CHECK_EQ(packet.headers.protocol, kProtocolTcp);
    CHECK_EQ(packet.headers.tcp_flags, kTcpAck | kTcpPsh);
    CHECK_FALSE(packet.headers.fragment);
  }
}

TEST_CASE("DFS-02 ECN marks do not change the signature, DSCP does") {
  for (const Hosts& hosts : both_families()) {
    PacketBuilder builder = PacketBuilder().ip(hosts.client, hosts.server).udp(1, 2);
    const FlowKey plain = builder.build().parsed().key;
    for (uint8_t ecn = 0; ecn < 4; ++ecn) CHECK(builder.ecn(ecn).build().parsed().key == plain);
    CHECK_FALSE(builder.dscp(1).build().parsed().key == plain);
  }
}

TEST_CASE("DFS-01 UDP, ICMP and unknown protocols: ports only where there are ports") {
  for (const Hosts& hosts : both_families()) {
    PacketBuilder builder = PacketBuilder().ip(hosts.client, hosts.server).payload(20);
    const Packet udp = builder.udp(5353, 53).build().parsed();
    CHECK_EQ(udp.key.src_port, 5353);
    CHECK_EQ(udp.key.dst_port, 53);
    CHECK_EQ(udp.headers.payload, udp.headers.l4 + 8);
    const bool v4 = hosts.client.is_v4();
    // An echo's identifier is the asking end's port.
    const Packet request = builder.icmp(v4 ? 8 : 128, 0, 0x12340001).build().parsed();
    CHECK(request.verdict == Verdict::none);
    CHECK(request.headers.has_key);
    CHECK(request.headers.echo_request);
    CHECK_EQ(request.key.src_port, 0x1234);
    CHECK_EQ(request.key.dst_port, 0);
    CHECK_EQ(request.headers.payload, request.headers.l4 + 8);
    const Packet reply = builder.icmp(v4 ? 0 : 129, 0, 0x12340001).build().parsed();
    CHECK(reply.headers.has_key);
    CHECK_FALSE(reply.headers.echo_request);
    CHECK_EQ(reply.key.src_port, 0);
    CHECK_EQ(reply.key.dst_port, 0x1234);
    const Packet timestamp = builder.icmp(v4 ? 13 : 139, 0, 0x12340001).build().parsed();
    CHECK(timestamp.verdict == Verdict::none);
    CHECK_FALSE(timestamp.headers.has_key);
    const Packet sctp = builder.protocol(132).build().parsed();
    CHECK(sctp.verdict == Verdict::none);
    CHECK(sctp.headers.has_key);
    CHECK_EQ(sctp.key.src_port, 0x0108);
    CHECK_EQ(sctp.key.dst_port, 0x0f16);
    CHECK_EQ(sctp.headers.payload, sctp.headers.l4 + 12);
    for (const uint8_t protocol : {47, 50, 51, 59, 253}) {
      const Packet other = builder.protocol(protocol).build().parsed();
      CHECK(other.verdict == Verdict::none);
      CHECK(other.headers.has_key);
      CHECK_EQ(other.key.protocol, protocol);
      CHECK_EQ(other.key.src_port, 0);
      CHECK_EQ(other.headers.payload, other.headers.l4);
    }
    // The ICMP of the other IP version.
    CHECK_FALSE(builder.protocol(v4 ? 58 : 1).build().parsed().headers.has_key);
  }
}

TEST_CASE("DFS-26 what a host sends to itself is no traffic of ours, whatever the protocol") {
  for (const Hosts& hosts : both_families()) {
    PacketBuilder builder = PacketBuilder().ip(hosts.client, hosts.client).payload(20);
    const uint8_t echo = hosts.client.is_v4() ? 8 : 128;
    CHECK(builder.icmp(echo, 0, 7).build().parsed().drop_reason == DropReason::land);
    CHECK(builder.protocol(47).build().parsed().drop_reason == DropReason::land);
    CHECK(builder.udp(7, 7).build().parsed().drop_reason == DropReason::land);
    CHECK(builder.udp(7, 8).build().parsed().verdict == Verdict::none);
  }
}

TEST_CASE("TCPX-77 Ethernet padding is not payload") {
  for (const Hosts& hosts : both_families()) {
    Frame frame = PacketBuilder().ip(hosts.client, hosts.server).tcp(1, 2).padding(6).build();
    const Packet packet = frame.parsed();
    REQUIRE(packet.verdict == Verdict::none);
    CHECK_EQ(packet.headers.end, packet.headers.payload);
    CHECK_EQ(packet.length, packet.headers.end + 6);
  }
}

TEST_CASE("TCPX-77 jumbo frames and frames of 64 KB parse like any other") {
  for (const Hosts& hosts : both_families()) {
    for (const size_t payload : {8940, 65400}) {
      Frame frame =
          PacketBuilder().ip(hosts.client, hosts.server).tcp(1, 2).payload(payload).build();
      const Packet packet = frame.parsed();
      REQUIRE(packet.verdict == Verdict::none);
      CHECK_EQ(packet.headers.end - packet.headers.payload, payload);
    }
  }
}

TEST_CASE("TCPX-75 up to two VLAN tags are passed over") {
  for (const Hosts& hosts : both_families()) {
    PacketBuilder builder = PacketBuilder().ip(hosts.client, hosts.server).udp(1, 2).payload(5);
    const FlowKey untagged = builder.build().parsed().key;
    const Packet one = builder.vlan(100).build().parsed();
    CHECK_EQ(one.headers.l3, 18);
    CHECK(one.key == untagged);
    const Packet two = builder.vlan(200).build().parsed();
    CHECK_EQ(two.headers.l3, 22);
    CHECK(two.key == untagged);
    const Packet three = builder.vlan(300).build().parsed();
    CHECK(three.drop_reason == DropReason::ether_type_unknown);
  }
  Frame qinq = PacketBuilder()
                   .vlan(1, kEtherTypeQinQ)
                   .vlan(2)
                   .ipv4("10.0.0.1", "10.0.0.2")
                   .udp(1, 2)
                   .build();
  CHECK_EQ(qinq.parsed().headers.l3, 22);
}

TEST_CASE("TCPX-71 IPv4 options other than source routing pass") {
  // Router alert, time stamp, record route, and what is unknown.
  const std::vector<std::vector<uint8_t>> options = {{148, 4, 0, 0},
                                                     {68, 8, 5, 0, 0, 0, 0, 0},
                                                     {1, 7, 7, 4, 0, 0, 0, 0},
                                                     {200, 3, 9, 0},
                                                     {0, 131, 3, 4}};
  for (const std::vector<uint8_t>& bytes : options) {
    Frame frame =
        PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").ip_options(bytes).tcp(1, 2).build();
    const Packet packet = frame.parsed();
    CHECK(packet.verdict == Verdict::none);
    CHECK_EQ(packet.headers.l4, 34 + bytes.size());
  }
}

TEST_CASE("TCPX-72 IPv6 extension headers are walked to the L4 header") {
  PacketBuilder builder;
  builder.ipv6("2001:db8::1", "2001:db8::2").flow_label(0x12345).tcp(7, 8).payload(3);
  builder.extension(0, {0, 5, 2, 0, 0, 1, 0});  // hop-by-hop with router alert
  builder.extension(60, std::vector<uint8_t>{1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  builder.extension(43, {0, 2, 0, 0, 0, 0, 0});  // routing header, nothing left
  Frame frame = builder.build();
  const Packet packet = frame.parsed();
  REQUIRE(packet.verdict == Verdict::none);
  CHECK_EQ(packet.headers.l4, 14 + 40 + 8 + 16 + 8);
  CHECK_EQ(packet.key.protocol, kProtocolTcp);
  CHECK_EQ(packet.key.dst_port, 8);
}

TEST_CASE("TCPX-72 an atomic fragment is no fragment") {
  Frame frame = PacketBuilder()
                    .ipv6("2001:db8::1", "2001:db8::2")
                    .fragment(0, false)
                    .udp(7, 8)
                    .payload(3)
                    .build();
  const Packet packet = frame.parsed();
  REQUIRE(packet.verdict == Verdict::none);
  CHECK_FALSE(packet.headers.fragment);
  CHECK_EQ(packet.key.dst_port, 8);
  CHECK_EQ(checksum_fault(packet), "");
}

TEST_CASE("TCPX-68 a first fragment has its ports, those behind it have none") {
  for (const Hosts& hosts : both_families()) {
    for (const uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
      CAPTURE(hosts.family);
      CAPTURE(protocol);
      PacketBuilder whole = PacketBuilder().ip(hosts.client, hosts.server).payload(4000).id(9);
      protocol == kProtocolTcp ? whole.tcp(7, 8) : whole.udp(7, 8);
      std::vector<Frame> pieces = fragments_of(whole.build(), 1400, 9);
      REQUIRE(pieces.size() == 3);
      for (size_t i = 0; i < pieces.size(); ++i) {
        CAPTURE(i);
        const Packet packet = pieces[i].parsed();
        REQUIRE(packet.verdict == Verdict::none);
        const bool first = i == 0;
        CHECK(packet.headers.fragment);
        CHECK(packet.headers.headless == !first);
        CHECK(packet.headers.has_key == first);
        const L4Port ports[] = {first ? L4Port{7} : L4Port{0}, first ? L4Port{8} : L4Port{0}};
        const FlowKey expected{hosts.client, hosts.server, ports[0], ports[1], protocol, 0};
        CHECK(packet.key == expected);
        const size_t header = protocol == kProtocolTcp ? TcpHeader::kSize : UdpHeader::kSize;
        CHECK_EQ(packet.headers.payload, packet.headers.l4 + (first ? header : 0));
      }
    }
  }
}

TEST_CASE("TCPX-68 TCPX-72 tiny first fragments are refused (RFC 1858, 3128, 7112)") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const auto reason_for = [&](const PacketBuilder& whole, size_t size, size_t which) {
      return fragments_of(PacketBuilder(whole).build(), size, 9)[which].parsed().drop_reason;
    };
    const PacketBuilder from = PacketBuilder().ip(hosts.client, hosts.server).payload(80);
    const PacketBuilder tcp = PacketBuilder(from).tcp(7, 8).mss(1400);
    CHECK(reason_for(tcp, 8, 0) == DropReason::fragment_tiny);   // no flags
    CHECK(reason_for(tcp, 16, 0) == DropReason::fragment_tiny);  // no checksum
    CHECK(reason_for(tcp, 8, 1) == DropReason::fragment_tiny);   // over the flags
    CHECK(reason_for(tcp, 24, 0) == DropReason::count);
    CHECK(reason_for(tcp, 16, 1) == DropReason::count);
    CHECK(reason_for(PacketBuilder(from).udp(7, 8), 8, 0) == DropReason::count);
    CHECK(reason_for(PacketBuilder(from).udp(7, 8), 8, 1) == DropReason::count);
    if (hosts.client.is_v4()) continue;
    // The fragment ends within the headers that go before the ports.
    PacketBuilder chain = PacketBuilder().ip(hosts.client, hosts.server).fragment(0, true);
    chain.extension(60, std::vector<uint8_t>(15)).udp(7, 8).payload(16);
    Frame frame = chain.build();
    frame.put8(14 + 40 + 8 + 1, 1);  // 16 bytes of options
    CHECK(frame.parsed().verdict == Verdict::none);
    CHECK(frame.parsed().key.dst_port == 8);
    frame.put8(14 + 40 + 8 + 1, 9);  // 80, behind its end
    CHECK(frame.parsed().drop_reason == DropReason::fragment_tiny);
  }
}

TEST_CASE("TCPX-72 a second fragment header and a jumbo payload option are malformed") {
  PacketBuilder twice = PacketBuilder().ipv6("2001:db8::1", "2001:db8::2");
  twice.fragment(0, false).fragment(0, false).udp(7, 8);
  CHECK(twice.build().parsed().drop_reason == DropReason::ip_malformed);
  const auto hop_by_hop = [](std::vector<uint8_t> body) {
    PacketBuilder packet = PacketBuilder().ipv6("2001:db8::1", "2001:db8::2");
    return packet.extension(0, std::move(body)).udp(7, 8).build().parsed();
  };
  CHECK(hop_by_hop({0, 0xc2, 4, 0, 1, 0, 0}).drop_reason == DropReason::ip_malformed);
  CHECK(hop_by_hop({0, 0, 0, 0, 0, 0, 0xc2}).drop_reason == DropReason::ip_malformed);
  CHECK(hop_by_hop({0, 5, 2, 0, 0, 1, 0}).verdict == Verdict::none);  // router alert
  CHECK(hop_by_hop({0, 1, 4, 0xc2, 0xc2, 0xc2, 0xc2}).verdict == Verdict::none);
}

TEST_CASE("TCPX-34 a super-packet parses like one packet") {
  for (const Hosts& hosts : both_families()) {
    Frame frame =
        PacketBuilder().ip(hosts.client, hosts.server).tcp(1, 2).payload(64000).gso(1448).build();
    const Packet packet = frame.parsed();
    REQUIRE(packet.verdict == Verdict::none);
    CHECK_EQ(packet.wire_segments(), 45);
    CHECK(checksum_is_partial(packet));
  }
}

TEST_CASE("TCPX-30 the parse stage does not look at L4 checksums") {
  for (const Hosts& hosts : both_families()) {
    Frame frame = PacketBuilder().ip(hosts.client, hosts.server).tcp(1, 2).payload(4).build();
    frame.put16(frame.parsed().headers.l4 + 16, 0x1234);
    CHECK(frame.parsed().verdict == Verdict::none);
  }
}

TEST_CASE("TCPX-76 ARP passes with family 0 and a checked message") {
  Frame frame = PacketBuilder()
                    .arp(ArpMessage::kRequest, kMacA, ip("10.0.0.1"), {}, ip("10.0.0.2"))
                    .padding(18)
                    .build();
  const Packet packet = frame.parsed();
  REQUIRE(packet.verdict == Verdict::none);
  CHECK_EQ(packet.headers.family, 0);
  CHECK_EQ(packet.headers.ether_type, kEtherTypeArp);
  CHECK_EQ(packet.headers.l3, 14);
  CHECK_EQ(packet.headers.end, 42);
  CHECK(ArpMessage(packet.at(14)).target_ip() == ip("10.0.0.2"));
}

TEST_CASE("TCPX-78 multicast passes here, but for TCP") {
  for (const char* group : {"224.0.0.251", "255.255.255.255"}) {
    Frame udp = PacketBuilder().ipv4("192.0.2.1", group).udp(5353, 5353).build();
    CHECK(udp.parsed().verdict == Verdict::none);
    Frame tcp = PacketBuilder().ipv4("192.0.2.1", group).tcp(1, 2, kTcpSyn).build();
    CHECK(tcp.parsed().drop_reason == DropReason::multicast);
  }
  Frame solicitation = PacketBuilder().ipv6("::", "ff02::1:ff00:1").icmp(135).payload(16).build();
  CHECK(solicitation.parsed().verdict == Verdict::none);
  Frame tcp = PacketBuilder().ipv6("2001:db8::1", "ff02::1").tcp(1, 2, kTcpSyn).build();
  CHECK(tcp.parsed().drop_reason == DropReason::multicast);
}

TEST_CASE("DFS-01 parsing again forgets what the bytes were before") {
  Frame frame = PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").tcp(1, 2).payload(20).build();
  Packet packet = frame.parsed();
  frame.put16(12, kEtherTypeArp);
  parse(packet);
  CHECK(packet.drop_reason == DropReason::arp_malformed);
  CHECK(packet.key == FlowKey{});
  CHECK_EQ(packet.headers.family, 0);
}

}  // namespace
}  // namespace sluice::test
