// What the control segment asks of its own accord: REAP, TIMEOUT, NEWFLOW, RESET.
#include <doctest/doctest.h>

#include "bus/signature.h"
#include "support/dialogue.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

FlowKey key_of(const Hosts& hosts, L4Port port = 40000) {
  return {hosts.client, hosts.virtual_server, port, kServicePort, kProtocolTcp, 0};
}

template <class View>
Bytes asking(uint32_t serial, const FlowKey& key, uint32_t idle_seconds) {
  Bytes bytes(View::kSize);
  View message(bytes.data());
  message.set_msg_type(View::kCode);
  message.set_serial(serial);
  store_signature(message.sig(), key);
  message.set_idle_secs(idle_seconds);
  return bytes;
}

Bytes reset(uint32_t scope = 0) {
  Bytes bytes(ResetView::kSize);
  ResetView message(bytes.data());
  message.set_msg_type(ResetView::kCode);
  message.set_scope(scope);
  return bytes;
}

// To this server; what TCP has come to is that of a Dialogue that has opened.
Bytes new_flow(uint32_t serial, const FlowKey& key, const IpAddress& server, uint32_t node = 1,
               uint8_t tcp_state = TcpState::established) {
  Bytes bytes(NewFlowView::kSize);
  NewFlowView message(bytes.data());
  message.set_msg_type(NewFlowView::kCode);
  message.set_serial(serial);
  message.set_flags(SsmbFlags::route_by_dst);
  store_signature(message.sig(), key);
  XlatView xlat = message.xlat();
  xlat.set_xlat_dst_ipaddr(server);
  xlat.set_xlat_dst_port(kNodePort);
  xlat.set_xlat_mask(XlatMask::dst_addr | XlatMask::dst_port | XlatMask::dec_ttl);
  xlat.set_vs_id(kService);
  xlat.set_node_id(node);
  message.tcps().set_tcp_state(tcp_state);
  message.tcps().set_c_nxt(1001);
  message.tcps().set_s_nxt(5001);
  return bytes;
}

uint32_t serial_of(const TestEngine& engine) { return Told<QueryView>(engine).last().serial(); }

// Opens the connection; the serial of its flow.
uint32_t opened(TestEngine& engine, Dialogue& tcp) {
  tcp.open();
  const uint32_t serial = serial_of(engine);
  engine.told.clear();
  engine.clear_sent();
  return serial;
}

TEST_CASE("FLOWLIFE-09 DFSMSG-01 a REAP ends a flow that was silent so long, with its totals") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    const uint32_t serial = opened(*engine, tcp);
    engine->run(Duration::seconds(5));
    engine->told.clear();
    engine->tell(asking<ReapView>(serial, key_of(hosts), 5));
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().reason() == EndReason::reaped);
    CHECK(told.last().error_code() == SsmbError::none);
    CHECK(told.last().serial() == serial);
    CHECK(told.last().cnt().pkts_in() == 2);
    CHECK(engine->count(Counter::flows) == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-11 SSMB-35 SSMB-36 a REAP of a flow in use is answered by its statistics") {
  for (const Hosts& hosts : both_families()) {
    for (const bool tell_only : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(tell_only);
      auto engine = engine_for(hosts);
      Dialogue tcp(*engine, hosts);
      const uint32_t serial = opened(*engine, tcp);
      engine->run(Duration::seconds(10));
      tcp.server_sends(kTcpAck, 100);
      engine->run(Duration::seconds(4));
      engine->told.clear();
      engine->tell(tell_only ? asking<TimeoutView>(serial, key_of(hosts), 5)
                             : asking<ReapView>(serial, key_of(hosts), 5));
      Told<StatsView> stats(*engine);
      REQUIRE(stats.count() == 1);
      CHECK(stats.last().error_code() == SsmbError::connalive);
      CHECK(stats.last().serial() == serial);
      CHECK(stats.last().cnt().pkts_out() == 2);
      // After a TIMEOUT the control segment has nothing left of it.
      Told<StateView> states(*engine);
      REQUIRE(states.count() == (tell_only ? 1 : 0));
      if (tell_only) {
        CHECK(states.last().error_code() == SsmbError::connalive);
        CHECK(states.last().xlat().xlat_dst_ipaddr() == hosts.server);
      }
      engine->clear_sent();
      tcp.client_sends(kTcpAck, 10);
      CHECK(engine->to_server.size() == 1);
      CHECK(engine->told_of<DeleteView>().empty());
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("FLOWLIFE-09 DFSMSG-02 a TIMEOUT removes a silent flow without a word") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    const uint32_t serial = opened(*engine, tcp);
    engine->run(Duration::seconds(5));
    engine->told.clear();
    engine->tell(asking<TimeoutView>(serial, key_of(hosts), 5));
    CHECK(engine->told.empty());
    CHECK(engine->count(Counter::flows) == 0);
    CHECK(engine->count(Counter::flows_removed) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-01 DFSMSG-01 a REAP or TIMEOUT of a flow that is not there says so") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->tell(asking<ReapView>(0x81000007, key_of(hosts), 0));
    engine->tell(asking<TimeoutView>(0x81000008, key_of(hosts), 0));
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 2);
    CHECK(told.view(0).error_code() == SsmbError::noflow);
    CHECK(told.view(0).serial() == 0x81000007);
    CHECK(load_signature(told.view(0).sig()) == key_of(hosts));
    CHECK(told.view(1).cnt().pkts_in() == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("SSMB-13 a REAP with the serial of an earlier flow touches nothing") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    const uint32_t serial = opened(*engine, tcp);
    engine->tell(asking<ReapView>(serial + 1, key_of(hosts), 0));
    CHECK(engine->count(Counter::messages_stale) == 1);
    CHECK(engine->told.empty());
    CHECK(engine->count(Counter::flows) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("HS-23 a flow in its close is not reaped, and ends as such") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    const uint32_t serial = opened(*engine, tcp);
    tcp.client_sends(kTcpFin | kTcpAck);
    engine->run(Duration::seconds(10));
    engine->told.clear();
    engine->tell(asking<ReapView>(serial, key_of(hosts), 1));
    CHECK(Told<StatsView>(*engine).last().error_code() == SsmbError::connalive);
    tcp.server_sends(kTcpFin | kTcpAck);
    tcp.client_sends(kTcpAck);
    CHECK(Told<DeleteView>(*engine).last().reason() == EndReason::fin);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFSMSG-03 DFSMSG-07 SSMB-15 the first packet of a flow that was told needs no QUERY") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    constexpr uint32_t kSerial = 0x01000001;  // made by a control segment (SSMB-16)
    engine->tell(new_flow(kSerial, key_of(hosts), hosts.server));
    CHECK(engine->count(Counter::flows) == 1);
    Dialogue tcp(*engine, hosts);
    tcp.client_next = 1001;
    tcp.server_next = 5001;
    tcp.client_sends(kTcpAck, 10);
    tcp.server_sends(kTcpAck, 20);
    CHECK(engine->to_server.size() == 1);
    CHECK(engine->to_client.size() == 1);
    CHECK(engine->told_of<QueryView>().empty());
    // A RST counts only where the session stands (TCPX-36).
    engine->from_client(tcp.client(kTcpRst).seq(tcp.client_next + 5000));
    CHECK(engine->count(Counter::flows) == 1);
    tcp.client_sends(kTcpRst);
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().serial() == kSerial);
    CHECK(told.last().reason() == EndReason::rst);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFSMSG-04 a NEWFLOW about a live flow moves it, and its counts go on") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    opened(*engine, tcp);
    Hosts others = hosts;
    others.server.bytes[15] = static_cast<uint8_t>(others.server.bytes[15] + 1);
    engine->introduce(others);
    engine->told.clear();
    const uint64_t entries = engine->count(Counter::flow_entries);
    engine->tell(new_flow(0x01000002, key_of(hosts), others.server, 2));
    engine->clear_sent();
    CHECK(engine->count(Counter::flow_entries) == entries);
    tcp.client_sends(kTcpAck, 10);
    REQUIRE(engine->to_server.size() == 1);
    CHECK(Sent(engine->to_server[0]).key().dst == others.server);
    Dialogue moved(*engine, others);
    moved.client_next = tcp.client_next;
    moved.server_next = tcp.server_next;
    moved.server_sends(kTcpAck, 20);
    REQUIRE(engine->to_client.size() == 1);
    CHECK(Sent(engine->to_client[0]).key().src == hosts.virtual_server);
    moved.close();
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().serial() == 0x01000002);
    CHECK(told.last().node_hint() == 2);
    CHECK(told.last().cnt().pkts_in() == 5);
    CHECK(told.last().cnt().pkts_out() == 3);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE(
    "DFSMSG-04 a live flow that a NEWFLOW sends where it cannot go has ended, and is counted") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    opened(*engine, tcp);
    engine->told.clear();
    // An address of the engine's own is no next hop.
    engine->tell(new_flow(0x01000002, key_of(hosts), hosts.engine, 2));
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().serial() == 0x01000002);
    CHECK(told.last().error_code() == SsmbError::nores);
    CHECK(engine->count(Counter::flows) == 0);
    CHECK(engine->count(Counter::flows_removed) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFSMSG-06 a NEWFLOW finds room in a full table, as any other flow does") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.flows = 10;
    auto engine = engine_for(hosts, options);
    for (L4Port port = 1; port <= 10; ++port) {
      Dialogue(*engine, hosts, port).open();
      engine->run(Duration::milliseconds(2));
    }
    engine->told.clear();
    engine->tell(new_flow(0x01000001, key_of(hosts, 100), hosts.server));
    Told<StateView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().error_code() == SsmbError::evicted);
    CHECK(told.last().sig().src_port() == 1);
    CHECK(engine->count(Counter::flows) == 10);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFSMSG-03 a NEWFLOW decides what waits for a decision") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    CHECK(engine->to_server.empty());
    engine->tell(new_flow(0x01000001, key_of(hosts), hosts.server, 1, TcpState::none));
    CHECK(engine->to_server.size() == 1);
    CHECK(engine->count(Counter::waiting_flows) == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFSMSG-05 CS-13 a RESET ends all flows, keeps virtual servers, and new flows work") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    constexpr L4Port kFlows = 5000;
    TestEngineOptions options;
    options.limits.flows = 2 * kFlows;
    options.limits.bus_bytes = 4 << 20;
    auto engine = engine_for(hosts, options);
    for (L4Port port = 1; port <= kFlows; ++port) {
      Dialogue(*engine, hosts, port).client_sends(kTcpSyn);
      engine->told.clear();
    }
    // In the same instant: what comes after it stays.
    engine->tell(reset());
    engine->tell(new_flow(0x01000001, key_of(hosts, 60000), hosts.server));
    Dialogue(*engine, hosts, 60001).open();
    engine->run(Duration::milliseconds(10));
    Told<DeleteView> told(*engine);
    CHECK(told.count() == kFlows);
    CHECK(told.last().reason() == EndReason::reset);
    CHECK(engine->count(Counter::flows) == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFSMSG-05 a RESET of one virtual server leaves the flows of others") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->from_client(client_datagram(hosts));
    engine->told.clear();
    engine->tell(reset(kService));
    engine->run(Duration::milliseconds(1));
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().sig().protocol() == kProtocolTcp);
    CHECK(engine->count(Counter::flows) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFSMSG-08 DFSMSG-09 what is none of these counts as invalid and harms nothing") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    const uint32_t serial = opened(*engine, tcp);
    uint64_t invalid = 0;
    for (const uint8_t code : {0x01, 0x02, 0x05, 0x08, 0x0d, 0x7f, 0xff}) {
      Bytes bytes(100, 0);
      bytes[0] = code;
      engine->tell(bytes);
      CHECK(engine->count(Counter::messages_invalid) == ++invalid);
    }
    engine->tell(asking<ReapView>(serial, key_of(hosts), 60));
    CHECK(Told<StatsView>(*engine).last().error_code() == SsmbError::connalive);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
