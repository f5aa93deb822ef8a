// The generated corpus of hostile frames through a whole segment.
#include <doctest/doctest.h>

#include "support/dialogue.h"
#include "support/hostile_frames.h"

namespace sluice {
namespace {

using namespace test;

// Frames that come from outside, of any kind but sound, to an engine with virtual servers for both
// protocols and IP versions.
TEST_CASE("DFS-26 100 000 hostile frames: no flow, nobody is asked, every frame has its fate") {
  std::vector<HostileTarget> targets;
  TestEngine engine;
  uint16_t id = 1;
  for (const Hosts& hosts : both_families()) {
    engine.introduce(hosts);
    engine.add_virtual_server(id++, hosts.virtual_server, kServicePort);
    engine.add_virtual_server(id++, hosts.virtual_server, kServicePort, kProtocolUdp);
    targets.push_back({hosts.virtual_server, kServicePort, kOutsideMac});
  }
  engine.told.clear();
  const uint64_t before = engine.count(Counter::received);
  HostileFrames hostile(26, targets);
  const uint64_t frames = rounds(100'000);
  for (uint64_t i = 0; i < frames; ++i) {
    Frame frame = hostile.next();
    REQUIRE(engine.feed(0, frame));
    if (i % kBatchCapacity == 0) {
      engine.poll();
      engine.clear_sent();
    }
  }
  engine.poll();
  CHECK(engine.count(Counter::received) == before + frames);
  CHECK(engine.balanced());
  CHECK(engine.count(Counter::queries) == 0);
  CHECK(engine.count(Counter::flow_entries) == 0);
  CHECK(engine.told.empty());
  CHECK(engine.settle() == "");
}

TEST_CASE("DFS-26 hostile frames beside a live flow do it no harm") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    HostileFrames hostile(27, {{hosts.virtual_server, kServicePort, kOutsideMac}});
    for (int i = 0; i < 5'000; ++i) {
      engine->inject(0, hostile.next());
      if (i % 100 != 0) continue;
      engine->clear_sent();
      tcp.client_sends(kTcpAck, 10);
      tcp.server_sends(kTcpAck, 10);
      REQUIRE(engine->to_server.size() == 1);
      REQUIRE(engine->to_client.size() == 1);
    }
    tcp.close();
    CHECK(engine->count(Counter::flows_closed_fin) == 1);
    CHECK(engine->count(Counter::queries) == 1);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
