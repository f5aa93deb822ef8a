// More new flows than the control segment decides, or none decided at all.
#include <doctest/doctest.h>

#include "support/dialogue.h"

namespace sluice {
namespace {

using namespace test;

TestEngine::Decider decider_for(const Hosts& hosts) {
  return TestEngine::to_endpoint(hosts.server, kNodePort);
}

TEST_CASE("DFS-19 SSMB-12 a QUERY that nobody has read is not repeated") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    engine->read_messages(false);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    engine->run(Duration::milliseconds(150));
    CHECK(engine->count(Counter::queries_repeated) == 0);
    engine->read_messages(true);
    engine->poll();
    CHECK(engine->told_of<QueryView>().size() == 1);
    // Read now, and not answered.
    engine->run(Duration::milliseconds(100));
    CHECK(engine->told_of<QueryView>().size() == 2);
    engine->answer_all(decider_for(hosts));
    CHECK(engine->to_server.size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE(
    "DFS-19 FLOWLIFE-04 a flood of questions leaves room to tell of ends, and is asked later") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits = {.flows = 2000,
                      .waiting_flows = 1000,
                      .waiting_packets = 1,
                      .packet_buffers = 2000,
                      .fragmented_datagrams = 64,
                      .waiting_fragments = 32,
                      .bus_bytes = 1 << 16};
    auto engine = engine_for(hosts, options);
    Dialogue known(*engine, hosts, 39'999);
    known.open();
    engine->decide_with(nullptr);
    engine->told.clear();
    engine->read_messages(false);
    for (L4Port port = 1; port <= 1000; ++port) engine->from_client(client_datagram(hosts, port));
    CHECK(engine->count(Counter::waiting_flows) == 1000);
    CHECK(engine->count(Counter::messages_unsent) > 0);
    known.client_sends(kTcpRst);
    engine->read_messages(true);
    engine->poll();
    CHECK(Told<DeleteView>(*engine).count() == 1);
    CHECK(engine->told_of<QueryView>().size() < 1000);
    engine->answer_all(decider_for(hosts));
    CHECK(engine->count(Counter::waiting_flows) > 0);
    engine->run(Duration::milliseconds(60));
    engine->answer_all(decider_for(hosts));
    CHECK(engine->count(Counter::waiting_flows) == 0);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
