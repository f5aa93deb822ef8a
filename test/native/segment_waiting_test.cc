// Flows that wait for a decision, and the packets that wait with them.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/dialogue.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

TestEngine::Decider decider_for(const Hosts& hosts) {
  return TestEngine::to_endpoint(hosts.server, kNodePort);
}

PacketBuilder numbered_datagram(const Hosts& hosts, uint8_t number) {
  return client_datagram(hosts).payload(std::vector<uint8_t>(20, number));
}

uint8_t last_byte(const MemoryFrame& frame) { return frame.bytes.back(); }

TEST_CASE("DFS-18 DFS-06 20 datagrams that come before the REPLY leave after it, in their order") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.waiting_packets = 32;
    auto engine = engine_for(hosts, options);
    engine->decide_with(nullptr);
    for (uint8_t i = 0; i < 20; ++i) engine->from_client(numbered_datagram(hosts, i));
    CHECK(engine->told_of<QueryView>().size() == 1);
    CHECK(engine->to_server.empty());
    CHECK(engine->count(Counter::waiting_packets) == 20);
    CHECK(engine->balanced());
    engine->answer_all(decider_for(hosts));
    REQUIRE(engine->to_server.size() == 20);
    for (uint8_t i = 0; i < 20; ++i) {
      CHECK(last_byte(engine->to_server[i]) == i);
      Sent sent(engine->to_server[i]);
      CHECK(sent.key().dst == hosts.server);
      CHECK(checksum_fault(sent.packet()) == "");
    }
    engine->from_client(numbered_datagram(hosts, 20));
    REQUIRE(engine->to_server.size() == 21);
    CHECK(engine->settle() == "");
    Told<DeleteView> ended(*engine);
    REQUIRE(ended.count() == 1);
    CHECK(ended.last().cnt().pkts_in() == 21);
  }
}

TEST_CASE("DFS-18 packets of one batch wait, and pass again once they are decided, in order") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    for (uint8_t i = 0; i < 5; ++i) {
      Frame frame = numbered_datagram(hosts, i).eth(kClientMac, kOutsideMac).build();
      engine->feed(0, frame);
    }
    engine->poll();
    CHECK(engine->told_of<QueryView>().size() == 1);
    REQUIRE(engine->to_server.size() == 5);
    for (uint8_t i = 0; i < 5; ++i) CHECK(last_byte(engine->to_server[i]) == i);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-18 a waiting super-packet of 64 KB leaves as one") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    engine->from_client(tcp.client(kTcpAck).payload(64'000).gso(1400));
    engine->answer_all(decider_for(hosts));
    REQUIRE(engine->to_server.size() == 2);
    Sent sent(engine->to_server[1]);
    CHECK(sent.packet().offload.gso_size == 1400);
    CHECK(sent.packet().headers.end - sent.packet().headers.payload == 64'000);
    CHECK(checksum_fault(sent.packet()) == "");
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("HS-05 SYN retransmissions while the first waits reach the server once") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    for (int i = 0; i < 3; ++i) engine->from_client(tcp.client(kTcpSyn));
    CHECK(engine->dropped(DropReason::waiting_duplicate) == 2);
    CHECK(engine->told_of<QueryView>().size() == 1);
    engine->answer_all(decider_for(hosts));
    CHECK(engine->to_server.size() == 1);
    engine->from_client(tcp.client(kTcpSyn));  // after the decision it is the server's to judge
    CHECK(engine->to_server.size() == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("HS-05 a SYN behind something else is no duplicate") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpAck, 10);
    tcp.client_sends(kTcpSyn);
    engine->answer_all(decider_for(hosts));
    CHECK(engine->to_server.size() == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("HS-05 everything else that a client sends meanwhile waits behind its SYN") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    tcp.client_sends(kTcpAck, 10);
    tcp.client_sends(kTcpAck | kTcpPsh, 20);
    tcp.client_sends(kTcpFin | kTcpAck);
    engine->answer_all(decider_for(hosts));
    REQUIRE(engine->to_server.size() == 4);
    const uint8_t flags[] = {kTcpSyn, kTcpAck, kTcpAck | kTcpPsh, kTcpFin | kTcpAck};
    for (size_t i = 0; i < 4; ++i) CHECK(Sent(engine->to_server[i]).flags() == flags[i]);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("SSMB-08 DFS-17 many flows wait together; replies come in any order, known flows pass") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits = {.flows = 2000,
                      .waiting_flows = 1000,
                      .waiting_packets = 4,
                      .packet_buffers = 2000,
                      .fragmented_datagrams = 64,
                      .waiting_fragments = 32,
                      .bus_bytes = 1 << 20};
    auto engine = engine_for(hosts, options);
    Dialogue known(*engine, hosts, 39'999);
    known.open();
    engine->decide_with(nullptr);
    engine->told.clear();
    engine->clear_sent();
    for (L4Port port = 40'000; port < 41'000; ++port) {
      engine->from_client(Dialogue(*engine, hosts, port).client(kTcpSyn));
    }
    std::vector<TestEngine::Bytes> queries = engine->told_of<QueryView>();
    REQUIRE(queries.size() == 1000);
    CHECK(engine->count(Counter::waiting_flows) == 1000);
    known.client_sends(kTcpAck, 100);
    REQUIRE(engine->to_server.size() == 1);
    engine->clear_sent();
    Random random(3);
    for (size_t left = queries.size(); left > 0; --left) {
      std::swap(queries[random.below(left)], queries[left - 1]);
      const FlowKey key = load_signature(QueryView(queries[left - 1].data()).sig());
      engine->tell(TestEngine::reply_to(queries[left - 1], decider_for(hosts)));
      REQUIRE(engine->to_server.size() == queries.size() - left + 1);
      CHECK(Sent(engine->to_server.back()).key().src_port == key.src_port);
    }
    CHECK(engine->told_of<QueryView>().size() == 1000);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-19 SSMB-12 a QUERY is repeated after 50, 100 and 200 ms, and given up after 400") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    engine->from_client(Dialogue(*engine, hosts).client(kTcpSyn));
    const TestEngine::Bytes first = engine->told_of<QueryView>().at(0);
    std::vector<int> repeated_at;
    int gone_at = 0;
    for (int ms = 1; ms <= 500; ++ms) {
      engine->run(Duration::milliseconds(1));
      const std::vector<TestEngine::Bytes> queries = engine->told_of<QueryView>();
      if (queries.size() > repeated_at.size() + 1) {
        repeated_at.push_back(ms);
        CHECK(queries.back() == first);
      }
      if (gone_at == 0 && engine->count(Counter::waiting_flows) == 0) gone_at = ms;
    }
    CHECK(repeated_at == std::vector<int>{50, 100, 200});
    CHECK(gone_at == 400);
    CHECK(engine->dropped(DropReason::waiting_expired) == 1);
    CHECK(engine->count(Counter::queries) == 1);
    CHECK(engine->count(Counter::queries_repeated) == 3);
    CHECK(engine->count(Counter::flow_entries) == 0);
    // The client's next SYN asks again, as another flow.
    engine->from_client(Dialogue(*engine, hosts).client(kTcpSyn));
    const TestEngine::Bytes next = engine->told.back();
    CHECK(SsmbHeader(TestEngine::Bytes(next).data()).serial() !=
          SsmbHeader(TestEngine::Bytes(first).data()).serial());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-19 SSMB-12 a REPLY to the repeated QUERY opens the flow, a second one is harmless") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    engine->run(Duration::milliseconds(60));
    CHECK(engine->told_of<QueryView>().size() == 2);
    engine->answer_all(decider_for(hosts));  // to both
    CHECK(engine->to_server.size() == 1);
    CHECK(engine->count(Counter::replies) == 1);
    CHECK(engine->count(Counter::flows_opened) == 1);
    CHECK(engine->count(Counter::messages_stale) == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-19 what waits is bounded for each flow and in total, each bound has its counter") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits = {.flows = 64,
                      .waiting_flows = 10,
                      .waiting_packets = 8,
                      .packet_buffers = 40,
                      .fragmented_datagrams = 64,
                      .waiting_fragments = 32,
                      .bus_bytes = 1 << 16};
    auto engine = engine_for(hosts, options);
    engine->decide_with(nullptr);
    for (int i = 0; i < 10; ++i) engine->from_client(client_datagram(hosts));
    CHECK(engine->dropped(DropReason::waiting_flow_full) == 2);
    for (L4Port port = 1; port < 20; ++port) engine->from_client(client_datagram(hosts, port));
    CHECK(engine->count(Counter::waiting_flows) == 10);
    CHECK(engine->dropped(DropReason::waiting_full) == 10);
    for (L4Port port = 1; port < 10; ++port) {
      for (int i = 0; i < 7; ++i) engine->from_client(client_datagram(hosts, port));
    }
    CHECK(engine->count(Counter::waiting_packets) == 40);
    CHECK(engine->count(Counter::pool_buffers) == 40);
    CHECK(engine->dropped(DropReason::pool_exhausted) == 8 + 9 * 8 - 40);
    CHECK(engine->balanced());
    engine->run(Duration::milliseconds(400));
    CHECK(engine->dropped(DropReason::waiting_expired) == 40);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-19 a packet without a buffer opens no flow and pushes none out of a full table") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.flows = 2;
    options.limits.packet_buffers = 1;
    auto engine = engine_for(hosts, options);
    Dialogue(*engine, hosts, 1).open();
    Dialogue(*engine, hosts, 2).open();
    Dialogue(*engine, hosts, 5).client_sends(kTcpSyn);
    engine->decide_with(nullptr);
    Dialogue evicting(*engine, hosts, 3);
    evicting.client_sends(kTcpSyn);  // takes the only buffer, and the place of the half-open one
    CHECK(engine->count(Counter::flows_evicted) == 1);
    engine->run(Duration::milliseconds(1));
    engine->from_client(Dialogue(*engine, hosts, 4).client(kTcpSyn));
    CHECK(engine->dropped(DropReason::pool_exhausted) == 1);
    CHECK(engine->count(Counter::flows_evicted) == 1);
    CHECK(engine->count(Counter::waiting_flows) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE(
    "DFS-17 DFS-19 SSMB-06 a full ring stops no packet, and what was not told is told later") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.bus_bytes = 4096;  // room for 51 QUERY messages
    options.limits.waiting_flows = 64;
    auto engine = engine_for(hosts, options);
    Dialogue known(*engine, hosts, 39'999);
    known.open();
    engine->read_messages(false);
    for (L4Port port = 40'000; port < 40'060; ++port) {
      engine->from_client(Dialogue(*engine, hosts, port).client(kTcpSyn));
    }
    CHECK(engine->count(Counter::messages_unsent) >= 60 - 51);
    engine->clear_sent();
    known.client_sends(kTcpAck, 100);
    CHECK(engine->to_server.size() == 1);
    engine->read_messages(true);
    engine->run(Duration::milliseconds(60));  // those that found no room are asked again
    CHECK(engine->to_server.size() == 61);
    CHECK(engine->count(Counter::waiting_flows) == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-18 a RST that waits behind its SYN is sent on and ends the flow") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    tcp.client_sends(kTcpRst);
    engine->answer_all(decider_for(hosts));
    CHECK(engine->to_server.size() == 2);
    CHECK(engine->count(Counter::flows_closed_rst) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("SSMB-10 SSMB-13 of two questions that were given up, the later one's answer stands") {
  for (const Hosts& hosts : both_families()) {
    for (const bool in_order : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(in_order);
      auto engine = engine_for(hosts);
      engine->decide_with(nullptr);
      const auto syn = [&] {
        return PacketBuilder().ip(hosts.client, hosts.virtual_server).tcp(40000, 80, kTcpSyn);
      };
      engine->from_client(syn());
      engine->run(Duration::seconds(1));
      engine->from_client(syn());
      engine->run(Duration::seconds(1));
      CHECK(engine->count(Counter::waiting_flows) == 0);
      auto queries = engine->told_of<QueryView>();
      std::vector<uint8_t> last = queries.back();
      const uint32_t serial = QueryView(last.data()).serial();
      if (!in_order) std::reverse(queries.begin(), queries.end());
      for (const auto& query : queries)
        engine->tell(TestEngine::reply_to(query, decider_for(hosts)));
      CHECK(engine->count(Counter::flow_entries) == 2);
      CHECK((engine->count(Counter::messages_stale) > 0) == !in_order);
      engine->told.clear();
      engine->from_client(syn());
      CHECK(engine->to_server.size() == 1);
      CHECK(engine->settle() == "");
      Told<DeleteView> ended(*engine);
      REQUIRE(ended.count() == 1);
      CHECK(ended.last().serial() == serial);
    }
  }
}

}  // namespace
}  // namespace sluice
