#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "port/fault_port.h"
#include "support/memory_pair.h"
#include "support/transmit.h"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr size_t kNumbered = 64;

// A frame that carries its number, so that its fate can be told.
Bytes numbered(uint32_t number) {
  Bytes frame(kNumbered);
  store_be32(frame.data(), number);
  return frame;
}

Instant at_ms(int64_t ms) { return Instant() + Duration::milliseconds(ms); }

enum class Direction { receiving, transmitting };

// A fault port over a memory pair, worked frame by frame; `direction` is the one with the faults.
class Bench {
 public:
  Bench(Direction direction, const FaultOptions& options, uint64_t seed = 1)
      : direction_(direction) {
    auto [near, far] = memory_pair(4096);
    far_ = std::move(far);
    near_ = near.get();
    const bool receiving = direction == Direction::receiving;
    port_ = std::make_unique<FaultPort>(std::move(near), seed, receiving ? options : FaultOptions(),
                                        receiving ? FaultOptions() : options);
  }

  // Sends one frame through at `now` and appends what comes out by then.
  void pass(Instant now, const Bytes& frame, const Offload& offload = {}) {
    if (direction_ == Direction::receiving) {
      REQUIRE(near_->inject(frame, offload));
    } else {
      REQUIRE(transmit(*port_, now, {frame}, offload) == 1);
    }
    collect(now);
  }
  void collect(Instant now) {
    Batch batch;
    port_->receive(now, batch);
    for (const Packet& packet : batch.all()) {
      out_.push_back({{packet.data, packet.data + packet.length}, packet.offload});
    }
    port_->release();
    while (auto frame = far_->take()) out_.push_back(std::move(*frame));
  }
  // Lets time run until nothing is held.
  void finish() {
    while (port_->deadline() != Instant::never()) collect(port_->deadline());
  }

  const FaultCounters& counters() const {
    return direction_ == Direction::receiving ? port_->receiving() : port_->transmitting();
  }
  std::vector<MemoryFrame>& out() { return out_; }
  FaultPort& port() { return *port_; }
  MemoryPort& near() { return *near_; }

  std::vector<uint32_t> numbers() const {
    std::vector<uint32_t> numbers;
    for (const MemoryFrame& frame : out_) numbers.push_back(load_be32(frame.bytes.data()));
    return numbers;
  }

 private:
  Direction direction_;
  std::unique_ptr<FaultPort> port_;
  MemoryPort* near_;
  std::unique_ptr<MemoryPort> far_;
  std::vector<MemoryFrame> out_;
};

constexpr Direction kDirections[] = {Direction::receiving, Direction::transmitting};

// n frames of a probability p: within five standard deviations.
bool plausible(uint64_t count, double n, double p) {
  const double deviation = static_cast<double>(count) - n * p;
  return deviation * deviation <= 25 * n * p * (1 - p);
}

FaultOptions everything() {
  FaultOptions options;
  options.loss = 0.1;
  options.duplicate = 0.1;
  options.corrupt = 0.1;
  options.reorder = 0.1;
  options.delay = Duration::milliseconds(5);
  options.jitter = Duration::milliseconds(3);
  return options;
}

std::vector<MemoryFrame> run(Direction direction, const FaultOptions& options, uint64_t seed) {
  Bench bench(direction, options, seed);
  for (uint32_t i = 0; i < 500; ++i) bench.pass(at_ms(i), numbered(i));
  bench.finish();
  return std::move(bench.out());
}

bool equal(const std::vector<MemoryFrame>& a, const std::vector<MemoryFrame>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.bytes == y.bytes; });
}

// Plain port and wrapped port get the same calls; both must answer the same.
void check_identity(const FaultOptions& options, uint64_t seed) {
  auto [plain, plain_far] = memory_pair(8);
  auto [inner, wrapped_far] = memory_pair(8);
  MemoryPort* inner_port = inner.get();
  FaultPort wrapped(std::move(inner), seed, options, options);
  Random random(seed);
  for (int step = 0; step < 2000; ++step) {
    const Bytes frame = random_bytes(random, 14 + random.below(200));
    const uint64_t choice = random.below(3);
    if (choice == 0) {
      REQUIRE(transmit(*plain, Instant(), {frame}) == transmit(wrapped, Instant(), {frame}));
      const auto sent = plain_far->take(), through = wrapped_far->take();
      REQUIRE(sent.has_value() == through.has_value());
      if (sent) REQUIRE(sent->bytes == through->bytes);
    } else if (choice == 1) {
      REQUIRE(plain->inject(frame) == inner_port->inject(frame));
    } else {
      Batch a, b;
      REQUIRE(plain->receive(Instant(), a) == wrapped.receive(Instant(), b));
      for (size_t i = 0; i < a.count; ++i) {
        const Packet &x = a.packets[i], &y = b.packets[i];
        REQUIRE(std::equal(x.data, x.data + x.length, y.data, y.data + y.length));
      }
      plain->release();
      wrapped.release();
    }
  }
  CHECK(std::memcmp(&plain->counters(), &wrapped.counters(), sizeof(PortCounters)) == 0);
}

}  // namespace

TEST_CASE("ARCH-08 fault port without faults is the port itself") {
  check_identity(FaultOptions(), 5);
}

TEST_CASE("ARCH-08 fault port whose faults change nothing is the identity") {
  FaultOptions through_the_queue;
  through_the_queue.reorder = 1;
  through_the_queue.reorder_delay = Duration();
  check_identity(through_the_queue, 6);
}

TEST_CASE("ARCH-08 fault port: the same seed gives the same run, another seed another") {
  for (const Direction direction : kDirections) {
    CHECK(equal(run(direction, everything(), 42), run(direction, everything(), 42)));
    CHECK_FALSE(equal(run(direction, everything(), 42), run(direction, everything(), 43)));
  }
}

TEST_CASE("ARCH-08 fault port: each fault comes as often as asked, and shows") {
  constexpr uint32_t kFrames = 20000;
  for (const Direction direction : kDirections) {
    FaultOptions options;
    options.loss = 0.05;
    options.duplicate = 0.1;
    options.corrupt = 0.2;
    Bench bench(direction, options);
    for (uint32_t i = 0; i < kFrames; ++i) bench.pass(at_ms(0), numbered(i));
    bench.finish();
    const FaultCounters& counters = bench.counters();
    CHECK(plausible(counters.lost, kFrames, 0.05));
    CHECK(plausible(counters.duplicated, kFrames - counters.lost, 0.1));
    CHECK(plausible(counters.corrupted, kFrames - counters.lost, 0.2));
    CHECK(bench.out().size() == kFrames - counters.lost + counters.duplicated);
  }
}

TEST_CASE("ARCH-08 fault port: corruption turns one bit, and the frame is no longer verified") {
  FaultOptions options;
  options.corrupt = 1;
  for (const Direction direction : kDirections) {
    Bench bench(direction, options);
    Offload verified;
    verified.checksum_verified = true;
    for (uint32_t i = 0; i < 200; ++i) {
      const Bytes frame(100, static_cast<uint8_t>(i));
      bench.pass(at_ms(0), frame, verified);
      const MemoryFrame& out = bench.out().back();
      int bits = 0;
      for (size_t k = 0; k < frame.size(); ++k) {
        bits += __builtin_popcount(frame[k] ^ out.bytes[k]);
      }
      CHECK(bits == 1);
      CHECK_FALSE(out.offload.checksum_verified);
    }
  }
}

TEST_CASE("TCPX-30 TCPX-32 fault port: corruption of a partial checksum cannot be summed away") {
  Offload partial;
  partial.needs_checksum = true;
  partial.checksum_start = 34;
  partial.checksum_offset = 16;
  FaultOptions options;
  options.corrupt = 1;
  Bench bench(Direction::transmitting, options);
  const Bytes frame(200, 0x5a);
  for (int i = 0; i < 200; ++i) {
    bench.pass(at_ms(0), frame, partial);
    Bytes out = bench.out().back().bytes;
    CHECK(load_be16(&out[50]) != load_be16(&frame[50]));
    out[50] = frame[50];
    out[51] = frame[51];
    CHECK(out == frame);
  }
}

TEST_CASE("ARCH-08 fault port: delay and jitter hold frames, in order, until their time") {
  FaultOptions options;
  options.delay = Duration::milliseconds(10);
  options.jitter = Duration::milliseconds(20);
  options.capacity = 512;
  for (const Direction direction : kDirections) {
    Bench bench(direction, options);
    std::vector<uint32_t> expected;
    for (uint32_t i = 0; i < 200; ++i) {
      bench.pass(at_ms(i), numbered(i));
      expected.push_back(i);
      CHECK(bench.out().size() + 30 >= i);
      CHECK(bench.out().size() <= (i < 10 ? 0 : i - 9));
    }
    bench.finish();
    CHECK(bench.numbers() == expected);
    CHECK(bench.port().deadline() == Instant::never());
  }
}

TEST_CASE(
    "ARCH-08 fault port: a reordered frame is overtaken for its time, the others keep order") {
  FaultOptions options;
  options.reorder = 0.1;
  options.reorder_delay = Duration::milliseconds(3);
  for (const Direction direction : kDirections) {
    Bench bench(direction, options);
    constexpr uint32_t kFrames = 2000;
    for (uint32_t i = 0; i < kFrames; ++i) bench.pass(at_ms(i), numbered(i));
    bench.finish();
    const std::vector<uint32_t> numbers = bench.numbers();
    REQUIRE(numbers.size() == kFrames);
    uint64_t late = 0;
    uint32_t highest = 0;
    for (const uint32_t number : numbers) {
      late += number < highest;
      highest = std::max(highest, number);
      CHECK(number + 3 >= highest);
    }
    CHECK(late > 0);
    CHECK(late <= bench.counters().reordered);
    CHECK(plausible(bench.counters().reordered, kFrames, 0.1));
  }
}

TEST_CASE("ARCH-08 fault port: turning one fault on does not change whom another meets") {
  const auto lost_of = [](double duplicate) {
    FaultOptions options;
    options.loss = 0.3;
    options.duplicate = duplicate;
    Bench bench(Direction::receiving, options, 9);
    std::map<uint32_t, int> seen;
    for (uint32_t i = 0; i < 300; ++i) bench.pass(at_ms(0), numbered(i));
    for (const uint32_t number : bench.numbers()) seen[number] = 1;
    return seen;
  };
  CHECK(lost_of(0) == lost_of(0.5));
}

TEST_CASE("ARCH-08 fault port: a full queue refuses what is sent and misses what arrives") {
  FaultOptions options;
  options.delay = Duration::seconds(1);
  options.capacity = 10;
  constexpr size_t kHeld = 9;  // one place stays for a duplicate

  Bench sending(Direction::transmitting, options);
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < 20; ++i) frames.push_back(numbered(i));
  CHECK(transmit(sending.port(), at_ms(0), frames) == kHeld);
  CHECK(sending.port().counters().tx_refused == 20 - kHeld);

  Bench receiving(Direction::receiving, options);
  for (uint32_t i = 0; i < 20; ++i) receiving.pass(at_ms(0), numbered(i));
  receiving.finish();
  CHECK(receiving.out().size() == kHeld);
  CHECK(receiving.port().counters().rx_missed == 20 - kHeld);
}

TEST_CASE("ARCH-08 fault port: what the inner port refuses is offered again, in order") {
  FaultOptions options;
  options.delay = Duration::milliseconds(1);
  auto [near, far] = memory_pair(2);
  FaultPort port(std::move(near), 1, FaultOptions(), options);
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < 5; ++i) frames.push_back(numbered(i));
  REQUIRE(transmit(port, at_ms(0), frames) == 5);
  std::vector<uint32_t> out;
  for (int64_t ms = 1; port.deadline() != Instant::never(); ++ms) {
    REQUIRE(ms < 10);
    Batch batch;
    port.receive(at_ms(ms), batch);
    port.release();
    while (auto frame = far->take()) out.push_back(load_be32(frame->bytes.data()));
  }
  CHECK(out == std::vector<uint32_t>{0, 1, 2, 3, 4});
}
