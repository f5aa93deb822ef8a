// What real networks and hosts do to a flow that its happy path does not show.
#include <doctest/doctest.h>

#include "support/dialogue.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE("HS-22 HS-24 a window that shrinks, or comes late, does not hide the close") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    tcp.client_sends(kTcpAck, 100);
    engine->from_server(tcp.server(kTcpAck).window(65535));
    engine->from_server(tcp.server(kTcpAck).window(100));  // the same number, sent before
    for (int i = 0; i < 10; ++i) {
      tcp.client_sends(kTcpAck, 1400);
      tcp.server_sends(kTcpAck);
    }
    tcp.close();
    CHECK(engine->count(Counter::flows_closed_fin) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-03 FLOWLIFE-02 a RST with another DSCP is its session's") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    engine->from_client(tcp.client(kTcpSyn).dscp(46));
    ++tcp.client_next;
    tcp.server_sends(kTcpSyn | kTcpAck);
    engine->from_client(tcp.client(kTcpAck).dscp(46));
    engine->clear_sent();
    engine->from_client(tcp.client(kTcpRst).dscp(0));
    REQUIRE(engine->to_server.size() == 1);
    CHECK(Sent(engine->to_server[0]).key().dst == hosts.server);
    CHECK(engine->count(Counter::flows_closed_rst) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-30 HS-28 a RST or FIN with a wrong checksum is sent on and ends nothing") {
  for (const Hosts& hosts : both_families()) {
    for (const uint8_t flags : {uint8_t{kTcpRst}, uint8_t{kTcpFin | kTcpAck}}) {
      CAPTURE(hosts.family);
      CAPTURE(flags);
      auto engine = engine_for(hosts);
      Dialogue tcp(*engine, hosts);
      tcp.open();
      engine->clear_sent();
      Frame frame = tcp.client(flags).eth(kClientMac, kOutsideMac).build();
      Packet packet = frame.parsed();
      packet.data[packet.headers.l4 + TcpHeader::kChecksumOffset] ^= 0x55;
      engine->inject(0, std::move(frame));
      REQUIRE(engine->to_server.size() == 1);
      Sent sent(engine->to_server[0]);
      CHECK(checksum_fault(sent.packet()) != "");
      tcp.close();
      CHECK(engine->count(Counter::flows_closed_rst) == 0);
      CHECK(engine->count(Counter::flows_closed_fin) == 1);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE(
    "TCPX-71 TCPX-78 sources that are no host of the Internet open nothing and go no further") {
  const std::pair<const char*, bool> kSources[] = {
      {"192.0.2.255", true}, {"10.1.0.255", true}, {"169.254.1.1", true}, {"fe80::7", false}};
  for (const auto& [source, v4] : kSources) {
    CAPTURE(source);
    const Hosts& hosts = both_families()[v4 ? 0 : 1];
    auto engine = engine_for(hosts);
    const auto from = [&](const IpAddress& to) {
      return PacketBuilder().ip(ip(source), to).tcp(7, kServicePort, kTcpSyn);
    };
    engine->from_client(from(hosts.virtual_server));
    engine->from_client(from(hosts.server));
    engine->from_server(from(hosts.client));
    CHECK(engine->dropped(DropReason::ip_martian) == 3);
    CHECK(engine->to_server.empty());
    CHECK(engine->to_client.empty());
    CHECK(engine->told_of<QueryView>().empty());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-75 a tagged frame opens no flow: its VLAN is no part of a signature yet") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->from_client(Dialogue(*engine, hosts).client(kTcpSyn).vlan(5));
    CHECK(engine->to_server.empty());
    CHECK(engine->told_of<QueryView>().empty());
    CHECK(engine->dropped(DropReason::ether_type_unknown) == 1);
    CHECK(engine->settle() == "");
  }
}

uint16_t mss_of(Sent& sent) {
  for (TcpOptionWalk walk(sent.tcp()); walk.next();) {
    if (walk.option().is_mss()) return walk.option().mss();
  }
  return 0;
}

TEST_CASE("TCPX-20 neither side is told of segments larger than the smaller link carries") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.inside.mtu = 1400;
    auto engine = engine_for(hosts, options);
    Dialogue tcp(*engine, hosts);
    engine->clear_sent();
    engine->from_client(tcp.client(kTcpSyn).mss(1460));
    engine->from_server(tcp.server(kTcpSyn | kTcpAck).mss(1460));
    REQUIRE(engine->to_server.size() == 1);
    REQUIRE(engine->to_client.size() == 1);
    Sent there(engine->to_server[0]), back(engine->to_client[0]);
    const uint16_t expected = hosts.client.is_v4() ? 1360 : 1340;
    CHECK(mss_of(there) == expected);
    CHECK(mss_of(back) == expected);
    CHECK(checksum_fault(there.packet()) == "");
    CHECK(checksum_fault(back.packet()) == "");
  }
}

TEST_CASE("TCPX-14 SSMB-30 each direction's window has a shift of its own") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    const auto base = TestEngine::to_endpoint(hosts.server, kNodePort);
    engine->decide_with([=](const QueryView& query, ReplyView reply) {
      base(query, reply);
      reply.set_flags(reply.flags() | SsmbFlags::scale_window);
      reply.xlat().set_wshift_c2s(0);
      reply.xlat().set_wshift_s2c(-3);
      return true;
    });
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    engine->from_server(tcp.server(kTcpAck).window(800));
    engine->from_client(tcp.client(kTcpAck).window(700));
    REQUIRE(engine->to_client.size() == 1);
    REQUIRE(engine->to_server.size() == 1);
    CHECK(Sent(engine->to_client[0]).tcp().window() == 100);
    CHECK(Sent(engine->to_server[0]).tcp().window() == 700);
  }
}

TEST_CASE("VS-24 SSMB-10 the ACK of DELETE_VS finds room before the ends that it brings") {
  const Hosts& hosts = both_families()[0];
  TestEngineOptions options;
  options.limits.bus_bytes = 4096;
  auto engine = engine_for(hosts, options);
  for (L4Port port = 41000; port < 41050; ++port) Dialogue(*engine, hosts, port).open();
  engine->told.clear();
  engine->read_messages(false);
  engine->delete_virtual_server(kService);
  engine->read_messages(true);
  engine->run(Duration::seconds(2));
  REQUIRE(!engine->told.empty());
  CHECK(engine->told[0][0] == 0);  // a CSMB message: the ACK
  CHECK(engine->told_of<DeleteView>().size() == 50);
}

TEST_CASE("SSMB-11 a serial that a live flow has is passed over when the count comes round") {
  Serials serials(1);
  const uint32_t first = serials.next();
  const uint32_t second = serials.next();
  CHECK(serials.issued_after(second, first));
  CHECK_FALSE(serials.issued_after(first, second));
  serials.give_back(second);
  uint32_t last = 0;
  for (uint32_t i = 2; i < (1u << 24); ++i) {  // the count 0 is one of them
    last = serials.next();
    serials.give_back(last);
  }
  CHECK(last == (first & 0xff000000));
  CHECK(serials.next() == second);  // the first one is live still
  CHECK(serials.issued_after(second, first));
}

}  // namespace
}  // namespace sluice
