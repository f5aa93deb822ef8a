// DPDK's rte_hash with the same keys: CRC32 as hash function, as its examples have it, and room for
// twice the keys, since its table may refuse keys when it is nearly full. Its other answer to that,
// room for once the keys and a table of extra buckets (RTE_HASH_EXTRA_FLAGS_EXT_TABLE), finds more
// slowly: a full table is searched further.

#include <benchmark/benchmark.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include <array>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/mapped_array.h"
#include "tuples.h"

namespace sluice::bench {
namespace {

// Memory for tables in the same kind of pages that Sluice's tables have: transparent huge ones,
// which EAL does not take without a reserve of its own. Returns the socket id that stands for it.
int huge_page_heap() {
  constexpr size_t kPage = size_t{2} << 20;
  constexpr size_t kPages = 256;
  static MappedArray<uint8_t> memory((kPages + 1) * kPage);
  const auto start = reinterpret_cast<uintptr_t>(memory.data());
  auto* aligned = reinterpret_cast<void*>((start + kPage - 1) / kPage * kPage);
  SLUICE_CHECK(rte_malloc_heap_create("tables") == 0);
  SLUICE_CHECK(
      rte_malloc_heap_memory_add("tables", aligned, kPages * kPage, nullptr, kPages, kPage) == 0);
  return rte_malloc_heap_get_socket("tables");
}

int start_dpdk() {
  std::array arguments = {"bench", "--no-huge", "--no-shconf",    "--no-pci",         "-m", "64",
                          "-l",    "0",         "--no-telemetry", "--log-level=error"};
  SLUICE_CHECK(rte_eal_init(arguments.size(), const_cast<char**>(arguments.data())) >= 0);
  return huge_page_heap();
}

struct FreeTable {
  void operator()(rte_hash* table) const { rte_hash_free(table); }
};
using Table = std::unique_ptr<rte_hash, FreeTable>;

void add(const Table& table, const Tuple& tuple) {
  SLUICE_CHECK(rte_hash_add_key_data(table.get(), &tuple, nullptr) == 0);
}

// A table with room for so many keys and those of the first so many flows.
Table table_of(uint32_t keys, uint32_t flows) {
  static const int socket = start_dpdk();
  rte_hash_parameters parameters{};
  parameters.name = "bench";
  parameters.entries = keys * 2;
  parameters.key_len = sizeof(Tuple);
  parameters.hash_func = rte_hash_crc;
  parameters.socket_id = socket;
  Table table(rte_hash_create(&parameters));
  SLUICE_CHECK(table != nullptr);
  for (uint32_t flow = 0; flow < flows; ++flow) {
    add(table, tuple_of_client(flow));
    add(table, tuple_of_server(flow));
  }
  return table;
}

// Copying the keys is part of the time: an application takes them out of its packets.
size_t find_bulk(const Table& table, const Tuple* tuples, Tuple* keys, const void** pointers,
                 void** data) {
  for (size_t i = 0; i < kBulk; ++i) {
    keys[i] = tuples[i];
    pointers[i] = &keys[i];
  }
  uint64_t hits = 0;
  rte_hash_lookup_bulk_data(table.get(), pointers, kBulk, &hits, data);
  return static_cast<size_t>(__builtin_popcountll(hits));
}

void look_up(benchmark::State& state, const std::vector<Tuple>& tuples, bool present) {
  const auto keys = static_cast<uint32_t>(state.range(0));
  const Table table = table_of(keys, keys / 2);
  Bulks bulks(tuples);
  Tuple read[kBulk];
  const void* pointers[kBulk];
  void* data[kBulk];
  size_t found = 0;
  for (auto _ : state) {
    found += find_bulk(table, bulks.next(), read, pointers, data);
    benchmark::DoNotOptimize(data);
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

// The keys of the last quarter of a table's flows, in random order, added or deleted over and over.
class LastQuarter {
 public:
  explicit LastQuarter(uint32_t keys)
      : table_(table_of(keys, keys / 8 * 3)), tuples_(tuples_of(keys / 8 * 3, keys / 4)) {}

  void add_all() {
    for (const Tuple& tuple : tuples_) add(table_, tuple);
  }
  void delete_all() {
    for (const Tuple& tuple : tuples_) SLUICE_CHECK(rte_hash_del_key(table_.get(), &tuple) >= 0);
  }
  size_t keys() const { return tuples_.size(); }

 private:
  Table table_;
  std::vector<Tuple> tuples_;
};

void insert(benchmark::State& state) {
  LastQuarter quarter(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) {
    quarter.add_all();
    state.PauseTiming();
    quarter.delete_all();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * quarter.keys()));
}

void remove(benchmark::State& state) {
  LastQuarter quarter(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) {
    state.PauseTiming();
    quarter.add_all();
    state.ResumeTiming();
    quarter.delete_all();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * quarter.keys()));
}

BENCHMARK(find)->Name("rte_hash_find")->Arg(1 << 10)->Arg(1 << 15)->Arg(1 << 20);
BENCHMARK(miss)->Name("rte_hash_miss")->Arg(1 << 20);
BENCHMARK(insert)->Name("rte_hash_insert")->Arg(1 << 20);
BENCHMARK(remove)->Name("rte_hash_delete")->Arg(1 << 20);

}  // namespace
}  // namespace sluice::bench
