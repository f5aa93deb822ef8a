// The generated corpus of hostile frames through bridged ports.
#include <doctest/doctest.h>

#include "support/hostile_frames.h"
#include "support/test_switch.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE(
    "DFS-26 ARCH-09 hostile frames pass a bridge or are dropped, each once, and open no flow of a "
    "server") {
  TestSwitchOptions options;
  options.workers = 2;
  options.ports[2] = {};  // cuts and completes in software
  TestSwitch bridge(options);
  std::vector<HostileTarget> targets;
  uint16_t id = 1;
  for (const Hosts& hosts : both_families()) {
    bridge.add_virtual_server(id++, hosts.virtual_server, 80, station_ip(hosts, 20));
    // As the engine's station, and as another that its virtual server listens in on.
    targets.push_back({hosts.virtual_server, 80, bridge_mac()});
    targets.push_back({hosts.virtual_server, 80, station_mac(100)});
  }
  HostileFrames hostile(29, targets);
  const uint64_t frames = rounds(30'000);
  for (uint64_t i = 0; i < frames; ++i) {
    bridge.arrive(static_cast<PortId>(i % 3), hostile.next(), i / 3 % 2);
    if (i % 16 != 0) continue;
    for (const PortId port : {0, 1, 2}) bridge.left(port);
    bridge.skip(Duration::milliseconds(1));
  }
  CHECK(bridge.sum(Counter::received) >= frames);
  CHECK(bridge.sum(Counter::bridged) > 0);
  for (const auto& query : bridge.queries) {
    CHECK(QueryView(const_cast<uint8_t*>(query.data())).vs_id() == 0);
  }
  CHECK(bridge.balanced());
}

}  // namespace
}  // namespace sluice
