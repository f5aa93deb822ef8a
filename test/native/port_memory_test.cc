#include <doctest/doctest.h>

#include <deque>
#include <vector>

#include "support/memory_pair.h"
#include "support/transmit.h"

using namespace sluice;
using namespace sluice::test;

namespace {

const Offload kSuperPacket{.needs_checksum = true,
                           .gso_type = GsoType::tcp4,
                           .checksum_start = 34,
                           .checksum_offset = 16,
                           .gso_size = 1448,
                           .header_length = 66};

}  // namespace

TEST_CASE("TCPX-34 memory port carries the largest super-packet and its offload state") {
  auto [a, b] = memory_pair();
  Random random(1);
  const Bytes frame = random_bytes(random, kMaxFrame);
  REQUIRE(transmit(*a, Instant(), {frame}, kSuperPacket) == 1);

  Batch batch;
  REQUIRE(b->receive(Instant(), batch) == 1);
  CHECK(bytes_of(batch.packets[0]) == frame);
  CHECK((batch.packets[0].offload == kSuperPacket));
  CHECK(batch.packets[0].in_port == kNoPort);
  b->release();
  CHECK(b->counters().rx_bytes == kMaxFrame);
  CHECK(a->counters().tx_bytes == kMaxFrame);
}

TEST_CASE("ARCH-08 memory port: any series of calls keeps order, counts and bounds") {
  Random random(7);
  constexpr size_t kQueue = 5;
  auto [a, b] = memory_pair(kQueue);
  std::deque<Bytes> model;
  uint64_t accepted_total = 0, refused_total = 0, received_total = 0;
  for (int step = 0; step < 5000; ++step) {
    if (random.below(2) == 0) {
      std::vector<Bytes> frames;
      const size_t count = random.below(4);
      for (size_t i = 0; i < count; ++i) frames.push_back(random_bytes(random, 14 + i * 100));
      const size_t room = kQueue - model.size();
      const size_t accepted = transmit(*a, Instant(), frames);
      REQUIRE(accepted == std::min(room, count));
      for (size_t i = 0; i < accepted; ++i) model.push_back(frames[i]);
      accepted_total += accepted;
      refused_total += count - accepted;
    } else {
      Batch batch;
      batch.count = kBatchCapacity - random.below(4);
      const size_t before = batch.count;
      const size_t expected = std::min(kBatchCapacity - before, model.size());
      REQUIRE(b->receive(Instant(), batch) == expected);
      for (size_t i = before; i < batch.count; ++i) {
        REQUIRE(bytes_of(batch.packets[i]) == model.front());
        model.pop_front();
      }
      received_total += expected;
      b->release();
    }
  }
  CHECK(a->counters().tx_frames == accepted_total);
  CHECK(a->counters().tx_refused == refused_total);
  CHECK(b->counters().rx_frames == received_total);
  CHECK(refused_total > 0);
}

TEST_CASE("TCPX-35 memory port counts a frame longer than its buffers and never hands it out") {
  MemoryPortOptions small = memory_options("b");
  small.largest_frame = 100;
  auto [a, b] = MemoryPort::make_pair(memory_options("a"), small);
  CHECK(b->inject(Bytes(100)));
  CHECK(b->inject(Bytes(101)));
  Batch batch;
  CHECK(b->receive(Instant(), batch) == 1);
  b->release();
  CHECK(b->counters().rx_truncated == 1);
  CHECK(b->counters().rx_frames == 1);
}

TEST_CASE("ARCH-08 memory port: headroom and bytes of a received frame may be changed") {
  auto [a, b] = memory_pair();
  for (uint8_t i = 0; i < 3; ++i) REQUIRE(b->inject(Bytes(60, i)));
  Batch batch;
  REQUIRE(b->receive(Instant(), batch) == 3);
  Packet& first = batch.packets[0];
  std::fill(first.data - kHeadroom, first.data + first.length, 0xee);
  CHECK(bytes_of(batch.packets[1]) == Bytes(60, 1));
  CHECK(bytes_of(batch.packets[2]) == Bytes(60, 2));
  b->release();
}

TEST_CASE("ARCH-08 memory port: inject, take and discard work one side by hand") {
  auto [a, b] = memory_pair();
  CHECK_FALSE(b->take().has_value());
  REQUIRE(b->inject(Bytes(60, 1), kSuperPacket));
  REQUIRE(b->inject(Bytes(61, 2)));
  const std::optional<MemoryFrame> taken = b->take();
  REQUIRE(taken.has_value());
  CHECK(taken->bytes == Bytes(60, 1));
  CHECK((taken->offload == kSuperPacket));
  CHECK(b->discard() == 1);
  CHECK_FALSE(b->take().has_value());
}

TEST_CASE("ARCH-08 memory port whose other side is gone refuses and counts") {
  auto [a, b] = memory_pair();
  b.reset();
  CHECK(transmit(*a, Instant(), {Bytes(60)}) == 0);
  CHECK(a->counters().tx_refused == 1);
}
