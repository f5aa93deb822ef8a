// Sluice's flow table as the pipeline uses it. Items are keys, and the number behind a name is how
// many of them the table has: two to a flow, as both of its directions are looked up.

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "base/check.h"
#include "flow/flow_table.h"
#include "tuples.h"

namespace sluice::bench {
namespace {

FlowKey key_of(const Tuple& tuple) {
  return {IpAddress::v4(tuple.src),
          IpAddress::v4(tuple.dst),
          tuple.src_port,
          tuple.dst_port,
          static_cast<uint8_t>(tuple.protocol),
          0};
}

PairIndex enter(FlowTable& table, uint32_t flow) {
  const PairIndex pair = table.allocate();
  SLUICE_CHECK(table.enter(client_leg(pair), key_of(tuple_of_client(flow))));
  SLUICE_CHECK(table.enter(server_leg(pair), key_of(tuple_of_server(flow))));
  return pair;
}

// A table with room for so many keys and the first so many flows.
std::unique_ptr<FlowTable> table_of(uint32_t keys, uint32_t flows) {
  auto table = std::make_unique<FlowTable>(keys / 2, 1);
  for (uint32_t flow = 0; flow < flows; ++flow) enter(*table, flow);
  return table;
}

// Reading the keys into the packets of a batch is part of the time, as copying them is for others.
size_t find_bulk(const FlowTable& table, const Tuple* tuples, Batch& batch, LegIndex* legs) {
  for (size_t i = 0; i < kBulk; ++i) {
    FlowKey& key = batch.packets[i].key;
    key.src = IpAddress::v4(tuples[i].src);
    key.dst = IpAddress::v4(tuples[i].dst);
    key.src_port = tuples[i].src_port;
    key.dst_port = tuples[i].dst_port;
    key.protocol = static_cast<uint8_t>(tuples[i].protocol);
    batch.packets[i].headers.has_key = true;
  }
  batch.count = kBulk;
  table.find_batch(batch.all(), legs);
  size_t found = 0;
  for (size_t i = 0; i < kBulk; ++i) found += legs[i] != kNoLeg;
  return found;
}

void look_up(benchmark::State& state, const std::vector<Tuple>& tuples, bool present) {
  const auto keys = static_cast<uint32_t>(state.range(0));
  const auto table = table_of(keys, keys / 2);
  Bulks bulks(tuples);
  Batch batch;
  LegIndex legs[kBulk];
  size_t found = 0;
  for (auto _ : state) {
    found += find_bulk(*table, bulks.next(), batch, legs);
    benchmark::DoNotOptimize(legs);
  }
  SLUICE_CHECK(found == (present ? state.iterations() * kBulk : 0));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kBulk));
}

void find(benchmark::State& state) {
  look_up(state, tuples_of(0, static_cast<uint32_t>(state.range(0))), true);
}

void miss(benchmark::State& state) {
  const auto keys = static_cast<uint32_t>(state.range(0));
  look_up(state, tuples_of(keys / 2, keys), false);
}

// The last quarter of a table's flows, in random order, entered or released over and over.
class LastQuarter {
 public:
  explicit LastQuarter(uint32_t keys)
      : table_(table_of(keys, keys / 8 * 3)), flows_(shuffled(keys / 8)) {
    for (uint32_t& flow : flows_) flow += keys / 8 * 3;
    pairs_.reserve(flows_.size());
  }
  void enter_all() {
    for (const uint32_t flow : flows_) pairs_.push_back(enter(*table_, flow));
  }
  void release_all() {
    for (const PairIndex pair : pairs_) table_->release(pair);
    pairs_.clear();
  }
  size_t keys() const { return flows_.size() * 2; }

 private:
  std::unique_ptr<FlowTable> table_;
  std::vector<uint32_t> flows_;
  std::vector<PairIndex> pairs_;
};

void insert(benchmark::State& state) {
  LastQuarter quarter(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) {
    quarter.enter_all();
    state.PauseTiming();
    quarter.release_all();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * quarter.keys()));
}

void remove(benchmark::State& state) {
  LastQuarter quarter(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) {
    state.PauseTiming();
    quarter.enter_all();
    state.ResumeTiming();
    quarter.release_all();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * quarter.keys()));
}

BENCHMARK(find)->Name("sluice_find")->Arg(1 << 10)->Arg(1 << 15)->Arg(1 << 20);
BENCHMARK(miss)->Name("sluice_miss")->Arg(1 << 20);
BENCHMARK(insert)->Name("sluice_insert")->Arg(1 << 20);
BENCHMARK(remove)->Name("sluice_delete")->Arg(1 << 20);

}  // namespace
}  // namespace sluice::bench
