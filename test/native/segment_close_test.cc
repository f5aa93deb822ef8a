// How flows end by TCP, what is told of it, and what comes after.
#include <doctest/doctest.h>

#include "support/dialogue.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

void expect_one_end(const TestEngine& engine, uint8_t reason) {
  Told<DeleteView> told(engine);
  REQUIRE(told.count() == 1);
  CHECK(told.last().reason() == reason);
  CHECK(told.last().tcp_state() == TcpState::ended);
  CHECK(told.last().error_code() == SsmbError::none);
}

TEST_CASE("HS-22 HS-24 FLOWLIFE-02 each way to close is followed to its last ACK, and told once") {
  constexpr uint8_t kFin = kTcpFin | kTcpAck;
  struct Step {
    bool from_client;
    uint8_t flags;
    size_t payload = 0;
    bool at_once = false;  // sent before the one before it arrived
  };
  const struct {
    const char* who;
    std::vector<Step> steps;
  } cases[] = {
      {"the client", {{true, kFin}, {false, kTcpAck}, {false, kFin}, {true, kTcpAck}}},
      {"the server", {{false, kFin}, {true, kTcpAck}, {true, kFin}, {false, kTcpAck}}},
      {"the client, FIN and ACK in one", {{true, kFin}, {false, kFin}, {true, kTcpAck}}},
      {"the server, with data on both FINs",
       {{false, kFin, 10}, {true, kFin, 7}, {false, kTcpAck}}},
      {"the client, and the server goes on sending",
       {{true, kFin}, {false, kTcpAck, 99}, {true, kTcpAck}, {false, kFin}, {true, kTcpAck}}},
      {"both at once", {{true, kFin}, {false, kFin, 0, true}, {true, kTcpAck}, {false, kTcpAck}}},
  };
  for (const Hosts& hosts : both_families()) {
    for (const auto& each : cases) {
      CAPTURE(hosts.family);
      CAPTURE(each.who);
      auto engine = engine_for(hosts);
      Dialogue tcp(*engine, hosts);
      tcp.client_next = 0xfffffff8;  // both wrap
      tcp.server_next = 0xfffffffc;
      tcp.open();
      for (size_t i = 0; i < each.steps.size(); ++i) {
        const Step& step = each.steps[i];
        CHECK(engine->told_of<DeleteView>().empty());
        const uint32_t seen = tcp.client_next;
        if (step.at_once) --tcp.client_next;  // the FIN before is not acknowledged by this one
        step.from_client ? tcp.client_sends(step.flags, step.payload)
                         : tcp.server_sends(step.flags, step.payload);
        if (step.at_once) tcp.client_next = seen;
      }
      expect_one_end(*engine, EndReason::fin);
      CHECK(engine->count(Counter::lingering) == 1);
      CHECK(engine->count(Counter::flows) == 0);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("HS-24 FLOWLIFE-02 a RST from either side ends the flow at once") {
  for (const Hosts& hosts : both_families()) {
    for (const bool from_client : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(from_client);
      auto engine = engine_for(hosts);
      Dialogue tcp(*engine, hosts);
      tcp.open();
      tcp.client_sends(kTcpAck, 100);
      from_client ? tcp.client_sends(kTcpRst) : tcp.server_sends(kTcpRst | kTcpAck);
      expect_one_end(*engine, EndReason::rst);
      // What was under way then passes, and asks nobody.
      engine->clear_sent();
      tcp.client_sends(kTcpAck, 10);
      tcp.server_sends(kTcpAck, 10);
      CHECK(engine->to_server.size() == 1);
      CHECK(engine->to_client.size() == 1);
      CHECK(engine->told_of<QueryView>().size() == 1);
      CHECK(engine->count(Counter::lingering) == 1);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("HS-24 a server that refuses the SYN ends the flow") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    engine->from_server(tcp.server(kTcpRst | kTcpAck).seq(0));
    CHECK(engine->to_client.size() == 1);
    expect_one_end(*engine, EndReason::rst);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("HS-28 TCPX-36 blind RST and FIN segments are sent on, and end nothing") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    size_t sent = 0;
    for (const uint32_t off : {1u, 0xffffffffu, 65'535u, 65'536u, 0x7fffffffu, 0x80000000u}) {
      CAPTURE(off);
      engine->from_client(tcp.client(kTcpRst).seq(tcp.client_next + off));
      engine->from_server(tcp.server(kTcpRst).seq(tcp.server_next + off));
      if (off < 0x10000u) {
        sent += 1;
        continue;
      }
      engine->from_client(tcp.client(kTcpFin | kTcpAck).seq(tcp.client_next + off));
      engine->from_server(tcp.server(kTcpFin | kTcpAck).seq(tcp.server_next + off));
      sent += 2;
    }
    CHECK(engine->to_server.size() == sent);
    CHECK(engine->to_client.size() == sent);
    CHECK(engine->told_of<DeleteView>().empty());
    CHECK(engine->count(Counter::flows) == 1);
    tcp.close();
    expect_one_end(*engine, EndReason::fin);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("HS-27 after the close a repeated FIN and its ACK pass translated, and ask nobody") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    tcp.close();  // the last ACK is lost behind us
    engine->clear_sent();
    for (int i = 0; i < 3; ++i) {
      engine->run(Duration::seconds(1));
      engine->from_server(tcp.server(kTcpFin | kTcpAck).seq(tcp.server_next - 1));
      tcp.client_sends(kTcpAck);
    }
    REQUIRE(engine->to_client.size() == 3);
    REQUIRE(engine->to_server.size() == 3);
    CHECK(Sent(engine->to_client[2]).key().src == hosts.virtual_server);
    CHECK(Sent(engine->to_server[2]).key().dst == hosts.server);
    CHECK(engine->told_of<QueryView>().size() == 1);
    CHECK(engine->told_of<DeleteView>().size() == 1);
    engine->run(Duration::seconds(3));
    CHECK(engine->count(Counter::lingering) == 0);
    CHECK(engine->count(Counter::flow_entries) == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-20 SSMB-12 a reused client port is a new flow at once: new serial, new QUERY") {
  for (const Hosts& hosts : both_families()) {
    for (const bool reset : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(reset);
      auto engine = engine_for(hosts);
      Dialogue first(*engine, hosts);
      first.open();
      reset ? first.client_sends(kTcpRst) : first.close();
      engine->clear_sent();
      Dialogue second(*engine, hosts);
      second.client_next = 77'000;
      second.server_next = 88'000;
      second.open();
      CHECK(engine->to_server.size() == 2);  // not one round of retransmission later
      Told<QueryView> queries(*engine);
      REQUIRE(queries.count() == 2);
      CHECK(queries.view(1).reason() == QueryReason::open);
      CHECK(queries.view(1).serial() != queries.view(0).serial());
      CHECK(engine->count(Counter::lingering) == 0);
      second.close();
      Told<DeleteView> ends(*engine);
      REQUIRE(ends.count() == 2);
      CHECK(ends.view(0).serial() == queries.view(0).serial());
      CHECK(ends.view(1).serial() == queries.view(1).serial());
      CHECK(ends.view(1).cnt().pkts_in() == 4);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("trap 3 DFS-20 a client port that is used again while its last connection closes") {
  for (const Hosts& hosts : both_families()) {
    for (const bool client_first : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(client_first);
      auto engine = engine_for(hosts);
      Dialogue first(*engine, hosts);
      first.open();
      client_first ? first.client_sends(kTcpFin | kTcpAck) : first.server_sends(kTcpFin | kTcpAck);
      // One side may have more to say: this is no new connection yet.
      Dialogue early(*engine, hosts);
      early.client_next = 60'000;
      early.client_sends(kTcpSyn);
      CHECK(engine->count(Counter::queries) == 1);
      client_first ? first.server_sends(kTcpFin | kTcpAck) : first.client_sends(kTcpFin | kTcpAck);
      // The last acknowledgement is lost. A SYN of the old connection that comes late is none.
      engine->from_client(first.client(kTcpSyn).seq(1000).ack(0));
      CHECK(engine->count(Counter::queries) == 1);
      engine->told.clear();
      engine->clear_sent();
      Dialogue second(*engine, hosts);
      second.client_next = 77'000;
      second.server_next = 88'000;
      second.open();
      CHECK(engine->to_server.size() == 2);  // not a second later
      CHECK(engine->count(Counter::queries) == 2);
      Told<DeleteView> ends(*engine);
      REQUIRE(ends.count() == 1);
      CHECK(ends.last().reason() == EndReason::fin);
      second.close();
      CHECK(Told<DeleteView>(*engine).count() == 2);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("DFS-20 a port reused towards another virtual server of one node waits for no linger") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const IpAddress other_vip = ip(hosts.client.is_v4() ? "192.0.2.101" : "2001:db8::101");
    auto engine = engine_for(hosts);
    engine->add_virtual_server(20, other_vip, kServicePort);
    Dialogue first(*engine, hosts);
    first.open();
    first.close();
    engine->clear_sent();
    engine->from_client(
        PacketBuilder().ip(hosts.client, other_vip).tcp(40000, kServicePort, kTcpSyn));
    CHECK(engine->to_server.size() == 1);
    CHECK(engine->count(Counter::lingering) == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("HS-25 a flow that ended is freed although the control segment does not answer") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->decide_with(nullptr);
    tcp.close();
    engine->run(Duration::seconds(6));
    CHECK(engine->count(Counter::flow_entries) == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("HS-24 HS-26 a DELETE that finds the ring full is told later, once, with its totals") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.bus_bytes = 4096;
    auto engine = engine_for(hosts, options);
    std::vector<Dialogue> flows;
    for (L4Port port = 1; port <= 50; ++port) flows.emplace_back(*engine, hosts, port);
    for (Dialogue& tcp : flows) tcp.open();
    engine->told.clear();
    engine->read_messages(false);
    for (Dialogue& tcp : flows) tcp.close();
    CHECK(engine->count(Counter::messages_unsent) > 0);
    CHECK(engine->count(Counter::lingering) == 50);
    engine->run(Duration::seconds(20));
    CHECK(engine->count(Counter::lingering) > 0);  // what is not told stays
    CHECK(engine->count(Counter::lingering) < 50);
    engine->read_messages(true);
    engine->run(Duration::seconds(20));
    Told<DeleteView> ends(*engine);
    CHECK(ends.count() == 50);
    std::vector<uint32_t> serials;
    for (size_t i = 0; i < ends.count(); ++i) {
      CHECK(ends.view(i).reason() == EndReason::fin);
      CHECK(ends.view(i).cnt().pkts_in() == 4);
      CHECK(ends.view(i).cnt().pkts_out() == 2);
      serials.push_back(ends.view(i).serial());
    }
    std::sort(serials.begin(), serials.end());
    CHECK(std::unique(serials.begin(), serials.end()) == serials.end());
    CHECK(engine->count(Counter::flow_entries) == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-20 HS-24 a flow whose end is not told yet gives way to no new session untold") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.bus_bytes = 4096;
    options.limits.flows = 1;
    auto engine = engine_for(hosts, options);
    Dialogue(*engine, hosts, 49'999).client_sends(kTcpSyn);
    Dialogue first(*engine, hosts);
    first.open();
    engine->told.clear();
    engine->read_messages(false);
    fill_ring(*engine);
    first.close();
    engine->from_client(Dialogue(*engine, hosts).client(kTcpSyn).seq(90'000));
    engine->from_client(Dialogue(*engine, hosts, 50'000).client(kTcpSyn));
    CHECK(engine->dropped(DropReason::flow_table_full) == 2);
    engine->read_messages(true);
    engine->run(Duration::seconds(1));
    CHECK(engine->told_of<DeleteView>().size() == 1);
    engine->from_client(Dialogue(*engine, hosts).client(kTcpSyn).seq(90'000));
    CHECK(engine->told_of<QueryView>().size() == 1);
    CHECK(engine->told_of<DeleteView>().size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-16 an old session that comes back without SYN is followed to its end") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpAck, 100);
    tcp.server_sends(kTcpAck, 200);
    tcp.client_sends(kTcpAck, 100);
    Told<QueryView> queries(*engine);
    REQUIRE(queries.count() == 1);
    CHECK(queries.last().reason() == QueryReason::mid_session);
    CHECK(queries.last().tcp_seq() == 1000);
    CHECK(queries.last().tcp_ack() == 5000);
    tcp.close();
    expect_one_end(*engine, EndReason::fin);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("SSMB-24 a flow with HALF_FLOW set is not followed: silence ends it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.timeouts.established = Duration::seconds(100);
    auto engine = engine_for(hosts, options);
    engine->decide_with([&](const QueryView& query, ReplyView reply) {
      TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply);
      reply.set_flags(reply.flags() | SsmbFlags::half_flow);
      return true;
    });
    Dialogue tcp(*engine, hosts);
    tcp.open();
    tcp.close();
    engine->run(Duration::seconds(99));
    CHECK(engine->count(Counter::flows) == 1);
    engine->run(Duration::seconds(2));
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().reason() == EndReason::idle);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
