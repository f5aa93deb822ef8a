// The flow table, read by STATE_REQ.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/dialogue.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

Bytes request(uint64_t cursor = 0, uint16_t max_records = 0) {
  Bytes bytes(StateReqView::kSize);
  StateReqView message(bytes.data());
  message.set_msg_type(StateReqView::kCode);
  message.set_cursor(cursor);
  message.set_max_records(max_records);
  return bytes;
}

std::unique_ptr<TestEngine> engine_with_flows(const Hosts& hosts, uint32_t flows,
                                              size_t bus_bytes = 1 << 20) {
  TestEngineOptions options;
  options.limits.flows = std::max(flows, 2000u);
  options.limits.bus_bytes = bus_bytes;
  auto engine = engine_for(hosts, options);
  for (uint32_t i = 0; i < flows; ++i) {
    Dialogue(*engine, hosts, static_cast<L4Port>(i + 1)).open();
    engine->told.clear();
  }
  return engine;
}

// Client ports of the records told so far, sorted.
std::vector<L4Port> ports_of(const TestEngine& engine) {
  std::vector<L4Port> ports;
  Told<StateView> told(engine);
  for (size_t i = 0; i < told.count(); ++i) ports.push_back(told.view(i).sig().src_port());
  std::sort(ports.begin(), ports.end());
  return ports;
}

std::vector<L4Port> ports_up_to(L4Port last) {
  std::vector<L4Port> ports;
  for (L4Port port = 1; port <= last; ++port) ports.push_back(port);
  return ports;
}

TEST_CASE("DFS-21 a dump shows every live flow once, the last record has next_cursor 0") {
  for (const Hosts& hosts : both_families()) {
    for (const L4Port flows : {1, 2, 1900}) {
      CAPTURE(hosts.family);
      CAPTURE(flows);
      auto engine = engine_with_flows(hosts, flows);
      engine->tell(request());
      engine->run(Duration::milliseconds(10));
      CHECK(ports_of(*engine) == ports_up_to(flows));
      Told<StateView> told(*engine);
      for (size_t i = 0; i + 1 < told.count(); ++i) CHECK(told.view(i).next_cursor() != 0);
      CHECK(told.last().next_cursor() == 0);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("DFS-21 SSMB-24 a STATE record has the signature, translation, TCP state and totals") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with([&](const QueryView& query, ReplyView reply) {
      TestEngine::to_endpoint(hosts.server, kNodePort, 33)(query, reply);
      XlatView xlat = reply.xlat();
      xlat.set_xlat_mask(xlat.xlat_mask() | XlatMask::tos);
      xlat.set_xlat_tos(46 << 2);
      xlat.set_idle_timeout(77);
      xlat.set_seq_offset(0);
      xlat.set_ack_offset(0xfffffff0);
      reply.set_flags(reply.flags() | SsmbFlags::add_tcp_offsets);
      return true;
    });
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    const uint64_t opened = engine->wall_us();
    const uint32_t serial = Told<QueryView>(*engine).last().serial();
    engine->tell(request());
    Told<StateView> told(*engine);
    REQUIRE(told.count() == 1);
    const StateView state = told.last();
    const FlowKey key{hosts.client, hosts.virtual_server, 40000, kServicePort, kProtocolTcp, 0};
    CHECK(state.serial() == serial);
    CHECK(load_signature(state.sig()) == key);
    CHECK(state.flags() == SsmbFlags::add_tcp_offsets);
    const XlatView xlat = state.xlat();
    CHECK(xlat.xlat_src_ipaddr() == hosts.client);
    CHECK(xlat.xlat_dst_ipaddr() == hosts.server);
    CHECK(xlat.xlat_src_port() == 40000);
    CHECK(xlat.xlat_dst_port() == kNodePort);
    CHECK(xlat.xlat_mask() == (XlatMask::src_addr | XlatMask::dst_addr | XlatMask::src_port |
                               XlatMask::dst_port | XlatMask::tos | XlatMask::dec_ttl));
    CHECK(xlat.xlat_tos() == (46 << 2));
    CHECK(xlat.idle_timeout() == 77);
    CHECK(xlat.ack_offset() == 0xfffffff0);
    CHECK(xlat.node_id() == 33);
    CHECK(xlat.vs_id() == kService);
    CHECK(state.tcps().tcp_state() == TcpState::opening);
    CHECK(state.tcps().origin() == 1);
    CHECK(state.tcps().c_nxt() == 1001);
    CHECK(state.cnt().pkts_in() == 1);
    CHECK(state.cnt().pkts_out() == 0);
    CHECK(state.cnt().t_open() == opened);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-21 HS-22 the TCP state of a dump after each packet of a close") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    const auto state = [&] {
      engine->told.clear();
      engine->tell(request());
      return int{Told<StateView>(*engine).last().tcps().tcp_state()};
    };
    tcp.client_sends(kTcpSyn);
    CHECK(state() == TcpState::opening);
    tcp.server_sends(kTcpSyn | kTcpAck);
    CHECK(state() == TcpState::opening);
    tcp.client_sends(kTcpAck);
    CHECK(state() == TcpState::established);
    tcp.server_sends(kTcpFin | kTcpAck);
    CHECK(state() == TcpState::server_closed);
    tcp.client_sends(kTcpAck);
    CHECK(state() == TcpState::server_closed);
    tcp.client_sends(kTcpFin | kTcpAck);
    CHECK(state() == TcpState::both_closed);
    tcp.server_sends(kTcpAck);
    engine->told.clear();
    engine->tell(request());
    CHECK(Told<StateView>(*engine).last().serial() == 0);  // it is over
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-21 an empty table gives one record without a signature") {
  for (const uint16_t max_records : {0, 5}) {
    auto engine = engine_for(both_families()[0]);
    engine->tell(request(0, max_records));
    Told<StateView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().next_cursor() == 0);
    CHECK(told.last().serial() == 0);
    CHECK(told.last().sig().src_ipaddr().is_zero());
  }
}

TEST_CASE("DFS-21 pages by max_records show every flow once") {
  for (const Hosts& hosts : both_families()) {
    for (const uint16_t page : {1, 7, 99, 100, 101}) {
      CAPTURE(hosts.family);
      CAPTURE(page);
      auto engine = engine_with_flows(hosts, 100);
      uint64_t cursor = 0;
      size_t records = 0;
      do {
        engine->tell(request(cursor, page));
        Told<StateView> told(*engine);
        CHECK(told.count() - records <= page);
        CHECK(told.count() > records);
        records = told.count();
        cursor = told.last().next_cursor();
      } while (cursor != 0);
      CHECK(ports_of(*engine) == ports_up_to(100));
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("DFS-21 a dump that finds the ring full goes on, while flows come and go") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with_flows(hosts, 200, 4096);  // room for 18 records
    engine->read_messages(false);
    engine->tell(request());
    for (int i = 0; i < 5; ++i) engine->run(Duration::milliseconds(1));
    engine->read_messages(true);
    engine->poll();
    CHECK(ports_of(*engine).size() < 40);
    // Those that have not been told yet end, but for one; a new one takes the place of another.
    engine->decide_with(nullptr);
    for (L4Port port = 200; port > 60; --port) {
      if (port == 150) continue;
      engine->from_client(Dialogue(*engine, hosts, port).client(kTcpRst).seq(1001));
    }
    engine->run(Duration::milliseconds(100));
    const std::vector<L4Port> ports = ports_of(*engine);
    CHECK(std::adjacent_find(ports.begin(), ports.end()) == ports.end());
    for (L4Port port = 1; port <= 60; ++port) {
      CHECK(std::binary_search(ports.begin(), ports.end(), port));
    }
    CHECK(std::binary_search(ports.begin(), ports.end(), L4Port{150}));
    CHECK(Told<StateView>(*engine).last().next_cursor() == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-21 a dump of a sparse table finds the flows far behind, packets served between") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    constexpr L4Port kFlows = 10000;
    auto engine = engine_with_flows(hosts, kFlows);
    for (L4Port port = 2; port < kFlows; ++port) {
      engine->from_client(Dialogue(*engine, hosts, port).client(kTcpRst).seq(1001));
      engine->told.clear();
    }
    engine->tell(request());
    CHECK(engine->told_of<StateView>().empty());  // not found within one look
    engine->clear_sent();
    engine->from_client(Dialogue(*engine, hosts, 1).client(kTcpAck).seq(1001).payload(10));
    CHECK(engine->to_server.size() == 1);
    engine->run(Duration::milliseconds(10));
    CHECK(ports_of(*engine) == std::vector<L4Port>{1, kFlows});
    CHECK(Told<StateView>(*engine).last().next_cursor() == 0);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
