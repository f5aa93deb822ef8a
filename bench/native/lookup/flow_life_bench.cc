// The life of whole flows: entered as a REPLY says, in the place of another where the table is
// full, and ended by silence. Items are flows, and the number behind a name is how many keys the
// table has room for, two to a flow.

#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "bus/signature.h"
#include "segment/flows.h"
#include "support/limits.h"
#include "support/packet_builder.h"
#include "tuples.h"

namespace sluice::bench {
namespace {

using test::ip;

struct Nowhere : FrameSink {
  void originate(PortId, Packet&) override {}
  void resume(PortId, std::span<Packet* const>) override {}
  void give_up(const Packet&) override {}
};

constexpr StackLimits kStackLimits{.neighbors = 256, .packets_per_neighbor = 4, .held_packets = 16};

// The flows of a worker, with what they need around them, and nobody who reads what they tell.
class Life {
 public:
  explicit Life(uint32_t flows)
      : told_(size_t{flows} * 256),
        outbox_(told_, counters_),
        pool_(64, 1),
        stack_(kStackLimits, 1, pool_, nowhere_),
        time_(Instant(), Duration()),
        flows_({limits(flows), test::kTimeouts, 1, 1}, {stack_, pool_, outbox_, counters_, time_},
               Instant()) {
    stack_.add_port(0, {}, 1500);
    stack_.add_port(1, {}, 1500);
    stack_.add_address(0, ip("192.0.2.1"), 24);
    stack_.add_address(1, ip("10.1.0.1"), 24);
  }

  // 64 to a millisecond.
  void enter(uint32_t first, uint32_t count) {
    for (uint32_t flow = first; flow < first + count; ++flow) {
      if (flow % 64 == 0) now_ = now_ + Duration::milliseconds(1);
      flows_.decide(now_, reply_for(flow));
    }
  }
  void expire_all() {
    while (flows_.table().pairs_in_use() > 0) {
      now_ = now_ + Duration::milliseconds(1);
      flows_.poll(now_);
    }
  }
  void let_time_pass(Duration span) { now_ = now_ + span; }
  void forget_what_was_told() {
    while (!told_.front().empty()) told_.pop();
  }
  uint64_t count(Counter counter) const { return counters_.read(counter); }

 private:
  static SegmentLimits limits(uint32_t flows) {
    SegmentLimits limits = test::kSmallLimits;
    limits.flows = flows;
    return limits;
  }
  ReplyView reply_for(uint32_t flow) {
    const Tuple tuple = tuple_of_client(flow);
    ReplyView reply(reply_.data());
    reply.set_serial(0x81000000 | (flow & 0xffffff));
    store_signature(reply.sig(), {IpAddress::v4(tuple.src), IpAddress::v4(tuple.dst),
                                  tuple.src_port, tuple.dst_port, kProtocolUdp, 0});
    reply.set_flags(SsmbFlags::route_by_dst);
    reply.xlat().set_xlat_dst_ipaddr(ip("10.1.0.11"));
    reply.xlat().set_xlat_mask(XlatMask::dst_addr);
    return reply;
  }

  Nowhere nowhere_;
  Counters counters_;
  MessageRing told_;
  Outbox outbox_;
  PacketPool pool_;
  Stack stack_;
  TimeBase time_;
  Flows flows_;
  Instant now_;
  std::array<uint8_t, ReplyView::kSize> reply_{};
};

// So many flows in each iteration; `counted` says that they were what they should be.
void count_flows(benchmark::State& state, uint32_t flows, uint64_t counted) {
  const auto handled = static_cast<uint64_t>(state.iterations()) * flows;
  SLUICE_CHECK(counted == handled);
  state.SetItemsProcessed(static_cast<int64_t>(handled));
}

void enter(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0)) / 2;
  Life life(flows);
  const auto end_all = [&] {
    life.let_time_pass(test::kTimeouts.udp);
    life.expire_all();
    life.forget_what_was_told();
  };
  life.enter(0, flows);  // touches the memory
  end_all();
  const uint64_t before = life.count(Counter::flows_opened);
  for (auto _ : state) {
    life.enter(0, flows);
    state.PauseTiming();
    end_all();
    state.ResumeTiming();
  }
  count_flows(state, flows, life.count(Counter::flows_opened) - before);
}

void evict(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0)) / 2;
  const uint32_t others = flows / 8;
  Life life(flows);
  life.enter(0, flows);
  uint32_t next = flows;
  for (auto _ : state) {
    life.enter(next, others);
    state.PauseTiming();
    next = next + others == 2 * flows ? 0 : next + others;
    life.forget_what_was_told();
    state.ResumeTiming();
  }
  count_flows(state, others, life.count(Counter::flows_evicted));
}

void expire(benchmark::State& state) {
  const auto flows = static_cast<uint32_t>(state.range(0)) / 2;
  Life life(flows);
  for (auto _ : state) {
    state.PauseTiming();
    life.enter(0, flows);
    life.let_time_pass(test::kTimeouts.udp - Duration::milliseconds(flows / 64 + 1));
    state.ResumeTiming();
    life.expire_all();
    state.PauseTiming();
    life.forget_what_was_told();
    state.ResumeTiming();
  }
  count_flows(state, flows, life.count(Counter::flows_expired));
}

BENCHMARK(enter)->Name("sluice_enter")->Arg(1 << 20);
BENCHMARK(evict)->Name("sluice_evict")->Arg(1 << 20);
BENCHMARK(expire)->Name("sluice_expire")->Arg(1 << 20);

}  // namespace
}  // namespace sluice::bench
