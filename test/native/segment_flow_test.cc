#include <doctest/doctest.h>

#include "support/packet_check.h"
#include "support/test_engine.h"

namespace sluice {
namespace {

using namespace test;

PacketBuilder client_segment(const Hosts& hosts, uint8_t flags, uint32_t seq, uint32_t ack) {
  return PacketBuilder()
      .ip(hosts.client, hosts.virtual_server)
      .tcp(40000, 80, flags)
      .seq(seq)
      .ack(ack);
}

PacketBuilder server_segment(const Hosts& hosts, uint8_t flags, uint32_t seq, uint32_t ack) {
  return PacketBuilder().ip(hosts.server, hosts.client).tcp(8080, 40000, flags).seq(seq).ack(ack);
}

// An engine with one virtual server and a control segment that knows one node.
std::unique_ptr<TestEngine> engine_for(const Hosts& hosts, const TestEngineOptions& options = {}) {
  auto engine = std::make_unique<TestEngine>(options);
  engine->add_virtual_server(7, hosts.virtual_server, 80);
  engine->introduce(hosts);
  engine->decide_with(TestEngine::to_endpoint(hosts.server, 8080));
  engine->told.clear();
  return engine;
}

void open_connection(TestEngine& engine, const Hosts& hosts) {
  engine.from_client(client_segment(hosts, kTcpSyn, 1000, 0));
  engine.from_server(server_segment(hosts, kTcpSyn | kTcpAck, 5000, 1001));
  engine.from_client(client_segment(hosts, kTcpAck, 1001, 5001));
}

TEST_CASE("DFS-06 DFS-07 DFS-09 HS-04 HS-06 one QUERY opens a flow, both directions then pass") {
  for (const Hosts& hosts : both_families()) {
    for (const bool partial : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(partial);
      auto engine = engine_for(hosts);
      PacketBuilder syn = client_segment(hosts, kTcpSyn, 1000, 0);
      if (partial) syn.partial();
      engine->from_client(syn);
      CAPTURE(engine->figures());
      REQUIRE(engine->told_of<QueryView>().size() == 1);
      REQUIRE(engine->to_server.size() == 1);
      Sent sent(engine->to_server[0]);
      CHECK(sent.key().src == hosts.client);
      CHECK(sent.key().dst == hosts.server);
      CHECK(sent.key().dst_port == 8080);
      CHECK(sent.packet().offload.needs_checksum == partial);
      CHECK(checksum_fault(sent.packet()) == "");
      engine->from_server(server_segment(hosts, kTcpSyn | kTcpAck, 5000, 1001));
      REQUIRE(engine->to_client.size() == 1);
      Sent answer(engine->to_client[0]);
      CHECK(answer.key().src == hosts.virtual_server);
      CHECK(answer.key().src_port == 80);
      CHECK(answer.key().dst == hosts.client);
      CHECK(checksum_fault(answer.packet()) == "");
      CHECK(engine->told_of<QueryView>().size() == 1);
      CHECK(engine->balanced());
    }
  }
}

TEST_CASE("HS-22 HS-24 STAT-02 a closed connection is told at once, with its totals, and lingers") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    open_connection(*engine, hosts);
    engine->from_client(client_segment(hosts, kTcpFin | kTcpAck, 1001, 5001));
    engine->from_server(server_segment(hosts, kTcpFin | kTcpAck, 5001, 1002));
    CHECK(engine->told_of<DeleteView>().empty());
    engine->from_client(client_segment(hosts, kTcpAck, 1002, 5002));
    REQUIRE(engine->told_of<DeleteView>().size() == 1);
    auto bytes = engine->told_of<DeleteView>()[0];
    const DeleteView message(bytes.data());
    CHECK(message.reason() == EndReason::fin);
    CHECK(message.cnt().pkts_in() == 4);
    CHECK(message.cnt().pkts_out() == 2);
    const uint64_t header = hosts.client.is_v4() ? 40 : 60;
    CHECK(message.cnt().bytes_in() == 4 * header);
    CHECK(message.cnt().bytes_out() == 2 * header);
    CHECK(engine->count(Counter::time_wait) == 1);
    CHECK(engine->count(Counter::flows) == 0);
    engine->run(Duration::seconds(6));
    CHECK(engine->count(Counter::time_wait) == 0);
    CHECK(engine->count(Counter::flow_entries) == 0);
    CHECK(engine->balanced());
  }
}

TEST_CASE("DFS-20 FLOWLIFE-04 a flow that ends while its packet is in the batch still sends it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.flows = 1;
    auto engine = engine_for(hosts, options);
    open_connection(*engine, hosts);
    engine->from_client(client_segment(hosts, kTcpFin | kTcpAck, 1001, 5001));
    engine->from_server(server_segment(hosts, kTcpFin | kTcpAck, 5001, 1002));
    engine->from_client(client_segment(hosts, kTcpAck, 1002, 5002));
    engine->clear_sent();
    // One batch: a late ACK of the closed flow, and a SYN of another that takes its place.
    Frame late = client_segment(hosts, kTcpAck, 1002, 5002).eth(kClientMac, kOutsideMac).build();
    Frame syn = PacketBuilder()
                    .eth(kClientMac, kOutsideMac)
                    .ip(hosts.client, hosts.virtual_server)
                    .tcp(40001, 80, kTcpSyn)
                    .build();
    engine->feed(0, late);
    engine->feed(0, syn);
    engine->poll();
    REQUIRE(engine->to_server.size() == 2);
    Sent first(engine->to_server[0]), second(engine->to_server[1]);
    CHECK(first.key().dst == hosts.server);
    CHECK(first.key().src_port == 40000);
    CHECK(checksum_fault(first.packet()) == "");
    CHECK(second.key().src_port == 40001);
    CHECK(engine->count(Counter::flow_entries) == 2);
    CHECK(engine->balanced());
  }
}

}  // namespace
}  // namespace sluice
