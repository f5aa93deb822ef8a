// The DSCP is part of a flow's signature, the ECN bits are not.
#include <doctest/doctest.h>

#include "support/dialogue.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

constexpr uint8_t kExpedited = 46;

TEST_CASE("DFS-02 TCPX-70 ECN marks do not split a flow, and pass as they are") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    for (const uint8_t ecn : {1, 2, 3, 0}) {
      engine->from_client(tcp.client(kTcpAck).ecn(ecn).payload(1));
      Sent sent(engine->to_server.back());
      CHECK(sent.ecn() == ecn);
      CHECK(checksum_fault(sent.packet()) == "");
      engine->from_server(tcp.server(kTcpAck).ecn(ecn).payload(1));
      CHECK(Sent(engine->to_client.back()).ecn() == ecn);
    }
    CHECK(engine->told.size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-03 a DSCP change makes one more flow of the session, which its end ends") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    for (int i = 0; i < 5; ++i) {
      engine->from_client(tcp.client(kTcpAck).dscp(kExpedited).payload(10));
      tcp.client_next += 10;
      tcp.server_sends(kTcpAck, 10);  // the server goes on as before
    }
    CHECK(engine->to_server.size() == 5);
    CHECK(engine->to_client.size() == 5);
    for (const MemoryFrame& frame : engine->to_server) CHECK(Sent(frame).key().dscp == kExpedited);
    Told<QueryView> queries(*engine);
    REQUIRE(queries.count() == 2);
    CHECK(queries.last().reason() == QueryReason::mid_session);
    CHECK(queries.last().sig().tos() == (kExpedited << 2));
    CHECK(queries.last().serial() != queries.view(0).serial());
    CHECK(engine->count(Counter::flows) == 2);

    engine->from_client(tcp.client(kTcpFin | kTcpAck).dscp(kExpedited));
    ++tcp.client_next;
    tcp.server_sends(kTcpFin | kTcpAck);
    engine->from_client(tcp.client(kTcpAck).dscp(kExpedited));
    Told<DeleteView> ended(*engine);
    REQUIRE(ended.count() == 2);
    for (size_t i = 0; i < 2; ++i) {
      CHECK(ended.view(i).reason() == EndReason::fin);
      CHECK(ended.view(i).tcp_state() == TcpState::ended);
    }
    CHECK(ended.view(0).cnt().pkts_in() == 7);
    CHECK(ended.view(0).cnt().pkts_out() == 0);
    CHECK(ended.view(1).cnt().pkts_in() == 2);  // before the change
    CHECK(ended.view(1).cnt().pkts_out() == 7);
    CHECK(engine->count(Counter::lingering) == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-03 DFS-09 a server picks its own DSCP: return packets ask nobody") {
  for (const Hosts& hosts : both_families()) {
    for (const uint8_t client_dscp : {0, 8}) {
      CAPTURE(hosts.family);
      CAPTURE(client_dscp);
      auto engine = engine_for(hosts);
      Dialogue tcp(*engine, hosts);
      engine->from_client(tcp.client(kTcpSyn).dscp(client_dscp));
      ++tcp.client_next;
      engine->from_server(tcp.server(kTcpSyn | kTcpAck).dscp(kExpedited));
      ++tcp.server_next;
      engine->from_client(tcp.client(kTcpAck).dscp(client_dscp));
      engine->from_server(tcp.server(kTcpAck).dscp(18).payload(5));
      REQUIRE(engine->to_client.size() == 2);
      CHECK(Sent(engine->to_client[0]).key().dscp == kExpedited);
      CHECK(Sent(engine->to_client[1]).key().dscp == 18);
      CHECK(engine->told.size() == 1);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("DFS-03 FLOWLIFE-07 a silent variant ends alone, a session stays while one has traffic") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.timeouts.established = Duration::seconds(60);
    auto engine = engine_for(hosts, options);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->from_client(tcp.client(kTcpAck).dscp(8));
    for (int i = 0; i < 10; ++i) {
      engine->run(Duration::seconds(20));
      engine->from_client(tcp.client(kTcpAck).dscp(kExpedited));
      if (i == 1) CHECK(engine->count(Counter::flows) == 3);
    }
    // Of the first flow nothing has been seen for 200 s, but it is the way back of the others.
    Told<DeleteView> ended(*engine);
    REQUIRE(ended.count() == 1);
    CHECK(ended.last().reason() == EndReason::idle);
    CHECK(ended.last().sig().tos() == 8 << 2);
    CHECK(engine->count(Counter::flows) == 2);
    engine->clear_sent();
    tcp.server_sends(kTcpAck, 10);
    CHECK(engine->to_client.size() == 1);
    CHECK(engine->settle() == "");
    CHECK(engine->told_of<DeleteView>().size() == 3);
  }
}

TEST_CASE("DFS-03 DFS-20 a new session forgets every flow of the old one, whatever their DSCP") {
  for (const Hosts& hosts : both_families()) {
    for (const uint8_t dscp : {0, int{kExpedited}, 8}) {
      CAPTURE(hosts.family);
      CAPTURE(dscp);
      auto engine = engine_for(hosts);
      Dialogue tcp(*engine, hosts);
      tcp.open();
      engine->from_client(tcp.client(kTcpAck).dscp(kExpedited));
      tcp.close();
      CHECK(engine->count(Counter::lingering) == 2);
      const IpAddress other = ip(hosts.client.is_v4() ? "10.1.0.12" : "fd00:1::12");
      engine->decide_with(TestEngine::to_endpoint(other, kNodePort));
      engine->told.clear();
      Dialogue again(*engine, hosts);
      again.client_next = 90'000;
      engine->from_client(again.client(kTcpSyn).dscp(dscp));
      CHECK(engine->told_of<QueryView>().size() == 1);
      CHECK(engine->count(Counter::lingering) == 0);
      for (const uint8_t each : {0, int{kExpedited}, 8}) {
        engine->from_client(again.client(kTcpAck).dscp(each));
      }
      CHECK(engine->told_of<QueryView>().size() == 3);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("DFS-03 VS-24 each flow of a session is told as established when its server goes") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->from_client(tcp.client(kTcpAck).dscp(kExpedited));
    engine->delete_virtual_server(kService);
    Told<DeleteView> ended(*engine);
    REQUIRE(ended.count() == 2);
    CHECK(ended.view(0).tcp_state() == TcpState::established);
    CHECK(ended.view(1).tcp_state() == TcpState::established);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-03 HS-24 the flows of a session are told one by one where the ring was full") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.bus_bytes = 4096;
    auto engine = engine_for(hosts, options);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->from_client(tcp.client(kTcpAck).dscp(kExpedited));
    engine->told.clear();
    engine->read_messages(false);
    fill_ring(*engine, 2 * DeleteView::kSize);  // one has room then
    tcp.close();
    CHECK(engine->count(Counter::messages_unsent) == 1);
    engine->run(Duration::seconds(7));
    CHECK(engine->count(Counter::lingering) == 1);
    engine->read_messages(true);
    engine->run(Duration::seconds(1));
    Told<DeleteView> ended(*engine);
    REQUIRE(ended.count() == 2);
    CHECK(ended.view(0).serial() != ended.view(1).serial());
    CHECK(ended.view(1).tcp_state() == TcpState::ended);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-11 DFS-03 a DSCP that is set on the way in is taken back on the way out") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with([&](const QueryView& query, ReplyView reply) {
      TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply);
      reply.xlat().set_xlat_mask(reply.xlat().xlat_mask() | XlatMask::tos);
      reply.xlat().set_xlat_tos(kExpedited << 2);
      return true;
    });
    Dialogue tcp(*engine, hosts);
    engine->from_client(tcp.client(kTcpSyn).dscp(10).ecn(2));
    REQUIRE(engine->to_server.size() == 1);
    CHECK(Sent(engine->to_server[0]).key().dscp == kExpedited);
    CHECK(Sent(engine->to_server[0]).ecn() == 2);
    engine->from_server(tcp.server(kTcpAck).dscp(kExpedited));
    REQUIRE(engine->to_client.size() == 1);
    CHECK(Sent(engine->to_client[0]).key().dscp == 10);
    CHECK(checksum_fault(Sent(engine->to_client[0]).packet()) == "");
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
