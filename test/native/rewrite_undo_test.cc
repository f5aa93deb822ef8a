// Law 7: what a rewrite did can be undone, by the reply direction and literally.
#include <doctest/doctest.h>

#include <utility>

#include "support/packet_check.h"
#include "support/random_packets.h"

namespace sluice::test {
namespace {

// Swaps two fields of the same size.
void swap_bytes(uint8_t* a, uint8_t* b, size_t size) { std::swap_ranges(a, a + size, b); }

// Turns a packet into the one that the other end would send: source and destination, seq and ack,
// TSval and TSecr trade places. Each keeps the parity of its place, so no checksum changes.
void mirror(Packet& packet) {
  const Headers& headers = packet.headers;
  uint8_t* ip = packet.at(headers.l3);
  if (headers.family == 4) swap_bytes(ip + 12, ip + 16, 4);
  if (headers.family == 6) swap_bytes(ip + 8, ip + 24, 16);
  uint8_t* l4 = packet.at(headers.l4);
  if (headers.protocol == kProtocolTcp || headers.protocol == kProtocolUdp) {
    swap_bytes(l4, l4 + 2, 2);
  }
  if (headers.protocol != kProtocolTcp) return;
  const TcpHeader tcp(l4);
  swap_bytes(l4 + 4, l4 + 8, 4);
  for (TcpOptionWalk walk(tcp); walk.next();) {
    const TcpOption option = walk.option();
    if (option.is_timestamps()) swap_bytes(option.tsval_at(), option.tsecr_at(), 4);
  }
}

// The builder of a packet whose mirror image means something: SACK blocks count in the other
// direction's numbers and have none, and only a segment with ACK has both maps.
Frame mirrorable_frame(Random& random) {
  const bool ipv4 = random.chance(0.5);
  PacketBuilder builder;
  builder.ip(random_address(random, ipv4), random_address(random, ipv4));
  builder.dscp(static_cast<uint8_t>(random.below(64))).ecn(static_cast<uint8_t>(random.below(4)));
  if (random.chance(0.7)) {
    builder.tcp(random_port(random), random_port(random), kTcpAck | kTcpPsh);
    builder.seq(random_seq(random)).ack(random_seq(random));
    for (uint64_t nops = random.below(4); nops > 0; --nops) builder.nop();
    if (random.chance(0.7)) builder.timestamps(random_seq(random), random_seq(random));
  } else {
    builder.udp(random_port(random), random_port(random));
  }
  builder.payload(random.below(50));
  if (random.chance(0.3)) builder.partial();
  return builder.build();
}

TEST_CASE(
    "Law 7 TCPX-13 the reply direction's rewrite turns the mirrored result into the original") {
  Random random(7);
  for (uint64_t i = rounds(50'000); i > 0; --i) {
    Frame frame = mirrorable_frame(random);
    Packet packet = frame.parsed();
    const FlowKey original = packet.key;
    Rewrite rewrite = random_rewrite(random, packet.headers.family == 4);
    rewrite.fields &= static_cast<uint16_t>(~(kRewriteSrcMac | kRewriteDstMac));
    rewrite.ttl_delta = 0;
    Frame expected = frame;
    Packet mirrored_original = expected.parsed();
    mirror(mirrored_original);

    apply(rewrite, packet);
    mirror(packet);
    apply(reply_of(rewrite, original), packet);
    REQUIRE(frame.bytes() == expected.bytes());
  }
}

TEST_CASE("Law 7 the reply of a reply is the rewrite again") {
  Random random(8);
  for (const Hosts& hosts : both_families()) {
    FlowKey original{hosts.client, hosts.virtual_server, 40000, 80, kProtocolTcp, 10};
    Rewrite rewrite = random_rewrite(random, hosts.client.is_v4());
    rewrite.fields = kRewriteDstAddress | kRewriteDstPort | kRewriteSrcAddress | kRewriteSrcPort |
                     kRewriteDscp | kRewriteTcp;
    rewrite.ttl_delta = -1;
    rewrite.tcp.window_shift = 5;
    rewrite.tcp.strip_sack = true;
    const FlowKey translated{rewrite.src,      rewrite.dst,  rewrite.src_port,
                             rewrite.dst_port, kProtocolTcp, rewrite.dscp};
    Rewrite again = reply_of(reply_of(rewrite, original), translated.reversed());
    again.src_mac = rewrite.src_mac;
    again.dst_mac = rewrite.dst_mac;
    CHECK(again == rewrite);
  }
}

TEST_CASE("Law 7 what is not translated one way is not translated back") {
  const Hosts& hosts = both_families()[0];
  const FlowKey original{hosts.client, hosts.virtual_server, 40000, 80, kProtocolTcp, 0};
  Rewrite rewrite;
  rewrite.fields = kRewriteDstAddress | kRewriteDstPort;
  rewrite.dst = hosts.server;
  rewrite.dst_port = 8080;
  const Rewrite reply = reply_of(rewrite, original);
  CHECK_EQ(reply.fields, kRewriteSrcAddress | kRewriteSrcPort);
  CHECK(reply.src == hosts.virtual_server);
  CHECK_EQ(reply.src_port, 80);
}

TEST_CASE("TCPX-13 TCPX-17 TCPX-18 the algebra of the offsets is that of requirements 2.3") {
  const TcpOffsets inbound{100, 200, 300, 400, 3, -5, true, false};
  const TcpOffsets outbound = mirrored(inbound);
  CHECK_EQ(outbound.seq, 0u - 200);
  CHECK_EQ(outbound.ack, 0u - 100);
  CHECK_EQ(outbound.tsval, 0u - 400);
  CHECK_EQ(outbound.tsecr, 0u - 300);
  CHECK_EQ(outbound.window_shift, -5);
  CHECK_EQ(outbound.reply_window_shift, 3);
  CHECK(outbound.strip_sack);
  CHECK(mirrored(outbound) == inbound);
}

TEST_CASE("TCPX-17 what a SACK block of the reply names is what the forward direction sent") {
  for (const Hosts& hosts : both_families()) {
    const TcpOffsets forward{0x90000000, 5, 0, 0, 0, false, false};
    const uint32_t sent = 0x7fffff00;
    Frame frame = PacketBuilder()
                      .ip(hosts.server, hosts.client)
                      .tcp(80, 40000)
                      .sack({sent + forward.seq, sent + forward.seq + 0x200})
                      .build();
    Packet packet = frame.parsed();
    Rewrite reply;
    reply.fields = kRewriteTcp;
    reply.tcp = mirrored(forward);
    apply(reply, packet);
    const TcpHeader tcp(packet.at(packet.headers.l4));
    TcpOptionWalk walk(tcp);
    REQUIRE(walk.next());
    CHECK_EQ(walk.option().sack_edge(0).raw(), sent);
    CHECK_EQ(walk.option().sack_edge(1).raw(), sent + 0x200);
  }
}

// Ten times as many with SLUICE_LONG=1.
TEST_CASE("Law 7 TCPX-30 undo restores the very packet, wrong checksums included") {
  Random random(9);
  for (uint64_t i = rounds(100'000); i > 0; --i) {
    Frame frame = random_frame(random);
    Packet packet = frame.parsed();
    if (random.chance(0.3) && packet.headers.protocol == kProtocolTcp) {
      // Any checksum but FFFF, the second name of zero.
      TcpHeader(packet.at(packet.headers.l4))
          .set_checksum(static_cast<uint16_t>(random.below(0xfffe) + 1));
    }
    const std::vector<uint8_t> before = frame.bytes();
    const Rewrite rewrite = random_rewrite(random, packet.headers.family == 4);
    const Rewrite undo = undo_of(rewrite, packet);
    apply(rewrite, packet);
    apply(undo, packet);
    REQUIRE(frame.bytes() == before);
  }
}

TEST_CASE("TCPX-15 undoing a window shift gives back the window but for the bits shifted out") {
  for (const Hosts& hosts : both_families()) {
    struct Case {
      int8_t shift;
      uint16_t window;
      uint16_t expected;
    };
    for (const auto& [shift, window, expected] :
         {Case{-3, 1000, 1000}, Case{-3, 1007, 1000}, Case{4, 15, 15}}) {
      Frame frame = PacketBuilder().ip(hosts.client, hosts.server).tcp(1, 2).window(window).build();
      Packet packet = frame.parsed();
      Rewrite rewrite;
      rewrite.fields = kRewriteTcp;
      rewrite.tcp.window_shift = shift;
      const Rewrite undo = undo_of(rewrite, packet);
      apply(rewrite, packet);
      apply(undo, packet);
      CHECK_EQ(TcpHeader(packet.at(packet.headers.l4)).window(), expected);
      CHECK_EQ(checksum_fault(packet), "");
    }
  }
}

}  // namespace
}  // namespace sluice::test
