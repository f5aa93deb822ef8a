// What of a packet is for the other end of a spliced pair, and what is not: bytes that the engine
// has said otherwise, urgent data, marks of congestion.
#include <doctest/doctest.h>

#include "support/counted_pair.h"
#include "support/sent.h"
#include "support/spliced_pair.h"

namespace sluice {
namespace {

using namespace test;

// A host's next segment; `ahead` bytes behind or before that.
PacketBuilder from_client(SocketLab& lab, const Hosts& hosts, uint8_t flags, int32_t ahead = 0) {
  const TcpFlow& flow = lab.client.flow();
  return PacketBuilder()
      .ip(hosts.client, hosts.virtual_server)
      .tcp(40000, kServicePort, flags)
      .seq((flow.snd_nxt + static_cast<uint32_t>(ahead)).raw())
      .ack(flow.rcv_nxt.raw())
      .window(1000);
}

PacketBuilder from_server(SocketLab& lab, const Hosts& hosts, uint8_t flags, int32_t ahead = 0) {
  const TcpFlow& flow = lab.server.flow();
  return PacketBuilder()
      .ip(hosts.server, hosts.client)
      .tcp(8080, 40000, flags)
      .seq((flow.snd_nxt + static_cast<uint32_t>(ahead)).raw())
      .ack(flow.rcv_nxt.raw())
      .window(1000);
}

LabHost without_timestamps() {
  LabHost host;
  host.config.offer &= static_cast<uint8_t>(~TcpFlow::kTimestamps);
  return host;
}

TEST_CASE(
    "TCPX-20 SOCK-14 what a host repeats of bytes that we have acknowledged does not pass "
    "while ours do, whatever follows them in the segment") {
  for (const Hosts& hosts : both_families()) {
    for (const int32_t before : {1, 1000}) {
      CAPTURE(hosts.family);
      CAPTURE(before);
      SocketLab lab(hosts, {}, 40000, without_timestamps(), without_timestamps());
      SplicedPair pair(lab, hosts);
      pair.drain(3000);
      lab.client_hears = true;
      lab.engine.clear_sent();
      // As hosts do that merge what they send again with what follows.
      const std::vector<uint8_t> other(1200, 'x');
      lab.engine.from_server(from_server(lab, hosts, kTcpAck, -before).payload(other));
      CHECK(lab.engine.to_client.empty());
      // He is told where to begin.
      REQUIRE(lab.engine.to_server.size() == 1);
      CHECK(Seq(Sent(lab.engine.to_server[0]).tcp().ack()) == lab.server.flow().snd_nxt);
      lab.pass(Duration::seconds(5));
      CHECK(receive_at(lab.client, lab.engine.now()) == numbered(3000));
      CHECK_FALSE(pair.has_blocks());
      send_from(lab.server, lab.engine.now(), numbered(1200));
      lab.pass(Duration::milliseconds(100));
      CHECK(receive_at(lab.client, lab.engine.now()) == numbered(1200));
    }
  }
}

TEST_CASE("TCPX-26 urgent data passes with a splice, as far as the packet has it") {
  for (const Hosts& hosts : both_families()) {
    for (const uint16_t pointer : {1, 50, 100, 101, 65535}) {
      CAPTURE(hosts.family);
      CAPTURE(pointer);
      SocketLab lab(hosts, {}, 40000, without_timestamps(), without_timestamps());
      SplicedPair pair(lab, hosts);
      pair.let_go();
      REQUIRE_FALSE(pair.has_blocks());
      lab.engine.clear_sent();
      lab.engine.from_client(
          from_client(lab, hosts, kTcpAck | kTcpUrg).urgent(pointer).payload(100));
      REQUIRE(lab.engine.to_server.size() == 1);
      Sent passed(lab.engine.to_server[0]);
      const bool is_within = pointer <= 100;
      CHECK(passed.tcp().urgent_pointer() == (is_within ? pointer : 0));
      CHECK(((passed.flags() & kTcpUrg) != 0) == is_within);
      CHECK(l4_checksum_is_right(passed.packet()));
    }
  }
}

TEST_CASE("TCPX-26 SOCK-15 an urgent pointer does not reach across the last byte of a count") {
  for (const Hosts& hosts : both_families()) {
    for (const uint16_t pointer : {800, 1000, 1001, 1200, 65535}) {
      CAPTURE(hosts.family);
      CAPTURE(pointer);
      SocketLab lab(hosts, {}, 40000, without_timestamps(), without_timestamps());
      const Pair pair(lab, hosts);
      const Way way(lab, pair, true);
      way.pass(lab, 1000);
      REQUIRE(lab.sockets[way.from].spliced);
      lab.engine.clear_sent();
      lab.engine.from_client(
          from_client(lab, hosts, kTcpAck | kTcpUrg).urgent(pointer).payload(1300));
      REQUIRE(lab.engine.to_server.size() == 1);
      Sent passed(lab.engine.to_server[0]);
      const bool is_within = pointer <= 1000;
      CHECK(passed.packet().headers.end - passed.packet().headers.payload == 1000);
      CHECK(passed.tcp().urgent_pointer() == (is_within ? pointer : 0));
      CHECK(((passed.flags() & kTcpUrg) != 0) == is_within);
    }
  }
}

TEST_CASE(
    "TCPX-25 marks of congestion and what answers them pass with a splice, and with one that "
    "drains") {
  for (const Hosts& hosts : both_families()) {
    for (const bool drains : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(drains);
      LabHost host = without_timestamps();
      host.config.ecn = EcnMode::ask;
      SocketLab lab(hosts, {}, 40000, host, host);
      SplicedPair pair(lab, hosts);
      if (drains) {
        pair.drain(3000);
      } else {
        pair.let_go();
      }
      REQUIRE(lab.client.flow().agreed(TcpFlow::kEcn));
      REQUIRE(lab.server.flow().agreed(TcpFlow::kEcn));
      CHECK(pair.has_blocks() == drains);
      lab.engine.clear_sent();
      constexpr uint8_t kMarked = 3;
      lab.engine.from_server(from_server(lab, hosts, kTcpAck | kTcpCwr).ecn(kMarked).payload(100));
      REQUIRE(lab.engine.to_client.size() == 1);
      CHECK(Sent(lab.engine.to_client[0]).ecn() == kMarked);
      CHECK((Sent(lab.engine.to_client[0]).flags() & kTcpCwr) != 0);
      lab.engine.clear_sent();
      lab.engine.from_client(from_client(lab, hosts, kTcpAck | kTcpEce).ecn(2).payload(100));
      REQUIRE(lab.engine.to_server.size() == 1);
      CHECK((Sent(lab.engine.to_server[0]).flags() & kTcpEce) != 0);
      CHECK(Sent(lab.engine.to_server[0]).ecn() == 2);
    }
  }
}

}  // namespace
}  // namespace sluice
