#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "base/random.h"
#include "tcp/buffer_pool.h"
#include "tcp/reassembly.h"

namespace sluice {
namespace {

std::vector<uint8_t> contents(const BufferPool& pool, const ByteQueue& queue) {
  std::vector<uint8_t> bytes(queue.size);
  CHECK(pool.peek(queue, bytes) == queue.size);
  return bytes;
}

TEST_CASE(
    "BUF-13 BUF-14 queues of one pool hold what a plain model holds, and give everything back") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    BufferPool pool(40);
    ByteQueue queues[3];
    std::vector<uint8_t> model[3];
    for (int step = 0; step < 2000; ++step) {
      const size_t a = random.below(3), b = random.below(3);
      const auto some = static_cast<uint32_t>(random.below(random.chance(0.5) ? 100 : 6000));
      const auto part = static_cast<uint32_t>(std::min<size_t>(some, model[a].size()));
      if (random.chance(0.4)) {
        std::vector<uint8_t> bytes(some);
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
        const uint32_t done = pool.append(queues[a], bytes);
        model[a].insert(model[a].end(), bytes.begin(), bytes.begin() + done);
      } else if (random.chance(0.5)) {
        pool.drop_front(queues[a], part);
        model[a].erase(model[a].begin(), model[a].begin() + part);
      } else if (a != b) {
        const uint32_t moved = pool.move(queues[a], queues[b], part);
        model[b].insert(model[b].end(), model[a].begin(), model[a].begin() + moved);
        model[a].erase(model[a].begin(), model[a].begin() + moved);
      }
      REQUIRE(queues[a].size == model[a].size());
      REQUIRE(queues[b].size == model[b].size());
    }
    for (size_t i = 0; i < 3; ++i) {
      CHECK(contents(pool, queues[i]) == model[i]);
      pool.clear(queues[i]);
    }
    CHECK(pool.chunks_in_use() == 0);
  }
}

TEST_CASE("BUF-13 a piece is found wherever the cursor stands") {
  BufferPool pool(64);
  ByteQueue queue;
  std::vector<uint8_t> bytes(50'000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 256);
  REQUIRE(pool.append(queue, bytes) == bytes.size());
  Random random(1);
  BufferCursor cursor;
  size_t dropped = 0;
  for (int i = 0; i < 300; ++i) {
    if (random.chance(0.2)) {
      const auto count = static_cast<uint32_t>(random.below(150));
      pool.drop_front(queue, count);
      cursor.dropped(count);
      dropped += count;
    }
    const auto offset = static_cast<uint32_t>(random.below(queue.size));
    const auto length = static_cast<uint32_t>(random.below(queue.size - offset));
    std::array<ConstByteSpan, BufferPool::kMostSpans> pieces;
    const size_t count = pool.locate(queue, cursor, offset, length, pieces);
    size_t at = dropped + offset;
    for (size_t p = 0; p < count; ++p) {
      REQUIRE(std::equal(pieces[p].begin(), pieces[p].end(), bytes.begin() + at));
      at += pieces[p].size();
    }
    CHECK(at == dropped + offset + length);
  }
}

TEST_CASE("TCPX-42 what comes out of order is put together as it came first") {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    BufferPool pool(256);
    RunPool runs(64);
    Reassembly reassembly;
    const Seq base(0xfffff000 + static_cast<uint32_t>(random.below(8192)));
    constexpr uint32_t kSize = 5000;
    std::map<uint32_t, uint8_t> model;  // by offset, what came first
    for (int i = 0; i < 60; ++i) {
      const auto offset = static_cast<uint32_t>(1 + random.below(kSize));
      std::vector<uint8_t> bytes(1 + random.below(300), static_cast<uint8_t>(i));
      REQUIRE(keep_out_of_order(reassembly, runs, pool, base + offset, bytes));
      for (uint32_t b = 0; b < bytes.size(); ++b) model.emplace(offset + b, bytes[b]);
    }
    ByteQueue stream;
    // The gap in front closes.
    uint32_t expected = 0;
    for (uint32_t first = 1; !model.empty(); first = model.empty() ? 0 : model.begin()->first) {
      const uint32_t taken = take_in_order(reassembly, runs, pool, base + first, stream);
      expected = 0;
      std::vector<uint8_t> bytes;
      while (!model.empty() && model.begin()->first == first + expected) {
        bytes.push_back(model.begin()->second);
        model.erase(model.begin());
        ++expected;
      }
      REQUIRE(taken == expected);
      CHECK(contents(pool, stream) == bytes);
      pool.clear(stream);
    }
    CHECK(reassembly.empty());
    CHECK(runs.used() == 0);
    CHECK(pool.chunks_in_use() == 0);
  }
}

}  // namespace
}  // namespace sluice
