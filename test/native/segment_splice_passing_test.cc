// What of a packet is for the other end of a spliced pair, and what is not: bytes that the engine
// has said otherwise, urgent data, marks of congestion.
#include <doctest/doctest.h>

#include <algorithm>

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

TEST_CASE("HS-22 SOCK-18 what the network puts out of order is followed: the pair can come back") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {}, 40000, without_timestamps(), without_timestamps());
    SplicedPair pair(lab, hosts);
    pair.let_go();
    REQUIRE_FALSE(pair.has_blocks());
    const TcpFlow& client = lab.client.flow();
    const auto room = static_cast<uint32_t>(lab.client.connection()->rcv_adv - client.rcv_nxt);
    for (uint32_t at = 0; at < room; at += 1000) {
      const size_t size = std::min<uint32_t>(room - at, 1000);
      lab.engine.from_server(
          from_server(lab, hosts, kTcpAck, static_cast<int32_t>(at)).payload(size));
    }
    // Its acknowledgement of all, with no room left, overtakes what it had said before.
    const uint32_t seq = client.snd_nxt.raw();
    const uint32_t ack = client.rcv_nxt.raw() + room;
    lab.engine.from_client(from_client(lab, hosts, kTcpAck, 100).ack(ack).window(0));
    lab.engine.from_client(from_client(lab, hosts, kTcpAck).payload(100));
    const uint32_t heard = lab.server.flow().rcv_nxt.raw() + 100;
    lab.engine.from_client(from_client(lab, hosts, kTcpAck, 100).ack(ack).window(1000));
    lab.engine.from_server(
        from_server(lab, hosts, kTcpAck, static_cast<int32_t>(room)).ack(heard).payload(50));
    lab.engine.from_client(from_client(lab, hosts, kTcpAck).seq(seq + 100).ack(ack + 50));
    CHECK(lab.engine.dropped(DropReason::outside_window) == 0);
    pair.take_back();
    CHECK(pair.returns() == 1);
    CHECK(lab.sockets[pair.inbound].relayed == 100);
    CHECK(lab.sockets[pair.outbound].relayed == room + 50);
  }
}

TEST_CASE("SOCK-15 HS-28 TCPX-36 what its receiver would not take does not pass a splice") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {}, 40000, without_timestamps(), without_timestamps());
    SplicedPair pair(lab, hosts);
    pair.let_go();
    const uint32_t ack = lab.client.flow().rcv_nxt.raw();
    lab.engine.clear_sent();
    lab.engine.from_client(from_client(lab, hosts, kTcpAck, 0x20000000).payload(100));
    lab.engine.from_client(from_client(lab, hosts, kTcpAck | kTcpFin, 0x20000000));
    lab.engine.from_client(from_client(lab, hosts, kTcpAck).ack(ack + 5000).payload(100));
    lab.engine.from_client(from_client(lab, hosts, kTcpAck).ack(ack - 0x40000000).payload(100));
    CHECK(lab.engine.to_server.empty());
    CHECK(lab.engine.dropped(DropReason::outside_window) == 4);
    // And what it would, once more as well: what is old its receiver has to answer.
    for (int i = 0; i < 2; ++i) {
      lab.engine.from_client(from_client(lab, hosts, kTcpAck).payload(100));
    }
    CHECK(lab.engine.to_server.size() == 2);
    CHECK(lab.engine.dropped(DropReason::outside_window) == 4);
  }
}

TEST_CASE("TCPX-36 HS-28 on the way back who guesses gives the service no byte and no end") {
  for (const Hosts& hosts : both_families()) {
    for (const uint8_t flags : {uint8_t{kTcpAck}, uint8_t{kTcpAck | kTcpFin}}) {
      for (const int32_t ahead : {0, 300}) {
        CAPTURE(hosts.family);
        CAPTURE(flags);
        CAPTURE(ahead);
        SocketLab lab(hosts, {}, 40000, without_timestamps(), without_timestamps());
        SplicedPair pair(lab, hosts);
        pair.let_go();
        lab.client_hears = false;
        send_from(lab.server, lab.engine.now(), numbered(1000));
        lab.settle();
        pair.take_back();
        REQUIRE(pair.returns() == 0);
        const uint32_t wrong = lab.server.flow().rcv_nxt.raw() + 0x30000000;
        lab.engine.clear_sent();
        lab.engine.from_server(
            from_server(lab, hosts, flags, ahead).ack(wrong).payload(std::vector<uint8_t>(9, 'x')));
        CHECK(lab.engine.to_client.empty());
        lab.client_hears = true;
        lab.pass(Duration::seconds(2));
        CHECK(pair.returns() == 1);
        CHECK(receive_at(lab.client, lab.engine.now()) == numbered(1000));
        send_from(lab.server, lab.engine.now(), part(1000, 1700));
        lab.read(pair.outbound, 10'000);
        lab.pass(Duration::milliseconds(100));
        CHECK(lab.sockets[pair.outbound].bytes == part(1000, 1700));
        CHECK_FALSE(lab.sockets[pair.outbound].ended);
      }
    }
  }
}

}  // namespace
}  // namespace sluice
