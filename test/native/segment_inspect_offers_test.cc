// What the clients of an inspected virtual server are offered, when a node of it has shown that it
// can honour less than the engine (TCPX-06, TCPX-07).
#include <doctest/doctest.h>

#include "support/cookie_lab.h"
#include "support/inspect_lab.h"

namespace sluice {
namespace {

using namespace test;

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n";

LabHost with_mtu(uint16_t mtu) { return {.config = {}, .path = {mtu}}; }
LabHost offering(uint8_t offer) {
  LabHost host;
  host.config.offer = offer;
  return host;
}
int mss_of(const Hosts& hosts, int mtu) { return mtu - (hosts.client.is_v4() ? 40 : 60); }
int least_mss(const Hosts& hosts) { return hosts.client.is_v4() ? 536 : 1220; }

// What the next client is told, which goes no further.
SynAck told_next(InspectLab& lab, L4Port port = 50000) {
  return RawClient(lab, lab.hosts, port).connect();
}

// A client and its node have got to each other, and say goodbye.
void serve_first(InspectLab& lab) {
  const uint64_t before = lab.engine.count(Counter::splices);
  lab.client_says(kRequest);
  CHECK(lab.server_heard() == kRequest);
  lab.pass(Duration::milliseconds(50));
  CHECK(lab.engine.count(Counter::splices) == before);
  REQUIRE(lab.end() == "");
}

// The next one's connection is spliced, and carries bytes in both directions; the largest IP packet
// of either host.
int serve_spliced(InspectLab& lab) {
  const uint64_t before = lab.engine.count(Counter::splices);
  int largest = 0;
  lab.tap = [&](const TcpHost&, const Packet& packet, bool sent) {
    if (!sent) return;
    const int size = static_cast<int>(packet.length - EthernetHeader::kSize);
    largest = std::max(largest, size);
  };
  lab.connect_client();
  lab.client_says(kRequest);
  CHECK(lab.server_heard() == kRequest);
  lab.pass(Duration::milliseconds(50));
  CHECK(lab.engine.count(Counter::splices) == before + 1);
  const std::string body(20'000, 'b');
  lab.client_says(body);
  lab.pass(Duration::milliseconds(200));
  CHECK(lab.server_heard() == body);
  lab.server_says(body);
  lab.pass(Duration::milliseconds(200));
  CHECK(lab.client_heard() == body);
  lab.tap = nullptr;
  CHECK(lab.end() == "");
  return largest;
}

TEST_CASE(
    "TCPX-06 node MTU 1400 behind ext MTU 1500: the next client is told 1360 at most, and "
    "spliced") {
  for (const Hosts& hosts : both_families()) {
    for (const SynCookiePolicy cookies : {SynCookiePolicy::never, SynCookiePolicy::always}) {
      CAPTURE(hosts.family);
      CAPTURE(int(cookies));
      InspectLab lab(hosts, {}, with_cookies(cookies), {}, with_mtu(1400));
      CHECK(told_next(lab, 50001).mss == mss_of(hosts, 1500));
      serve_first(lab);
      const SynAck told = told_next(lab);
      CHECK(told.mss == mss_of(hosts, 1400));
      CHECK((told.timestamps && told.sack && told.scale));
      CHECK(serve_spliced(lab) == 1400);
    }
  }
}

TEST_CASE("TCPX-06 of several nodes the smallest MSS is told") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {}, {}, {}, with_mtu(1400));
    serve_first(lab);
    lab.server.set_mtu(1480);
    serve_spliced(lab);
    CHECK(told_next(lab, 50001).mss == mss_of(hosts, 1400));
    lab.server.set_mtu(1300);
    lab.connect_client();
    serve_first(lab);
    CHECK(told_next(lab, 50002).mss == mss_of(hosts, 1300));
  }
}

TEST_CASE(
    "TCPX-06 TCPX-07 a node without timestamps: the next client is offered none, and spliced") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {}, {}, {}, offering(TcpFlow::kSack | TcpFlow::kWindowScale));
    CHECK(told_next(lab, 50001).timestamps);
    serve_first(lab);
    const SynAck told = told_next(lab);
    CHECK_FALSE(told.timestamps);
    CHECK((told.sack && told.scale));
    CHECK(told.mss == mss_of(hosts, 1500));
    CHECK(serve_spliced(lab) <= 1500);
  }
}

TEST_CASE("TCPX-07 a node without ECN: the next client that asks gets none, and is spliced") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    LabHost asks, refuses;
    asks.config.ecn = EcnMode::ask;
    refuses.config.ecn = EcnMode::refuse;
    InspectLab lab(hosts, {}, {}, asks, refuses);
    serve_first(lab);
    CHECK(serve_spliced(lab) <= 1500);
  }
}

TEST_CASE("TCPX-07 what a splice can translate, a node that has none of it takes from nobody") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {}, {}, {}, offering(TcpFlow::kTimestamps));
    lab.client_says(kRequest);
    lab.pass(Duration::milliseconds(50));
    CHECK(lab.engine.count(Counter::splices) == 1);
    const SynAck told = told_next(lab);
    CHECK((told.timestamps && told.sack && told.scale));
  }
}

TEST_CASE("TCPX-06 what a client did not offer, a node that lacks it as well takes from nobody") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {}, {}, offering(0), offering(0));
    lab.client_says(kRequest);
    CHECK(lab.server_heard() == kRequest);
    const SynAck told = told_next(lab);
    CHECK((told.timestamps && told.sack && told.scale));
  }
}

TEST_CASE("TCPX-06 a tiny MSS of a node makes clients send no crumbs") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {}, {}, {}, with_mtu(128));
    lab.client_says(kRequest);
    lab.pass(Duration::milliseconds(50));
    CHECK(told_next(lab).mss == least_mss(hosts));
  }
}

// A node that a test plays: what it says to the SYN of a client with this MTU, and what the next
// client is told then.
struct RawNode {
  RawNode(const Hosts& hosts, uint16_t client_mtu) : lab(hosts, {}, {}, with_mtu(client_mtu)) {
    lab.server_is_there = false;
    lab.client_says(kRequest);
    REQUIRE(lab.engine.to_server.size() == 1);
    Sent sent(lab.engine.to_server[0]);
    syn = read_segment(sent.packet());
  }
  // `beyond`: what is acknowledged behind the SYN.
  void answer(uint16_t mss, uint32_t beyond = 0) {
    PacketBuilder packet = PacketBuilder()
                               .ip(lab.hosts.server, lab.hosts.client)
                               .tcp(kChosenPort, 40000, kTcpSyn | kTcpAck)
                               .seq(777)
                               .ack(syn.seq.raw() + 1 + beyond)
                               .window(1000);
    if (mss != 0) packet.mss(mss);
    packet.timestamps(1, syn.tsval).nop().nop();
    lab.engine.from_server(std::move(packet));
    lab.settle();
  }

  InspectLab lab;
  TcpSegment syn;
};

TEST_CASE(
    "TCPX-06 MSS option absent means 536 (v4) / 1220 (v6), and only an answer to our SYN says") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    RawNode node(hosts, 1500);
    node.answer(0, 1);
    node.answer(0, 0xffffffff);
    CHECK(told_next(node.lab, 50001).mss == mss_of(hosts, 1500));
    node.answer(0);
    CHECK(node.lab.engine.count(Counter::inspections_joined) == 1);
    CHECK(told_next(node.lab, 50002).mss == least_mss(hosts));
  }
}

TEST_CASE("TCPX-06 a small client whose MSS a node merely repeats takes nothing from the others") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    RawNode node(hosts, 1300);
    CHECK(node.syn.mss == mss_of(hosts, 1300));
    node.answer(node.syn.mss);
    CHECK(node.lab.engine.count(Counter::inspections_joined) == 1);
    CHECK(told_next(node.lab).mss == mss_of(hosts, 1500));
  }
}

TEST_CASE(
    "TCPX-06 a virtual server that is told of anew begins again, and another one knows nothing") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {}, {}, {}, with_mtu(1400));
    serve_first(lab);
    lab.server.set_mtu(1500);
    CHECK(told_next(lab, 50001).mss == mss_of(hosts, 1400));
    REQUIRE(told(lab.engine, proxy_vs(hosts, {})) == CsmbError::none);
    CHECK(told_next(lab, 50002).mss == mss_of(hosts, 1500));
  }
}

TEST_CASE("TCPX-06 SOCK-12 a client with a smaller MTU than its node is spliced, the first time") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {}, {}, with_mtu(1400));
    lab.client_says(kRequest);
    lab.pass(Duration::milliseconds(50));
    CHECK(lab.engine.count(Counter::splices) == 1);
    const SynAck told = told_next(lab);
    CHECK(told.mss == mss_of(hosts, 1500));
  }
}

}  // namespace
}  // namespace sluice
