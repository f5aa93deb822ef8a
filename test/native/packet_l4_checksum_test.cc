#include "packet/l4_checksum.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/packet_check.h"
#include "support/random_packets.h"
#include "wire/crc32c.h"

namespace sluice::test {
namespace {

TEST_CASE(
    "TCPX-32 completing a partial checksum gives the frame that a host without offload sends") {
  for (const Hosts& hosts : both_families()) {
    for (const bool tcp : {true, false}) {
      for (const size_t size : {0, 1, 2, 999, 1460, 65000}) {
        PacketBuilder builder = PacketBuilder().ip(hosts.client, hosts.server);
        tcp ? builder.tcp(5, 6).mss(1460) : builder.udp(5, 6);
        builder.payload(size).padding(3);
        const std::vector<uint8_t> complete = builder.build().bytes();
        Frame frame = builder.partial().build();
        Packet packet = frame.parsed();
        REQUIRE(packet.verdict == Verdict::none);
        complete_checksum(packet);
        CHECK(frame.bytes() == complete);
        CHECK_FALSE(packet.offload.needs_checksum);
        complete_checksum(packet);
        CHECK(frame.bytes() == complete);
      }
    }
  }
}

// As a port hands it out that was not told: only parse() can know.
Packet parsed_untold(Frame& frame) {
  Packet packet = frame.packet();
  packet.offload = Offload{};
  packet.offload.checksum_unknown = true;
  parse(packet);
  REQUIRE(packet.verdict == Verdict::none);
  CHECK_FALSE(packet.offload.checksum_unknown);
  return packet;
}

TEST_CASE("TCPX-32 an open checksum that nobody spoke of is recognised, and no other is touched") {
  Random random(23);
  size_t open = 0;
  for (int i = 0; i < 50'000; ++i) {
    Frame frame = random_frame(random);
    const Packet told = frame.parsed();
    if (told.offload.gso_type != GsoType::none || told.headers.protocol == kProtocolIcmpv6)
      continue;
    const std::vector<uint8_t> before = frame.bytes();
    Packet untold = parsed_untold(frame);
    CHECK(frame.bytes() == before);
    if (!told.offload.needs_checksum) {
      if (untold.offload.needs_checksum) complete_checksum(untold);  // see the next test
      CHECK(frame.bytes() == before);
      continue;
    }
    ++open;
    CHECK(untold.offload.needs_checksum);
    CHECK(untold.offload.checksum_start == told.offload.checksum_start);
    CHECK(untold.offload.checksum_offset == told.offload.checksum_offset);
  }
  CHECK(open > 1000);
}

TEST_CASE("TCPX-32 a right checksum that looks open is completed to itself") {
  for (const Hosts& hosts : both_families()) {
    for (const bool tcp : {true, false}) {
      PacketBuilder builder = PacketBuilder().ip(hosts.client, hosts.server);
      tcp ? builder.tcp(5, 6) : builder.udp(5, 6);
      const auto field = [&](PacketBuilder made) {
        Frame frame = made.build();
        const Packet packet = frame.parsed();
        return load_be16(packet.at(packet.headers.l4 + (tcp ? 16 : 6)));
      };
      builder.payload({0, 0});
      // The payload x for which ~(pseudo + rest + x) = pseudo.
      const uint16_t pseudo = field(PacketBuilder(builder).partial());
      const uint16_t x = fold_sum(static_cast<uint16_t>(~pseudo) + uint64_t{field(builder)});
      builder.payload({static_cast<uint8_t>(x >> 8), static_cast<uint8_t>(x)});
      Frame frame = builder.build();
      const std::vector<uint8_t> right = frame.bytes();
      Packet packet = parsed_untold(frame);
      CHECK(packet.offload.needs_checksum);
      complete_checksum(packet);
      CHECK(frame.bytes() == right);
    }
  }
}

TEST_CASE("TCPX-31 a completed UDP checksum of 0 is sent as FFFF") {
  for (const Hosts& hosts : both_families()) {
    PacketBuilder builder = PacketBuilder().ip(hosts.client, hosts.server).udp(0x1234, 53);
    // The two payload bytes that bring the sum to FFFF: those of the checksum over zeros.
    Frame zeros = builder.payload({0, 0}).build();
    const uint16_t missing = UdpHeader(zeros.data() + zeros.parsed().headers.l4).checksum();
    builder.payload({static_cast<uint8_t>(missing >> 8), static_cast<uint8_t>(missing)});
    Frame frame = builder.partial().build();
    Packet packet = frame.parsed();
    complete_checksum(packet);
    CHECK_EQ(UdpHeader(packet.at(packet.headers.l4)).checksum(), 0xffff);
    CHECK_EQ(checksum_fault(packet), "");
  }
}

TEST_CASE("TCPX-30 DFS-26 verifying agrees with an independent sum, for right and wrong ones") {
  Random random(17);
  for (int i = 0; i < 50'000; ++i) {
    Frame frame = random_frame(random);
    Packet packet = frame.parsed();
    REQUIRE(l4_checksum_is_right(packet));
    if (packet.offload.needs_checksum) continue;
    const size_t at = packet.headers.l4 + random.below(packet.headers.end - packet.headers.l4);
    frame.put8(at, random8(random));
    packet = frame.parsed();
    if (packet.verdict == Verdict::drop) continue;
    REQUIRE_EQ(l4_checksum_is_right(packet), checksum_fault(packet).empty());
  }
}

TEST_CASE("TCPX-33 a checksum that the kernel verified is believed, and only then") {
  for (const Hosts& hosts : both_families()) {
    Frame frame = PacketBuilder().ip(hosts.client, hosts.server).tcp(1, 2).payload(9).build();
    const size_t last = frame.size() - 1;
    frame.put8(last, static_cast<uint8_t>(frame.data()[last] ^ 1));
    CHECK_FALSE(l4_checksum_is_right(frame.parsed()));
    frame.offload().checksum_verified = true;
    CHECK(l4_checksum_is_right(frame.parsed()));
  }
}

TEST_CASE("DFS-26 the checksum of a datagram covers what its own length says (RFC 9868)") {
  for (const Hosts& hosts : both_families()) {
    Frame frame = PacketBuilder().ip(hosts.client, hosts.server).udp(1, 2).payload(8).build();
    // Four bytes of options behind the datagram, inside the IP packet.
    frame.resize(frame.size() + 4);
    frame.put8(frame.size() - 1, 0x77);
    const bool ipv4 = hosts.client.is_v4();
    const size_t length = ipv4 ? 16 : 18;
    frame.put16(length, static_cast<uint16_t>(load_be16(frame.data() + length) + 4));
    if (ipv4) frame.fix_ipv4_checksum();
    REQUIRE(frame.parsed().verdict == Verdict::none);
    CHECK(l4_checksum_is_right(frame.parsed()));
    frame.put8(frame.size() - 5, 0x77);
    CHECK_FALSE(l4_checksum_is_right(frame.parsed()));
  }
}

TEST_CASE("TCPX-32 the CRC of SCTP that a kernel has left open is computed where it comes in") {
  const std::string digits = "123456789";  // RFC 3720 B.4 and others
  CHECK(crc32c(reinterpret_cast<const uint8_t*>(digits.data()), digits.size()) == 0xe3069283);
  for (const Hosts& hosts : both_families()) {
    for (const size_t size : {12u, 13u, 1400u}) {
      PacketBuilder builder =
          PacketBuilder().ip(hosts.client, hosts.server).protocol(kProtocolSctp).payload(size);
      Frame frame = builder.padding(2).build();
      const size_t l4 = hosts.client.is_v4() ? 34 : 54;
      Frame expected = builder.build();
      for (size_t i = 8; i < 12; ++i) expected.put8(l4 + i, 0);
      const uint32_t crc = crc32c(expected.data() + l4, size);
      for (size_t i = 0; i < 4; ++i) expected.put8(l4 + 8 + i, static_cast<uint8_t>(crc >> 8 * i));
      frame.offload().needs_checksum = true;
      frame.offload().checksum_start = static_cast<uint16_t>(l4);
      frame.offload().checksum_offset = 8;
      const Packet packet = frame.parsed();
      REQUIRE(packet.verdict == Verdict::none);
      CHECK_FALSE(packet.offload.needs_checksum);
      CHECK(frame.bytes() == expected.bytes());
    }
  }
}

TEST_CASE("TCPX-32 DFS-26 what has no checksum yet, or none that we know, counts as right") {
  for (const Hosts& hosts : both_families()) {
    PacketBuilder builder = PacketBuilder().ip(hosts.client, hosts.server).payload(40);
    CHECK(l4_checksum_is_right(builder.protocol(132).build().parsed()));
    CHECK(l4_checksum_is_right(builder.tcp(1, 2).partial().build().parsed()));
  }
  PacketBuilder udp = PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").udp(1, 2).payload(9);
  CHECK(l4_checksum_is_right(udp.without_udp_checksum().build().parsed()));
  PacketBuilder fragment = PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").fragment(0, true);
  CHECK(l4_checksum_is_right(fragment.protocol(6).payload(40).build().parsed()));
  // ICMPv6 over IPv4 is no protocol.
  PacketBuilder strange = PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").protocol(58).payload(40);
  CHECK(l4_checksum_is_right(strange.build().parsed()));
}

}  // namespace
}  // namespace sluice::test
