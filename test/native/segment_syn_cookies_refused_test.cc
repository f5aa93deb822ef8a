// What comes to a segment that sends SYN cookies and has none of them; its limits.
#include <doctest/doctest.h>

#include "support/cookie_lab.h"

namespace sluice {
namespace {

using namespace test;

// A segment of nobody's is answered by RST, and begins nothing.
void is_refused(SocketLab& lab, RawClient& client, PacketBuilder packet, bool looked_for = true) {
  const uint64_t before = lab.engine.count(Counter::syn_cookies_refused);
  const auto answers = client.send(std::move(packet));
  REQUIRE(answers.size() == 1);
  CHECK(Sent(answers[0]).flags() == kTcpRst);
  CHECK(lab.engine.count(Counter::syn_cookies_refused) == before + looked_for);
  CHECK(lab.engine.count(Counter::connections) == 0);
  CHECK(lab.engine.count(Counter::flow_entries) == 0);
  CHECK(lab.last_accepted == 0);
}

TEST_CASE("TCPX-01 a wrong cookie is refused as any stranger's ACK") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, with_cookies());
    RawClient client(lab, hosts, 40001), other(lab, hosts, 40002);
    const SynAck told = client.connect();
    is_refused(lab, other, other.answer(told));
    is_refused(lab, client, client.answer(told).ack(told.seq.raw() + 2));
    is_refused(lab, client, client.answer(told).seq(RawClient::kIrs + 2));
    is_refused(lab, client,
               client.segment(kTcpAck).seq(RawClient::kIrs + 1).ack(told.seq.raw() + 1));
    SynAck forged = told;
    forged.tsval ^= 1;  // another window scale
    is_refused(lab, client, client.answer(forged));
    // A segment with a RST is no answer at all, and asks for none.
    CHECK(client.send(client.answer(told, kTcpRst | kTcpAck)).empty());
    // One that was damaged on its way may come again.
    Frame damaged = client.answer(told).payload(10).eth(kClientMac, kOutsideMac).build();
    Packet packet = damaged.packet();
    packet.data[packet.length - 1] ^= 1;
    lab.engine.inject(0, damaged);
    CHECK(lab.engine.dropped(DropReason::l4_checksum) == 1);
    CHECK(lab.engine.count(Counter::connections) == 0);
    client.send(client.answer(told));
    CHECK(lab.sockets[lab.last_accepted].accepted);
  }
}

TEST_CASE("TCPX-01 a cookie is good in its slot and the next, and not after that") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    for (const bool others : {false, true}) {
      SocketLab lab(hosts, with_cookies());
      RawClient client(lab, hosts, 40001), other(lab, hosts, 40002);
      lab.engine.run(Duration::seconds(62) - (lab.engine.now() - Instant()));
      const SynAck told = client.connect();
      lab.engine.run(Duration::seconds(3));
      const SynAck late = other.connect();  // of the next slot
      lab.engine.run(Duration::seconds(60));
      client.send(client.answer(told));
      CHECK(lab.sockets[lab.last_accepted].accepted);
      lab.say<AbortSocketView>(lab.last_accepted);
      lab.last_accepted = 0;
      lab.engine.run(Duration::seconds(5));  // the third slot
      is_refused(lab, client, client.answer(told));
      if (others) {
        other.send(other.answer(late));
        CHECK(lab.sockets[lab.last_accepted].accepted);
        continue;
      }
      // With the last of them gone nobody looks any more.
      lab.engine.run(Duration::seconds(64));
      is_refused(lab, other, other.answer(late), false);
    }
  }
}

TEST_CASE(
    "TCPX-01 TCPX-06 a cookie remembers the MSS of a client, none is 536 or 1220, and a tiny one "
    "is raised") {
  struct Case {
    uint16_t told, v4, v6;
  };
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const bool v4 = hosts.client.is_v4();
    for (const Case& each :
         {Case{0, 536, 1220}, Case{1, 64, 64}, Case{88, 64, 64}, Case{1400, 1400, 1400},
          Case{1459, 1440, 1440}, Case{1460, 1460, 1440}, Case{65495, 1460, 1440}}) {
      CAPTURE(each.told);
      SocketLab lab(hosts, with_cookies());
      RawClient client(lab, hosts, 40001);
      const SynAck told = client.connect(true, each.told);
      CHECK(told.mss == (v4 ? 1460 : 1440));
      client.send(client.answer(told));
      REQUIRE(lab.last_accepted != 0);
      CHECK(lab.ask(lab.last_accepted).mss() == (v4 ? each.v4 : each.v6) - 12);
    }
  }
}

TEST_CASE("BUF-12 windows of a fixed size are those of cookies, too") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options = with_cookies();
    options.limits.windows_for = 16;
    SocketLab lab(hosts, options);
    RawClient client(lab, hosts, 40001);
    CHECK(client.connect().window == options.limits.buffer_bytes / 8 * 7 / 2 / 16);
  }
}

TEST_CASE(
    "TCPX-01 without a free block no SYN is answered, and a cookie waits until there is one") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, with_cookies());
    RawClient late(lab, hosts, 50000);
    const SynAck told = late.connect();
    uint32_t one = 0;
    for (L4Port port = 1; port <= 32; ++port) {
      RawClient client(lab, hosts, port);
      client.send(client.answer(client.connect()));
      one = lab.last_accepted;
    }
    CHECK(lab.engine.count(Counter::connections) == 32);
    RawClient refused(lab, hosts, 50001);
    CHECK(refused.send(refused.syn()).empty());
    CHECK(late.send(late.answer(told)).empty());  // it is not sent away
    CHECK(lab.engine.dropped(DropReason::connections_full) == 2);
    CHECK(lab.engine.count(Counter::syn_cookies_refused) == 0);
    lab.say<AbortSocketView>(one);
    late.send(late.answer(told, kTcpAck | kTcpPsh).payload(10));
    CHECK(lab.sockets[lab.last_accepted].remote_port == 50000);
  }
}

TEST_CASE(
    "MEM-12 TCPX-01 who uses a port again within TIME-WAIT gets numbers beyond the old ones") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, with_cookies());
    close_first(lab, lab.connect());
    const Seq old = lab.client.flow().rcv_nxt;
    lab.pass(Duration::seconds(2));
    lab.last_accepted = 0;
    lab.connect();
    lab.pass(Duration::milliseconds(10));
    CHECK(lab.sockets[lab.last_accepted].accepted);
    CHECK(lab.client.flow().rcv_nxt > old);
    CHECK(lab.engine.count(Counter::syn_cookies_sent) == 1);
  }
}

TEST_CASE("VS-24 TCPX-01 a server that is gone, or drains, takes no cookie and sends none") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    for (const uint32_t drain_seconds : {0, 600}) {
      CAPTURE(drain_seconds);
      SocketLab lab(hosts, with_cookies());
      RawClient early(lab, hosts, 40001), late(lab, hosts, 40002);
      const SynAck told = early.connect();
      lab.engine.delete_virtual_server(kServiceId, drain_seconds);
      late.send(late.syn());
      CHECK(lab.engine.count(Counter::syn_cookies_sent) == 1);
      early.send(early.answer(told));
      CHECK(lab.last_accepted == 0);
      CHECK(lab.engine.count(Counter::flow_entries) == 0);
    }
  }
}

TEST_CASE("TCPX-01 TCPX-74 over a bridge the cookie goes to the station that the SYN came from") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options = with_cookies();
    options.forwarding = Forwarding::bridge;
    SocketLab lab(hosts, options);
    RawClient client(lab, hosts, 40001);
    const auto answers = client.send(client.syn());
    REQUIRE(answers.size() == 1);
    CHECK(MacAddress::load(answers[0].bytes.data()) == kClientMac);
    CHECK(MacAddress::load(answers[0].bytes.data() + 6) == kOutsideMac);
    CHECK(lab.engine.to_server.empty());
    client.send(client.answer(RawClient::read(answers)));
    CHECK(lab.sockets[lab.last_accepted].accepted);
  }
}

}  // namespace
}  // namespace sluice
