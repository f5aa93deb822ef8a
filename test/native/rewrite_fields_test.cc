// Which bytes each part of a Rewrite changes.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "rewrite/rewrite.h"
#include "support/fragments.h"
#include "support/packet_builder.h"
#include "support/packet_check.h"

namespace sluice::test {
namespace {

using Offsets = std::set<size_t>;

Offsets range(size_t from, size_t size) {
  Offsets offsets;
  for (size_t i = 0; i < size; ++i) offsets.insert(from + i);
  return offsets;
}

Offsets join(std::initializer_list<Offsets> parts) {
  Offsets all;
  for (const Offsets& part : parts) all.insert(part.begin(), part.end());
  return all;
}

Offsets changed(const std::vector<uint8_t>& before, const std::vector<uint8_t>& after) {
  REQUIRE_EQ(before.size(), after.size());
  Offsets offsets;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i] != after[i]) offsets.insert(i);
  }
  return offsets;
}

bool is_subset(const Offsets& part, const Offsets& whole) {
  return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

// Values that differ in every byte from those of the frames below.
Rewrite every_field(const Hosts& hosts) {
  Rewrite rewrite;
  rewrite.dscp = 0x2e;
  rewrite.src_port = 0x0102;
  rewrite.dst_port = 0x0304;
  rewrite.src_mac = MacAddress{{0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5}};
  rewrite.dst_mac = MacAddress{{0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5}};
  const bool ipv4 = hosts.client.is_v4();
  rewrite.src = ip(ipv4 ? "77.78.79.80" : "3132:3334:3536:3738:393a:3b3c:3d3e:3f40");
  rewrite.dst = ip(ipv4 ? "87.88.89.90" : "4142:4344:4546:4748:494a:4b4c:4d4e:4f50");
  rewrite.tcp.seq = 0x01010101;
  rewrite.tcp.ack = 0x02020202;
  return rewrite;
}

struct FieldCase {
  const char* name;
  uint16_t field;
  Offsets v4;  // without checksums
  Offsets v6;
};

const std::vector<FieldCase>& field_cases() {
  static const std::vector<FieldCase> cases = {
      {"destination MAC", kRewriteDstMac, range(0, 6), range(0, 6)},
      {"source MAC", kRewriteSrcMac, range(6, 6), range(6, 6)},
      {"source address", kRewriteSrcAddress, range(26, 4), range(22, 16)},
      {"destination address", kRewriteDstAddress, range(30, 4), range(38, 16)},
      {"source L4 port", kRewriteSrcPort, range(34, 2), range(54, 2)},
      {"destination L4 port", kRewriteDstPort, range(36, 2), range(56, 2)},
      {"DSCP", kRewriteDscp, range(15, 1), range(14, 2)},
  };
  return cases;
}

// Where checksums may change with a field.
Offsets checksums(bool ipv4, uint8_t protocol, uint16_t field) {
  const size_t l4 = ipv4 ? 34 : 54;
  const bool address = (field & (kRewriteSrcAddress | kRewriteDstAddress)) != 0;
  const bool port = (field & (kRewriteSrcPort | kRewriteDstPort)) != 0;
  Offsets offsets;
  if (ipv4 && (address || field == kRewriteDscp)) offsets = range(24, 2);
  if (address || port) {
    offsets = join({offsets, range(l4 + (protocol == kProtocolTcp ? 16 : 6), 2)});
  }
  return offsets;
}

TEST_CASE("DFS-11 each field of a rewrite alone changes its bytes and the checksums over them") {
  for (const Hosts& hosts : both_families()) {
    for (const uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
      for (const FieldCase& field : field_cases()) {
        CAPTURE(hosts.family);
        CAPTURE(protocol);
        CAPTURE(field.name);
        PacketBuilder builder = PacketBuilder().ip(hosts.client, hosts.virtual_server);
        protocol == kProtocolTcp ? builder.tcp(40000, 8080) : builder.udp(40000, 8080);
        Frame frame = builder.payload(30).build();
        const std::vector<uint8_t> before = frame.bytes();
        Packet packet = frame.parsed();
        Rewrite rewrite = every_field(hosts);
        rewrite.fields = field.field;
        apply(rewrite, packet);
        const bool ipv4 = hosts.client.is_v4();
        const Offsets own = ipv4 ? field.v4 : field.v6;
        const Offsets sums = checksums(ipv4, protocol, field.field);
        const Offsets found = changed(before, frame.bytes());
        CHECK(is_subset(found, join({own, sums})));
        CHECK(is_subset(field.field == kRewriteDscp ? range(15, 1) : own, found));
        CHECK_EQ(found.size() > own.size(), !sums.empty());
        CHECK_EQ(checksum_fault(packet), "");
      }
    }
  }
}

TEST_CASE("DFS-11 a rewrite of nothing changes nothing, and the key stays what was parsed") {
  for (const Hosts& hosts : both_families()) {
    Frame frame = PacketBuilder().ip(hosts.client, hosts.server).tcp(1, 2).payload(9).build();
    const std::vector<uint8_t> before = frame.bytes();
    Packet packet = frame.parsed();
    Rewrite rewrite = every_field(hosts);
    apply(rewrite, packet);
    CHECK(frame.bytes() == before);
    rewrite.fields = kRewriteSrcAddress | kRewriteDstAddress | kRewriteSrcPort | kRewriteDstPort;
    apply(rewrite, packet);
    CHECK(packet.key.src == hosts.client);
    CHECK_EQ(packet.key.dst_port, 2);
  }
}

TEST_CASE("DFS-11 TTL and hop limit change by the delta, whatever the fields say") {
  for (const Hosts& hosts : both_families()) {
    for (const int8_t delta : {-1, 0, 1}) {
      Frame frame = PacketBuilder().ip(hosts.client, hosts.server).ttl(64).udp(1, 2).build();
      const std::vector<uint8_t> before = frame.bytes();
      Packet packet = frame.parsed();
      Rewrite rewrite;
      rewrite.ttl_delta = delta;
      apply(rewrite, packet);
      const bool ipv4 = hosts.client.is_v4();
      CHECK_EQ(*packet.at(ipv4 ? 22 : 21), 64 + delta);
      CHECK_EQ(changed(before, frame.bytes()).empty(), delta == 0);
      CHECK(is_subset(changed(before, frame.bytes()), ipv4 ? Offsets{22, 24, 25} : Offsets{21}));
      CHECK_EQ(checksum_fault(packet), "");
    }
  }
}

TEST_CASE("TCPX-70 DFS-02 DSCP changes and the ECN bits stay, for every value of both") {
  for (const Hosts& hosts : both_families()) {
    for (int dscp = 0; dscp < 64; ++dscp) {
      for (uint8_t ecn = 0; ecn < 4; ++ecn) {
        Frame frame = PacketBuilder()
                          .ip(hosts.client, hosts.server)
                          .dscp(0x15)
                          .ecn(ecn)
                          .flow_label(0xfffff)
                          .udp(1, 2)
                          .build();
        Packet packet = frame.parsed();
        REQUIRE_EQ(packet.key.dscp, 0x15);
        Rewrite rewrite;
        rewrite.fields = kRewriteDscp;
        rewrite.dscp = static_cast<uint8_t>(dscp);
        apply(rewrite, packet);
        REQUIRE_EQ(checksum_fault(packet), "");
        parse(packet);
        REQUIRE_EQ(packet.key.dscp, dscp);
        const bool ipv4 = hosts.client.is_v4();
        REQUIRE_EQ(ipv4 ? Ipv4Header(packet.at(14)).ecn() : Ipv6Header(packet.at(14)).ecn(), ecn);
        if (!ipv4) REQUIRE_EQ(Ipv6Header(packet.at(14)).flow_label(), 0xfffff);
      }
    }
  }
}

TEST_CASE("DFS-11 addresses of ICMP change; only ICMPv6 has them in its checksum") {
  for (const Hosts& hosts : both_families()) {
    const bool ipv4 = hosts.client.is_v4();
    Frame frame = PacketBuilder()
                      .ip(hosts.client, hosts.virtual_server)
                      .icmp(ipv4 ? 13 : 139, 0, 0x00010002)
                      .payload(56)
                      .build();
    const std::vector<uint8_t> before = frame.bytes();
    Packet packet = frame.parsed();
    Rewrite rewrite = every_field(hosts);
    rewrite.fields = kRewriteDstAddress | kRewriteDstPort | kRewriteSrcPort | kRewriteTcp;
    apply(rewrite, packet);
    CHECK_EQ(checksum_fault(packet), "");
    const Offsets expected =
        ipv4 ? join({range(30, 4), range(24, 2)}) : join({range(38, 16), range(56, 2)});
    CHECK(changed(before, frame.bytes()) == expected);
  }
}

TEST_CASE("DFS-11 an echo's identifier is the port of whoever asks, and can be undone") {
  for (const Hosts& hosts : both_families()) {
    for (const bool asks : {true, false}) {
      for (const bool partial : {false, true}) {
        const bool ipv4 = hosts.client.is_v4();
        const uint8_t types[] = {ipv4 ? kIcmpEchoReply : kIcmpv6EchoReply,
                                 ipv4 ? kIcmpEchoRequest : kIcmpv6EchoRequest};
        PacketBuilder builder = PacketBuilder()
                                    .ip(hosts.client, hosts.virtual_server)
                                    .icmp(types[asks], 0, 0x00010002)
                                    .payload(56);
        if (partial) builder.partial();
        Frame frame = builder.build();
        const std::vector<uint8_t> before = frame.bytes();
        Packet packet = frame.parsed();
        Rewrite rewrite = every_field(hosts);
        rewrite.fields = kRewriteDstAddress | kRewriteDstPort | kRewriteSrcPort;
        rewrite.ttl_delta = 0;
        apply(rewrite, packet);
        CHECK_EQ(checksum_fault(packet), "");
        const size_t l4 = ipv4 ? 34 : 54;
        CHECK_EQ(load_be16(frame.data() + l4 + 4), asks ? rewrite.src_port : rewrite.dst_port);
        CHECK_EQ(load_be16(frame.data() + l4 + 6), 2);
        apply(undo_of(rewrite, packet), packet);
        CHECK(frame.bytes() == before);
      }
    }
  }
}

TEST_CASE("DFS-11 a protocol without a known L4 header gets new addresses and keeps its payload") {
  for (const Hosts& hosts : both_families()) {
    // SCTP, and the ICMP of the other IP version.
    for (const uint8_t protocol : {132, hosts.client.is_v4() ? 58 : 1}) {
      PacketBuilder builder = PacketBuilder().ip(hosts.client, hosts.server);
      Frame frame = builder.protocol(protocol).payload(40).build();
      const std::vector<uint8_t> before = frame.bytes();
      Packet packet = frame.parsed();
      Rewrite rewrite = every_field(hosts);
      rewrite.fields = 0xffff;
      apply(rewrite, packet);
      const size_t l4 = hosts.client.is_v4() ? 34 : 54;
      CHECK(is_subset(changed(before, frame.bytes()), range(0, l4)));
    }
  }
}

TEST_CASE("TCPX-68 of fragments the first has the ports and the checksum of all") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const Frame whole =
        PacketBuilder().ip(hosts.client, hosts.server).udp(7, 8).payload(3000).build();
    for (Frame& fragment : fragments_of(whole, 1000, 9)) {
      const std::vector<uint8_t> before = fragment.bytes();
      Packet packet = fragment.parsed();
      Rewrite rewrite = every_field(hosts);
      rewrite.fields = 0xffff;
      rewrite.ttl_delta = -1;
      apply(rewrite, packet);
      const size_t l4 = packet.headers.l4;
      Offsets expected = hosts.client.is_v4() ? join({range(0, 12), {15, 22, 24, 25}, range(26, 8)})
                                              : join({range(0, 12), {14, 15, 21}, range(22, 32)});
      if (!packet.headers.headless) expected = join({expected, range(l4, 4), {l4 + 6, l4 + 7}});
      CHECK(is_subset(changed(before, fragment.bytes()), expected));
      CHECK(fragment.parsed().key.dst == rewrite.dst);
      CHECK_EQ(checksum_fault(packet), "");
    }
  }
}

TEST_CASE("DFS-11 of ARP only the Ethernet addresses change") {
  Frame frame =
      PacketBuilder().arp(ArpMessage::kRequest, kMacA, ip("10.0.0.1"), {}, ip("10.0.0.2")).build();
  const std::vector<uint8_t> before = frame.bytes();
  Packet packet = frame.parsed();
  REQUIRE(packet.verdict == Verdict::none);
  Rewrite rewrite = every_field(both_families()[0]);
  rewrite.fields = 0xffff;
  rewrite.ttl_delta = -1;
  apply(rewrite, packet);
  CHECK(changed(before, frame.bytes()) == range(0, 12));
}

}  // namespace
}  // namespace sluice::test
