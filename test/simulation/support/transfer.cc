#include "support/transfer.h"

#include <vector>

#include "base/random.h"

namespace sluice::test {

namespace {

uint8_t stream_byte(uint64_t offset) {
  return static_cast<uint8_t>(offset * 131 + (offset >> 8) * 17 + (offset >> 16));
}

// One side's program: writes its bytes, closes its half, reads until the end.
class User {
 public:
  User(TcpHost& host, const SimulatedUser& plan, uint64_t expected)
      : host_(host), plan_(plan), expected_(expected), bytes_(plan.piece) {}

  // Returns whether it did anything.
  bool act(Instant now) {
    if (host_.connection() == nullptr || !host_.connection()->opened) return false;
    if (plan_.no_delay && !host_.connection()->no_delay) {
      host_.call(now, [](TcpTurn& turn, Connection& c) { set_no_delay(turn, c, true); });
    }
    const bool wrote = write(now);
    const bool did_read = now >= next_read_ && host_.connection() != nullptr && read(now);
    if (did_read) next_read_ = now + plan_.pause;
    return wrote || did_read;
  }
  Instant wakes_at() const {
    Connection* c = host_.connection();
    const bool waits = c != nullptr && !c->receive_queue.empty();
    return waits ? next_read_ : Instant::never();
  }
  bool finished() const { return read_ == expected_ && shut_; }
  const std::string& problem() const { return problem_; }
  std::string progress() const {
    return "wrote " + std::to_string(written_) + " of " + std::to_string(plan_.bytes) + ", read " +
           std::to_string(read_) + " of " + std::to_string(expected_);
  }

 private:
  bool write(Instant now) {
    if (shut_) return false;
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(plan_.piece, plan_.bytes - written_));
    for (size_t i = 0; i < wanted; ++i) bytes_[i] = stream_byte(written_ + i);
    const uint32_t queued = host_.call(now, [&](TcpTurn& turn, Connection& c) {
      return send(turn, c, ConstByteSpan(bytes_).first(wanted));
    });
    written_ += queued;
    if (written_ < plan_.bytes) return queued > 0;
    shut_ = true;
    host_.call(now, [&](TcpTurn& turn, Connection& c) { host_.note(now, close_sending(turn, c)); });
    return true;
  }
  bool read(Instant now) {
    const Received got = host_.call(
        now, [&](TcpTurn& turn, Connection& c) { return receive(turn, c, bytes_); });
    host_.note(now, got.events);
    for (uint32_t i = 0; i < got.bytes; ++i) {
      if (bytes_[i] != stream_byte(read_ + i)) problem_ = "wrong byte at " + std::to_string(read_ + i);
    }
    read_ += got.bytes;
    return got.bytes > 0;
  }

  TcpHost& host_;
  const SimulatedUser& plan_;
  uint64_t expected_;
  uint64_t written_ = 0;
  uint64_t read_ = 0;
  bool shut_ = false;
  Instant next_read_;
  std::string problem_;
  std::vector<uint8_t> bytes_;
};

SimulatedHost random_host(Random& random) {
  SimulatedHost host;
  host.config.offer = static_cast<uint8_t>(random.below(8));
  host.config.ecn = static_cast<EcnMode>(random.below(3));
  host.config.congestion = static_cast<CongestionAlgorithm>(random.below(2));
  host.config.most_share = 4096U << random.below(9);
  host.config.quick_acks = static_cast<uint8_t>(random.below(17));
  host.limits.connections = host.limits.handshakes = 2;
  host.limits.segments_in_flight = random.chance(0.1) ? 4 : 4096;
  host.limits.received_runs = random.chance(0.1) ? 2 : 256;
  host.limits.buffer_bytes = uint64_t{65536} << random.below(6);
  host.path.mtu = static_cast<uint16_t>(random.chance(0.5) ? 1500 : 1280 + random.below(7720));
  host.path.gso_limit = random.chance(0.5) ? 65535 - 120 : 0;
  return host;
}

SimulatedUser random_user(Random& random) {
  SimulatedUser user;
  user.bytes = random.below(uint64_t{1} << random.below(20));
  user.piece = static_cast<uint32_t>(1 + random.below(uint64_t{1} << random.below(17)));
  // A user of small pieces has few of them, or the run takes for ever.
  user.bytes = std::min<uint64_t>(user.bytes, uint64_t{user.piece} * 2000);
  if (random.chance(0.3)) user.pause = Duration::milliseconds(static_cast<int64_t>(random.below(200)));
  user.no_delay = random.chance(0.3);
  return user;
}

}  // namespace

Transfer Transfer::random(uint64_t seed) {
  Random random(seed);
  Transfer transfer;
  transfer.link.seed = random.next();
  transfer.link.ipv6 = random.chance(0.5);
  FaultOptions& faults = transfer.link.faults;
  const auto sometimes = [&random](double most) {
    return random.chance(0.5) ? static_cast<double>(random.below(1000)) / 1000 * most : 0;
  };
  faults.loss = sometimes(0.15);
  faults.duplicate = sometimes(0.1);
  faults.corrupt = sometimes(0.05);
  faults.reorder = sometimes(0.2);
  faults.delay = Duration::microseconds(static_cast<int64_t>(random.below(60'000)));
  faults.jitter = Duration::microseconds(static_cast<int64_t>(random.below(5'000)));
  faults.reorder_delay = Duration::microseconds(static_cast<int64_t>(random.below(20'000)));
  faults.capacity = 64 << random.below(4);
  for (SimulatedHost& host : transfer.link.hosts) host = random_host(random);
  for (SimulatedUser& user : transfer.users) user = random_user(random);
  // A user that reads little with long pauses has little to read.
  for (const size_t side : {0, 1}) {
    const SimulatedUser& reader = transfer.users[1 - side];
    if (reader.pause == Duration()) continue;
    const auto reads = static_cast<uint64_t>(600'000 / std::max<int64_t>(reader.pause.milliseconds(), 1));
    transfer.users[side].bytes = std::min<uint64_t>(transfer.users[side].bytes, reads * reader.piece);
  }
  return transfer;
}

TransferResult run_transfer(const Transfer& transfer, bool traced) {
  Link link(transfer.link);
  if (traced) link.trace();
  std::array<User, 2> users{User(link.host(0), transfer.users[0], transfer.users[1].bytes),
                            User(link.host(1), transfer.users[1], transfer.users[0].bytes)};
  const Instant start = Instant::from_nanoseconds(1'000'000'000);
  const Instant limit = start + Duration::seconds(3600);
  Instant now = start;
  TransferResult result;
  link.host(0).listen();
  link.host(1).connect(now);
  const auto over = [&link] {
    return link.host(0).connection() == nullptr && link.host(1).connection() == nullptr;
  };
  const auto fail = [&](const std::string& problem) {
    result.problem = problem + " (" + users[0].progress() + "; " + users[1].progress() + ") after " +
                     std::to_string((now - start).milliseconds()) + " ms";
    return result;
  };
  while (!(users[0].finished() && users[1].finished() && over())) {
    const std::string broken = link.run(now);
    if (!broken.empty()) return fail(broken);
    const bool acted = users[0].act(now) | users[1].act(now);
    for (const User& user : users) {
      if (!user.problem().empty()) return fail(user.problem());
    }
    if (!users[0].finished() || !users[1].finished()) result.took = now - start;
    if (acted) continue;
    const Instant next = std::min({link.next(), users[0].wakes_at(), users[1].wakes_at()});
    if (next == Instant::never() || next > limit) {
      if (users[0].finished() && users[1].finished() && over()) break;
      return fail(next > limit ? "took too long" : "stands still");
    }
    now = std::max(now, next);
  }
  for (const size_t side : {0, 1}) {
    if (!pools_are_empty(link.host(side).tcp())) return fail("blocks are left in the pools");
  }
  return result;
}

}  // namespace sluice::test
