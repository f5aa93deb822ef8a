// Thousands of random connections against what must hold whatever happens.
#include <doctest/doctest.h>

#include "support/random_life.h"

namespace sluice {
namespace {

using namespace test;

TestEngineOptions small_world(uint64_t seed) {
  TestEngineOptions options;
  options.seed = seed;
  options.limits = {.flows = seed % 2 == 0 ? 24u : 80u,
                    .waiting_flows = 10,
                    .waiting_packets = 4,
                    .packet_buffers = 24,
                    .fragmented_datagrams = 64,
                    .waiting_fragments = 32,
                    .bus_bytes = 8192};
  options.timeouts.established = Duration::seconds(60);
  options.timeouts.opening = Duration::seconds(10);
  options.timeouts.closing = Duration::seconds(20);
  options.timeouts.udp = Duration::seconds(15);
  if (seed % 3 == 0) options.timeouts.stats_interval = Duration::seconds(1);
  if (seed % 4 == 0) {
    FaultOptions& faults = options.receiving;
    faults.loss = faults.duplicate = faults.corrupt = 0.05;
    faults.reorder = 0.1;
    options.transmitting = faults;
  }
  if (seed % 5 == 0) options.inside = {};
  return options;
}

TEST_CASE(
    "Law 9 FLOWLIFE-02 STAT-02 whatever happens: each packet one fate, each flow one end, no "
    "leak") {
  for (uint64_t seed = 1; seed <= rounds(24); ++seed) {
    CAPTURE(seed);
    const TestEngineOptions options = small_world(seed);
    RandomLife life(seed, options);
    for (int i = 0; i < 3000; ++i) {
      life.step();
      if (i % 50 == 0) {
        REQUIRE(life.engine.balanced());
        REQUIRE(life.engine.count(Counter::flow_entries) <= 2 * options.limits.all_flows());
        REQUIRE(life.engine.count(Counter::waiting_flows) <= 10);
        REQUIRE(life.engine.count(Counter::pool_buffers) <= 25);
      }
    }
    CHECK(life.engine.settle() == "");
    uint64_t deletes = 0;
    for (const auto& [serial, ends] : life.ends()) {
      CAPTURE(serial);
      CHECK(ends.deletes + ends.not_entered == 1);
      deletes += static_cast<uint64_t>(ends.deletes);
    }
    CHECK(deletes == life.engine.count(Counter::flows_opened));
    CHECK(deletes > 50);
    CHECK(life.engine.count(Counter::messages_invalid) == 0);
  }
}

// All that a segment let out.
struct Outcome {
  std::vector<std::vector<uint8_t>> frames;
  std::vector<TestEngine::Bytes> told;
  std::string figures;
};

Outcome live_through(uint64_t seed, int events) {
  TestEngineOptions options = small_world(seed);
  for (FaultOptions* faults : {&options.receiving, &options.transmitting}) {
    faults->loss = faults->duplicate = faults->corrupt = 0.02;
    faults->reorder = 0.1;
    faults->delay = Duration::milliseconds(3);
    faults->jitter = Duration::milliseconds(5);
  }
  RandomLife life(seed, options);
  for (int i = 0; i < events; ++i) life.step();
  Outcome outcome;
  for (const auto* sent :
       {&life.engine.to_client, &life.engine.to_server, &life.engine.neighbor_messages}) {
    for (const MemoryFrame& frame : *sent) outcome.frames.push_back(frame.bytes);
  }
  outcome.told = life.engine.told;
  outcome.figures = life.engine.figures();
  return outcome;
}

TEST_CASE(
    "Law 2 the same seed gives the same run, byte for byte, through 10 000 events and faults") {
  const Outcome first = live_through(4, 10'000);
  const Outcome again = live_through(4, 10'000);
  CHECK(first.frames.size() > 1000);
  CHECK(first.frames == again.frames);
  CHECK(first.told == again.told);
  CHECK(first.figures == again.figures);
  CHECK(live_through(5, 10'000).frames != first.frames);
}

}  // namespace
}  // namespace sluice
