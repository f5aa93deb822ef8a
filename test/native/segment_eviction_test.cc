// A full flow table: who gives way, and who never does.
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "support/dialogue.h"
#include "support/evictions.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE(
    "FLOWLIFE-03 FLOWLIFE-04 FLOWLIFE-06 in a table of 1000 the 1001st flow takes the oldest one's "
    "place") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, table_of(1000));
    for (L4Port port = 1; port <= 1000; ++port) {
      Dialogue tcp(*engine, hosts, port);
      tcp.open();
      engine->run(Duration::milliseconds(2));
      tcp.client_sends(kTcpAck, 10);
    }
    CHECK(engine->count(Counter::flow_entries) == 2000);
    CHECK(evicted(*engine).empty());
    Dialogue one_more(*engine, hosts, 1001);
    one_more.open();
    CHECK(evicted(*engine) == std::vector<L4Port>{1});
    CHECK(engine->count(Counter::flow_entries) == 2000);
    CHECK(engine->told_of<DeleteView>().empty());
    Told<StateView> told(*engine);
    CHECK(told.last().tcps().tcp_state() == TcpState::established);
    CHECK(told.last().cnt().pkts_in() == 3);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-05 the least recently used flow goes first, whatever the order of opening") {
  for (const Hosts& hosts : both_families()) {
    for (const int order : {0, 1, 2}) {
      CAPTURE(hosts.family);
      CAPTURE(order);
      auto engine = engine_for(hosts, table_of(40));
      std::vector<L4Port> ports(40);
      std::iota(ports.begin(), ports.end(), L4Port{1});
      std::vector<Dialogue> flows;
      for (const L4Port port : ports) flows.emplace_back(*engine, hosts, port);
      for (Dialogue& tcp : flows) tcp.open();
      if (order == 1) std::reverse(ports.begin(), ports.end());
      Random random(7);
      for (size_t i = ports.size(); order == 2 && i > 1; --i) {
        std::swap(ports[i - 1], ports[random.below(i)]);
      }
      for (const L4Port port : ports) {
        engine->run(Duration::seconds(70));
        flows[port - 1u].client_sends(kTcpAck, 1);
      }
      for (L4Port port = 1000; port < 1020; ++port) {
        Dialogue(*engine, hosts, port).open();
        engine->run(Duration::seconds(1));
      }
      CHECK(evicted(*engine) == std::vector<L4Port>(ports.begin(), ports.begin() + 20));
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("FLOWLIFE-05 what is over goes first, then refused, half-open, UDP, established") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, table_of(6));
    Dialogue established(*engine, hosts, 1);
    established.open();
    engine->run(Duration::seconds(70));
    engine->from_client(client_datagram(hosts, 2));
    engine->run(Duration::seconds(1));
    Dialogue opening(*engine, hosts, 3);
    opening.client_sends(kTcpSyn);
    Dialogue lingering(*engine, hosts, 4);
    lingering.open();
    lingering.close();
    Dialogue closing(*engine, hosts, 5);
    closing.open();
    closing.client_sends(kTcpFin | kTcpAck);
    const auto forward = TestEngine::to_endpoint(hosts.server, kNodePort);
    engine->decide_with([](const QueryView&, ReplyView reply) {
      reply.set_error_code(SsmbError::unknown);
      return true;
    });
    Dialogue(*engine, hosts, 6).client_sends(kTcpSyn);
    engine->decide_with(forward);
    Dialogue later(*engine, hosts, 7);
    later.client_sends(kTcpSyn);
    // Six places, and one more for what passes.
    CHECK(engine->count(Counter::flow_entries) == 14);

    auto newcomer = [&, port = L4Port{100}]() mutable {
      Dialogue(*engine, hosts, port++).open();
      engine->run(Duration::milliseconds(1));
      return evicted(*engine).size();
    };
    CHECK(newcomer() == 0);
    CHECK(engine->count(Counter::lingering) == 0);  // 4 made room
    CHECK(newcomer() == 0);                         // 6 did
    CHECK(newcomer() == 1);                         // one half-open did
    CHECK(newcomer() == 3);                         // the other, and a place among those in use
    CHECK(newcomer() == 4);
    CHECK(newcomer() == 5);
    CHECK(evicted(*engine) == std::vector<L4Port>{3, 7, 2, 1, 100});
    // The one in its close is still there (HS-23), and ends as such.
    closing.server_sends(kTcpFin | kTcpAck);
    closing.client_sends(kTcpAck);
    CHECK(engine->count(Counter::flows_closed_fin) == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("HS-23 FLOWLIFE-05 flows in their close and flows that wait never give way") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, table_of(10));
    std::vector<Dialogue> closing;
    for (L4Port port = 1; port <= 5; ++port) closing.emplace_back(*engine, hosts, port);
    for (Dialogue& tcp : closing) {
      tcp.open();
      tcp.server_sends(kTcpFin | kTcpAck);
    }
    engine->decide_with(nullptr);
    for (L4Port port = 6; port <= 10; ++port) Dialogue(*engine, hosts, port).client_sends(kTcpSyn);
    for (L4Port port = 11; port <= 30; ++port) {
      Dialogue(*engine, hosts, port).client_sends(kTcpSyn);
      engine->from_client(client_datagram(hosts, port));
    }
    CHECK(engine->dropped(DropReason::flow_table_full) == 39);
    CHECK(evicted(*engine).empty());
    engine->answer_all(TestEngine::to_endpoint(hosts.server, kNodePort));
    CHECK(engine->count(Counter::flows_opened) == 11);
    for (Dialogue& tcp : closing) {
      tcp.client_sends(kTcpFin | kTcpAck);
      tcp.server_sends(kTcpAck);
    }
    CHECK(engine->count(Counter::flows_closed_fin) == 5);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-05 a table full of established flows has room for handshakes, however many") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, table_of(100));
    for (L4Port port = 1; port <= 100; ++port) {
      Dialogue(*engine, hosts, port).open();
      engine->run(Duration::seconds(70));
    }
    // All of them wait for their decision at once, and none is turned away.
    engine->decide_with(nullptr);
    std::vector<Dialogue> newcomers;
    for (L4Port port = 1001; port <= 1007; ++port) newcomers.emplace_back(*engine, hosts, port);
    for (Dialogue& tcp : newcomers) tcp.client_sends(kTcpSyn);
    CHECK(evicted(*engine).empty());
    engine->answer_all(TestEngine::to_endpoint(hosts.server, kNodePort));
    for (Dialogue& tcp : newcomers) {
      tcp.server_sends(kTcpSyn | kTcpAck);
      tcp.client_sends(kTcpAck);
    }
    CHECK(engine->dropped(DropReason::flow_table_full) == 0);
    CHECK(evicted(*engine) == std::vector<L4Port>{1, 2, 3, 4, 5, 6, 7});
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-03 without room to tell it nobody is evicted") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options = table_of(4);
    options.limits.bus_bytes = 4096;
    auto engine = engine_for(hosts, options);
    for (L4Port port = 1; port <= 4; ++port) Dialogue(*engine, hosts, port).open();
    Dialogue(*engine, hosts, 5).client_sends(kTcpSyn);
    engine->told.clear();
    engine->read_messages(false);
    fill_ring(*engine);
    Dialogue late(*engine, hosts, 100);
    engine->from_client(late.client(kTcpSyn));
    CHECK(engine->dropped(DropReason::flow_table_full) == 1);
    CHECK(engine->count(Counter::flows_evicted) == 0);
    engine->read_messages(true);
    engine->poll();
    late.open();
    CHECK(evicted(*engine) == std::vector<L4Port>{5, 1});
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-16 an evicted session comes back with its next packet") {
  for (const Hosts& hosts : both_families()) {
    for (const bool server_first : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(server_first);
      auto engine = engine_for(hosts, table_of(2));
      engine->decide_with(resume_at(hosts));
      Dialogue session(*engine, hosts, 1);
      session.open();
      Dialogue(*engine, hosts, 2).open();
      engine->run(Duration::seconds(1));
      Dialogue(*engine, hosts, 3).open();
      CHECK(evicted(*engine) == std::vector<L4Port>{1});
      engine->told.clear();
      engine->clear_sent();
      server_first ? session.server_sends(kTcpAck, 10) : session.client_sends(kTcpAck, 10);
      session.server_sends(kTcpAck, 10);
      session.client_sends(kTcpAck, 10);
      CHECK(engine->to_client.size() + engine->to_server.size() == 3);
      Told<QueryView> queries(*engine);
      REQUIRE(queries.count() == 1);
      CHECK(queries.last().reason() == QueryReason::mid_session);
      session.close();
      CHECK(engine->count(Counter::flows_closed_fin) == 1);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("FLOWLIFE-16 where both sides of an evicted session ask at once one answer is for both") {
  for (const Hosts& hosts : both_families()) {
    for (const bool server_first : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(server_first);
      constexpr L4Port kFlows = 16;  // and two more that may wait
      auto engine = engine_for(hosts, table_of(kFlows));
      engine->decide_with(resume_at(hosts));
      Dialogue session(*engine, hosts, 1);
      session.open();
      engine->run(Duration::seconds(1));
      for (L4Port port = 2; port <= kFlows + 1; ++port) Dialogue(*engine, hosts, port).open();
      CHECK(evicted(*engine) == std::vector<L4Port>{1});
      engine->told.clear();
      engine->clear_sent();
      engine->decide_with([](const QueryView&, ReplyView) { return false; });
      server_first ? session.server_sends(kTcpAck, 10) : session.client_sends(kTcpAck, 10);
      server_first ? session.client_sends(kTcpAck, 10) : session.server_sends(kTcpAck, 10);
      CHECK(engine->count(Counter::waiting_flows) == 2);
      engine->answer_all(resume_at(hosts));
      CHECK(engine->to_client.size() == 1);
      CHECK(engine->to_server.size() == 1);
      // The control segment has an entry for each question; one stands for nothing.
      Told<DeleteView> unentered(*engine);
      REQUIRE(unentered.count() == 1);
      CHECK(unentered.last().error_code() == SsmbError::nores);
      session.close();
      CHECK(engine->count(Counter::flows_closed_fin) == 1);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("FLOWLIFE-05 FLOWLIFE-16 a handshake that gave way goes on with its server's answer") {
  for (const Hosts& hosts : both_families()) {
    for (const bool client_is_there : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(client_is_there);
      auto engine = engine_for(hosts, table_of(2));
      Dialogue session(*engine, hosts, 1);
      session.client_sends(kTcpSyn);
      for (L4Port port = 2; evicted(*engine).empty(); ++port) {
        engine->run(Duration::seconds(1));
        Dialogue(*engine, hosts, port).client_sends(kTcpSyn);
      }
      CHECK(evicted(*engine) == std::vector<L4Port>{1});
      engine->told.clear();
      engine->clear_sent();
      engine->decide_with(go_on_at(hosts));
      session.server_sends(kTcpSyn | kTcpAck);
      Told<QueryView> queries(*engine);
      REQUIRE(queries.count() == 1);
      CHECK(queries.last().reason() == QueryReason::mid_session);
      CHECK(queries.last().tcp_flags() == (kTcpSyn | kTcpAck));
      REQUIRE(engine->to_client.size() == 1);
      Frame answer(engine->to_client[0].bytes, engine->to_client[0].offload);
      CHECK(answer.parsed().key.src == hosts.virtual_server);
      CHECK(answer.parsed().key.src_port == kServicePort);
      if (client_is_there) {
        session.client_sends(kTcpAck);
        session.server_sends(kTcpAck, 10);
        CHECK(engine->told_of<QueryView>().size() == 1);
      }
      // A half-open flow is soon forgotten, unlike an old session.
      engine->run(Duration::seconds(600));
      CHECK(engine->count(Counter::flow_entries) == (client_is_there ? 2 : 0));
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("FLOWLIFE-06 FLOWLIFE-16 an eviction tells every offset that the session goes on with") {
  constexpr uint16_t kFlags = SsmbFlags::add_tcp_offsets | SsmbFlags::add_ts_offsets |
                              SsmbFlags::scale_window | SsmbFlags::strip_sack | SsmbFlags::strip_ts;
  const auto seq_offset = [](L4Port port) { return port == 1 ? 1000u : 0; };
  const auto ack_offset = [](L4Port port) { return port == 1 ? 0xfffffff0u : 0; };
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, table_of(2));
    const auto forward = TestEngine::to_endpoint(hosts.server, kNodePort);
    engine->decide_with([&](const QueryView& query, ReplyView reply) {
      if (query.sig().src_port() == 1) {
        reply.set_flags(kFlags);
        XlatView xlat = reply.xlat();
        xlat.set_seq_offset(seq_offset(1));
        xlat.set_ack_offset(ack_offset(1));
        xlat.set_tsval_offset(7);
        xlat.set_tsecr_offset(0x80000000);
        xlat.set_wshift_c2s(2);
        xlat.set_wshift_s2c(-3);
      }
      return forward(query, reply);
    });
    for (L4Port port = 1; port <= 3; ++port) {
      Dialogue tcp(*engine, hosts, port);
      tcp.client_sends(kTcpSyn);
      engine->from_server(tcp.server(kTcpSyn | kTcpAck).ack(tcp.client_next + seq_offset(port)));
      tcp.server_next += 1 - ack_offset(port);
      tcp.client_sends(kTcpAck);
      engine->run(Duration::milliseconds(2));
    }
    Told<StateView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK((told.last().flags() & kFlags) == kFlags);
    const XlatView xlat = told.last().xlat();
    CHECK(xlat.seq_offset() == seq_offset(1));
    CHECK(xlat.ack_offset() == ack_offset(1));
    CHECK(xlat.tsval_offset() == 7);
    CHECK(xlat.tsecr_offset() == 0x80000000);
    CHECK(xlat.wshift_c2s() == 2);
    CHECK(xlat.wshift_s2c() == -3);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
