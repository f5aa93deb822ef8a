// Checksums under random rewrites, against a full recomputation that shares no code with them.
#include <doctest/doctest.h>

#include <vector>

#include "support/packet_check.h"
#include "support/random_packets.h"

namespace sluice::test {
namespace {

std::vector<Frame> random_frames(Random& random, size_t count) {
  std::vector<Frame> frames;
  for (size_t i = 0; i < count; ++i) frames.push_back(random_frame(random));
  return frames;
}

void set_l4_checksum(const Packet& packet, uint16_t checksum) {
  switch (packet.headers.protocol) {
    case kProtocolTcp: return TcpHeader(packet.at(packet.headers.l4)).set_checksum(checksum);
    case kProtocolUdp: return UdpHeader(packet.at(packet.headers.l4)).set_checksum(checksum);
    default: return IcmpHeader(packet.at(packet.headers.l4)).set_checksum(checksum);
  }
}

uint16_t l4_checksum(const Packet& packet) {
  switch (packet.headers.protocol) {
    case kProtocolTcp: return TcpHeader(packet.at(packet.headers.l4)).checksum();
    case kProtocolUdp: return UdpHeader(packet.at(packet.headers.l4)).checksum();
    default: return IcmpHeader(packet.at(packet.headers.l4)).checksum();
  }
}

// Ten million of them with SLUICE_LONG=1: the figure of the row.
TEST_CASE("TCPX-29 TCPX-32 after random rewrites every checksum, full or partial, is right") {
  Random random(29);
  std::vector<Frame> frames = random_frames(random, 2000);
  std::vector<Packet> packets;
  for (Frame& frame : frames) {
    packets.push_back(frame.parsed());
    REQUIRE(packets.back().verdict == Verdict::none);
    REQUIRE_EQ(checksum_fault(packets.back()), "");
  }
  for (uint64_t i = rounds(1'000'000); i > 0; --i) {
    Packet& packet = packets[random.below(packets.size())];
    Rewrite rewrite = random_rewrite(random, packet.headers.family == 4);
    rewrite.tcp.window_shift = static_cast<int8_t>(random.below(29)) - 14;
    apply(rewrite, packet);
    const std::string fault = checksum_fault(packet);
    if (!fault.empty()) FAIL(fault);
  }
}

TEST_CASE("TCPX-29 stripped options leave right checksums, at any offset") {
  Random random(30);
  for (int i = 0; i < 20'000; ++i) {
    Frame frame = random_frame(random);
    Packet packet = frame.parsed();
    Rewrite rewrite = random_rewrite(random, packet.headers.family == 4);
    rewrite.fields |= kRewriteTcp;
    rewrite.tcp.strip_sack = random.chance(0.5);
    rewrite.tcp.strip_timestamps = random.chance(0.5);
    apply(rewrite, packet);
    REQUIRE_EQ(checksum_fault(packet), "");
  }
}

TEST_CASE("TCPX-30 a wrong checksum is wrong by the same amount after any rewrite") {
  Random random(31);
  for (int i = 0; i < 50'000; ++i) {
    Frame good = random_builder(random).build();
    Packet right = good.parsed();
    if (right.offload.needs_checksum || l4_checksum(right) == 0) continue;
    Frame bad = good;
    Packet wrong = bad.parsed();
    const auto error = static_cast<uint16_t>(random.below(0xfffe) + 1);
    set_l4_checksum(wrong, fold_sum(uint64_t{l4_checksum(right)} + error));
    const Rewrite rewrite = random_rewrite(random, right.headers.family == 4);
    apply(rewrite, right);
    apply(rewrite, wrong);
    REQUIRE_EQ(checksum_fault(right), "");
    REQUIRE_NE(checksum_fault(wrong), "");
    REQUIRE_EQ((l4_checksum(right) + error) % 0xffff, l4_checksum(wrong) % 0xffff);
  }
}

TEST_CASE("TCPX-31 a UDP checksum of 0 stays 0 over IPv4") {
  Frame frame = PacketBuilder()
                    .ipv4("192.0.2.1", "192.0.2.2")
                    .udp(1000, 53)
                    .without_udp_checksum()
                    .payload(20)
                    .build();
  Packet packet = frame.parsed();
  Rewrite rewrite;
  rewrite.fields = kRewriteDstAddress | kRewriteDstPort;
  rewrite.dst = ip("10.0.0.1");
  rewrite.dst_port = 5353;
  apply(rewrite, packet);
  const UdpHeader udp(packet.at(packet.headers.l4));
  CHECK_EQ(udp.checksum(), 0);
  CHECK_EQ(udp.dst_port(), 5353);
  CHECK_EQ(checksum_fault(packet), "");
}

TEST_CASE("TCPX-31 a UDP checksum that comes out as 0 is sent as FFFF") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Frame frame = PacketBuilder().ip(hosts.client, hosts.server).udp(1, 53).payload(20).build();
    int zeros = 0;
    for (uint32_t port = 1; port < 65536; ++port) {
      Packet packet = frame.parsed();
      Rewrite rewrite;
      rewrite.fields = kRewriteSrcPort;
      rewrite.src_port = static_cast<L4Port>(port);
      apply(rewrite, packet);
      REQUIRE_NE(l4_checksum(packet), 0);
      if (l4_checksum(packet) != 0xffff) continue;
      ++zeros;
      CHECK_EQ(checksum_fault(packet), "");
    }
    CHECK_EQ(zeros, 1);
  }
}

TEST_CASE("TCPX-32 a partial checksum changes with the addresses and with nothing else") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Frame frame = PacketBuilder()
                      .ip(hosts.client, hosts.virtual_server)
                      .tcp(40000, 80)
                      .nop()
                      .timestamps(1, 2)
                      .payload(100)
                      .partial()
                      .build();
    Packet packet = frame.parsed();
    const uint16_t before = l4_checksum(packet);
    Rewrite rewrite;
    rewrite.fields = kRewriteSrcPort | kRewriteDstPort | kRewriteTcp;
    rewrite.src_port = 7;
    rewrite.tcp = {1, 2, 3, 4, 1, false, false};
    apply(rewrite, packet);
    CHECK_EQ(l4_checksum(packet), before);
    rewrite.fields = kRewriteDstAddress;
    rewrite.dst = hosts.server;
    apply(rewrite, packet);
    CHECK_NE(l4_checksum(packet), before);
    CHECK_EQ(checksum_fault(packet), "");
  }
}

TEST_CASE("TCPX-32 a checksum left open in an inner packet is not taken for the outer one") {
  Frame frame = PacketBuilder().ipv4("192.0.2.1", "192.0.2.2").udp(9, 4789).payload(80).build();
  frame.offload().needs_checksum = true;
  frame.offload().checksum_start = 14 + 20 + 8 + 40;
  frame.offload().checksum_offset = 16;
  Packet packet = frame.parsed();
  REQUIRE(packet.verdict == Verdict::none);
  Rewrite rewrite;
  rewrite.fields = kRewriteDstAddress | kRewriteDstPort;
  rewrite.dst = ip("10.0.0.1");
  rewrite.dst_port = 4790;
  apply(rewrite, packet);
  CHECK_EQ(checksum_fault(packet), "");
}

}  // namespace
}  // namespace sluice::test
