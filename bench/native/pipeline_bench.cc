// The ladder of cost over ports in memory: each rung does what the one before does, and one stage
// more. Subtract neighbours and you know what a stage costs. Items are packets; the number behind a
// name is how many flows they are spread over: each has a packet before any has a second one, in
// random order, so that a flow's memory is as cold as so many flows make it.

#include <benchmark/benchmark.h>

#include <memory>
#include <span>
#include <vector>

#include "flow/flow_table.h"
#include "flow/leg_rewrite.h"
#include "loads/shuffled.h"
#include "packet/parse.h"
#include "rewrite/rewrite.h"
#include "support/test_engine.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"
#include "wire/tcp.h"

namespace sluice {
namespace {

using namespace test;

// Each client has the upper half of all ports.
constexpr uint32_t kPorts = 0x8000;
constexpr uint32_t client_of(uint32_t flow) { return 0xc0000200 + 16 + flow / kPorts; }
constexpr L4Port port_of(uint32_t flow) { return static_cast<L4Port>(kPorts + flow % kPorts); }

FlowKey key_of_flow(uint32_t flow) {
  return {IpAddress::v4(client_of(flow)), ip("192.0.2.100"), port_of(flow), 80, kProtocolTcp, 0};
}

// 64-byte frames of established flows, as the client's side sends them, by the batch. Source and
// checksums are written anew for each: that costs less than fetching so many frames from memory,
// and every rung pays the same.
class Traffic {
 public:
  explicit Traffic(uint32_t flows)
      : order_(bench::shuffled(flows)), frames_(kBatchCapacity, frame_of(key_of_flow(0))) {
    SLUICE_CHECK(flows % kBatchCapacity == 0);
  }

  std::span<Frame> next() {
    for (Frame& frame : frames_) send_from(order_[at_++], frame);
    if (at_ == order_.size()) at_ = 0;
    return frames_;
  }

 private:
  static Frame frame_of(const FlowKey& key) {
    return PacketBuilder()
        .eth(kClientMac, kOutsideMac)
        .ip(key.src, key.dst)
        .tcp(key.src_port, key.dst_port)
        .seq(1)
        .ack(1)
        .padding(6)
        .build();
  }

  static void send_from(uint32_t flow, Frame& frame) {
    Ipv4Header ip(frame.data() + EthernetHeader::kSize);
    TcpHeader tcp(frame.data() + EthernetHeader::kSize + Ipv4Header::kSize);
    ChecksumDelta change;
    change.replace32(ip.src(), client_of(flow));
    ip.set_src(client_of(flow));
    ip.set_checksum(change.applied_to_checksum(ip.checksum()));
    change.replace16(tcp.src_port(), port_of(flow));
    tcp.set_src_port(port_of(flow));
    tcp.set_checksum(change.applied_to_checksum(tcp.checksum()));
  }

  std::vector<uint32_t> order_;
  std::vector<Frame> frames_;
  size_t at_ = 0;
};

std::unique_ptr<FlowTable> table_of(uint32_t flows) {
  auto table = std::make_unique<FlowTable>(flows, 1);
  for (uint32_t flow = 0; flow < flows; ++flow) {
    const FlowKey key = key_of_flow(flow);
    FlowKey target = key;
    target.dst = ip("10.1.0.11");
    const PairIndex pair = table->allocate();
    SLUICE_CHECK(table->enter(client_leg(pair), key));
    SLUICE_CHECK(table->enter(server_leg(pair), target.reversed()));
    table->set_target(client_leg(pair), target);
    table->leg(client_leg(pair)).flags |= LegFlags::kDecrementTtl;
  }
  return table;
}

// A memory port that is fed one batch at a time.
class Feed {
 public:
  explicit Feed(uint32_t flows) : traffic_(flows), pair_(make_pair()) {}

  Batch& next() {
    pair_.first->release();
    for (Frame& frame : traffic_.next()) pair_.first->inject({frame.data(), frame.size()});
    batch_.count = 0;
    pair_.first->receive(Instant(), batch_);
    return batch_;
  }

 private:
  static MemoryPort::Pair make_pair() {
    const MemoryPortOptions options{.name = "bench", .mac = {}, .capabilities = {}};
    return MemoryPort::make_pair(options, options);
  }
  Traffic traffic_;
  MemoryPort::Pair pair_;
  Batch batch_;
};

void count_packets(benchmark::State& state) {
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kBatchCapacity));
}

void drop(benchmark::State& state) {
  Feed feed(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(feed.next().count);
  count_packets(state);
}

void parse_only(benchmark::State& state) {
  Feed feed(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) {
    for (Packet& packet : feed.next().all()) parse(packet);
  }
  count_packets(state);
}

void lookup(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  Feed feed(flows);
  const auto table = table_of(flows);
  LegIndex legs[kBatchCapacity];
  for (auto _ : state) {
    Batch& batch = feed.next();
    for (Packet& packet : batch.all()) parse(packet);
    table->find_batch(batch.all(), legs);
    benchmark::DoNotOptimize(legs);
  }
  count_packets(state);
}

// `offsets`: sequence and acknowledgement numbers change, too, each flow's by its own amount.
void rewrite(benchmark::State& state, bool offsets) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  Feed feed(flows);
  const auto table = table_of(flows);
  for (PairIndex pair = 0; offsets && pair < flows; ++pair) {
    table->offsets(pair) = {.seq = 1000 + pair, .ack = 2000 + pair};
    table->leg(client_leg(pair)).flags |= LegFlags::kOffsets;
  }
  LegIndex legs[kBatchCapacity];
  uint64_t lost = 0;
  for (auto _ : state) {
    Batch& batch = feed.next();
    for (Packet& packet : batch.all()) parse(packet);
    table->find_batch(batch.all(), legs);
    for (size_t i = 0; i < batch.count; ++i) {
      if (legs[i] == kNoLeg) {
        ++lost;
      } else {
        rewrite_for_leg(*table, legs[i], batch.packets[i]);
      }
    }
  }
  count_packets(state);
  state.counters["loss"] = static_cast<double>(lost);
}

// All five stages and the worker's loop, from one memory port to another.
void forward(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  TestEngineOptions options;
  options.limits = {.flows = flows,
                    .waiting_flows = 64,
                    .waiting_packets = 8,
                    .packet_buffers = 1024,
                    .fragmented_datagrams = 64,
                    .waiting_fragments = 32,
                    .bus_bytes = 1 << 20};
  TestEngine engine(options);
  const Hosts& hosts = both_families()[0];
  engine.add_virtual_server(1, ip("192.0.2.100"), 80);
  engine.introduce(hosts);
  engine.decide_with(TestEngine::to_endpoint(hosts.server, 80));
  for (uint32_t flow = 0; flow < flows; ++flow) {
    const FlowKey key = key_of_flow(flow);
    engine.from_client(
        PacketBuilder().ip(key.src, key.dst).tcp(key.src_port, 80, kTcpAck).seq(1).ack(1));
    engine.told.clear();
    engine.clear_sent();
  }
  Traffic traffic(flows);
  const uint64_t forwarded = engine.count(Counter::forwarded);
  for (auto _ : state) {
    for (Frame& frame : traffic.next()) engine.feed(0, frame);
    engine.poll_once();
    engine.discard_sent();
  }
  count_packets(state);
  state.counters["loss"] = static_cast<double>(state.iterations() * kBatchCapacity + forwarded) -
                           static_cast<double>(engine.count(Counter::forwarded));
}

// What software pays a packet where a port cannot: the number is that of the bytes summed.
void checksum(benchmark::State& state) {
  const std::vector<uint8_t> bytes(static_cast<size_t>(state.range(0)), 0x5a);
  for (auto _ : state) benchmark::DoNotOptimize(sum_bytes(bytes.data(), bytes.size()));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}

BENCHMARK(drop)->Arg(1024)->Arg(1 << 20);
BENCHMARK(parse_only)->Name("parse")->Arg(1024)->Arg(1 << 20);
BENCHMARK(lookup)->Arg(1024)->Arg(1 << 20);
BENCHMARK_CAPTURE(rewrite, plain, false)->Name("rewrite")->Arg(1024)->Arg(1 << 20);
BENCHMARK_CAPTURE(rewrite, offsets, true)->Name("rewrite offsets")->Arg(1024)->Arg(1 << 20);
BENCHMARK(forward)->Arg(1024)->Arg(1 << 16);
BENCHMARK(checksum)->Arg(20)->Arg(1460)->Arg(65495);
// Share-nothing workers, each with an engine of its own; the time is that of all together.
BENCHMARK(forward)->Name("workers")->Arg(1024)->UseRealTime()->Threads(1)->Threads(2);

}  // namespace
}  // namespace sluice
