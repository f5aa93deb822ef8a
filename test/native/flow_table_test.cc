#include "flow/flow_table.h"
#include "wire/ip_protocol.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/random.h"

namespace sluice {
namespace {

IpAddress address(bool v6, uint32_t host) {
  IpAddress made = IpAddress::v4(0x0a000000 + host);
  if (v6) {
    made.bytes[0] = 0x20;
    made.bytes[1] = 0x01;
  }
  return made;
}

FlowKey key(bool v6, uint32_t client, L4Port port) {
  return {address(v6, client), address(v6, 0xfffff), port, 80, kProtocolTcp, 0};
}

TEST_CASE("DFS-01 flows differ where one of the six fields differs, for IPv4 and IPv6") {
  for (const bool v6 : {false, true}) {
    CAPTURE(v6);
    FlowTable table(16, 1);
    const FlowKey base = key(v6, 1, 40000);
    std::vector<FlowKey> keys(7, base);
    keys[1].src = address(v6, 2);
    keys[2].dst = address(v6, 3);
    keys[3].src_port = 40001;
    keys[4].dst_port = 81;
    keys[5].protocol = kProtocolUdp;
    keys[6].dscp = 8;
    for (const FlowKey& each : keys) {
      CHECK(table.find(each) == kNoLeg);
      const PairIndex pair = table.allocate();
      REQUIRE(table.enter(client_leg(pair), each));
      CHECK(table.key_of(client_leg(pair)) == each);
    }
    for (uint32_t i = 0; i < keys.size(); ++i) CHECK(table.find(keys[i]) == client_leg(i));
    CHECK_FALSE(table.enter(server_leg(0), base));
  }
}

TEST_CASE("DFS-03 the flows of a session that differ in DSCP alone find each other") {
  FlowTable table(8, 1);
  FlowKey plain = key(false, 1, 1000);
  FlowKey marked = plain;
  marked.dscp = 46;
  FlowKey other = plain;
  other.src_port = 1001;
  const PairIndex a = table.allocate(), b = table.allocate(), c = table.allocate();
  REQUIRE(table.enter(client_leg(a), plain));
  REQUIRE(table.enter(client_leg(b), marked));
  REQUIRE(table.enter(client_leg(c), other));
  std::vector<LegIndex> found;
  table.for_each_variant(plain, [&](LegIndex leg) { found.push_back(leg); });
  std::sort(found.begin(), found.end());
  CHECK(found == std::vector<LegIndex>{client_leg(a), client_leg(b)});
}

TEST_CASE("DFS-05 100 000 entries: every lookup agrees with a map, through enters and leaves") {
  constexpr uint32_t kPairs = 50'000;
  FlowTable table(kPairs, 7);
  Random random(42);
  struct Known {
    FlowKey client, server;
    bool there = false;
  };
  std::vector<Known> known(kPairs);
  const auto random_key = [&] {
    const bool v6 = random.chance(0.3);
    FlowKey made = key(v6, static_cast<uint32_t>(random.below(1 << 20)),
                       static_cast<L4Port>(random.below(65536)));
    made.dst_port = static_cast<L4Port>(random.below(4));
    made.dscp = static_cast<uint8_t>(random.below(3));
    return made;
  };
  uint32_t entered = 0;
  for (PairIndex pair = table.allocate(); pair != kNoPair; pair = table.allocate()) {
    Known& each = known[pair];
    each.client = random_key();
    each.server = random_key();
    if (!table.enter(client_leg(pair), each.client)) continue;
    each.there = table.enter(server_leg(pair), each.server);
    if (!each.there) table.leave(client_leg(pair));
    entered += each.there;
  }
  CHECK(entered > kPairs * 99 / 100);  // the rest are equal draws, never want of room
  CHECK(table.pairs_in_use() == kPairs);
  for (PairIndex pair = 0; pair < kPairs; ++pair) {
    if (!known[pair].there) continue;
    REQUIRE(table.find(known[pair].client) == client_leg(pair));
    REQUIRE(table.find(known[pair].server) == server_leg(pair));
  }
  for (PairIndex pair = 0; pair < kPairs; pair += 2) {
    table.release(pair);
    if (!known[pair].there) continue;
    REQUIRE(table.find(known[pair].client) == kNoLeg);
    REQUIRE(table.find(known[pair].server) == kNoLeg);
  }
  for (PairIndex pair = 1; pair < kPairs; pair += 2) {
    if (known[pair].there) REQUIRE(table.find(known[pair].client) == client_leg(pair));
  }
  CHECK(table.pairs_in_use() == kPairs / 2);
}

TEST_CASE("DFS-05 the batch lookup finds what the single one finds, and skips what has no key") {
  FlowTable table(128, 3);
  auto batch = std::make_unique<Batch>();
  Random random(5);
  for (Packet& packet : batch->packets) {
    packet.key = key(random.chance(0.5), static_cast<uint32_t>(random.below(50)), 1);
    packet.headers.has_key = true;
  }
  batch->count = batch->packets.size();
  for (size_t i = 0; i < batch->count; i += 2) {
    const PairIndex pair = table.allocate();
    if (!table.enter(client_leg(pair), batch->packets[i].key)) table.release(pair);
  }
  batch->packets[4].drop(DropReason::land);
  batch->packets[6].headers.has_key = false;
  batch->packets[8].headers.has_key = false;
  LegIndex legs[kBatchCapacity];
  table.find_batch(batch->all(), legs);
  for (size_t i = 0; i < batch->count; ++i) {
    const bool skipped = i == 4 || i == 6 || i == 8;
    CHECK(legs[i] == (skipped ? kNoLeg : table.find(batch->packets[i].key)));
  }
}

TEST_CASE("MEM-03 the target of a leg is kept beside its key, for IPv4 and IPv6") {
  for (const bool v6 : {false, true}) {
    FlowTable table(2, 1);
    const PairIndex pair = table.allocate();
    const FlowKey target = {address(v6, 5), address(v6, 6), 7, 8, kProtocolTcp, 0};
    REQUIRE(table.enter(client_leg(pair), key(v6, 1, 2)));
    table.set_target(client_leg(pair), target);
    CHECK(table.target_of(client_leg(pair)) == target);
    CHECK(table.key_of(client_leg(pair)) == key(v6, 1, 2));
  }
}

}  // namespace
}  // namespace sluice
