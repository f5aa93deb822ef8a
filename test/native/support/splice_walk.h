// A connection through the engine that is let go and taken back at random while both its ends send,
// over links that lose, repeat, reorder and delay: what arrives is what was sent. One seed is one
// run.
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

#include "base/random.h"
#include "support/socket_lab.h"

namespace sluice::test {

class SpliceWalk {
 public:
  SpliceWalk(const Hosts& hosts, uint64_t seed)
      : random_(seed), lab_(hosts, options(random_)), hosts_(hosts) {
    up_ = numbered(200'000 + random_.below(4'000'000));
    down_ = numbered(200'000 + random_.below(4'000'000), 5);
  }

  // "" where all went well, or what did not.
  std::string run() {
    if (!open()) return "the connections did not open";
    constexpr Duration kMost = Duration::seconds(900);
    const Instant start = now();
    Instant turn = now();
    while (!done()) {
      if (now() - start > kMost) return "not done in time: " + describe();
      if (now() >= turn) {
        change();
        turn = now() + Duration::microseconds(static_cast<int64_t>(random_.below(100'000)));
      }
      feed();
      pass(Duration::microseconds(500 + static_cast<int64_t>(random_.below(3'000))));
      if (failed()) return "a connection failed: " + describe();
    }
    if (at_server_ != up_) return "the server has other bytes: " + describe();
    if (at_client_ != down_) return "the client has other bytes: " + describe();
    return {};
  }
  uint64_t splices() const { return lab_.engine.count(Counter::splices); }
  uint64_t returns() const { return lab_.engine.count(Counter::splices_returned); }

 private:
  // From one side to the other by the sockets.
  struct Way {
    uint32_t from, to;
    size_t taken = 0;  // of what `from` was handed
  };
  enum class Phase { proxied, holding, relayed, leaving };

  static TestEngineOptions options(Random& random) {
    TestEngineOptions options;
    FaultOptions faults;
    faults.delay = Duration::microseconds(static_cast<int64_t>(random.below(15'000)));
    faults.jitter = Duration::microseconds(static_cast<int64_t>(random.below(3'000)));
    faults.capacity = 4096;
    if (random.below(3) > 0) {
      faults.loss = static_cast<double>(random.below(20)) / 1000;
      faults.reorder = static_cast<double>(random.below(20)) / 1000;
      faults.duplicate = static_cast<double>(random.below(10)) / 1000;
      faults.corrupt = static_cast<double>(random.below(5)) / 1000;
    }
    options.receiving = options.transmitting = faults;
    options.seed = random.next();
    return options;
  }

  Instant now() const { return lab_.engine.now(); }
  Heard& heard(uint32_t socket) { return lab_.sockets[socket]; }
  void pass(Duration span) { lab_.pass(span); }
  template <class Done>
  bool until(Done&& done) {
    for (int i = 0; i < 3000 && !done(); ++i) pass(Duration::milliseconds(10));
    return done();
  }

  bool open() {
    lab_.client.connect(now());
    if (!until([&] { return lab_.last_accepted != 0; })) return false;
    const uint32_t inbound = lab_.last_accepted;
    const uint32_t outbound = lab_.open(inbound, hosts_.server, 8080, true);
    if (!until([&] { return heard(outbound).connected; })) return false;
    ways_[0] = {inbound, outbound};
    ways_[1] = {outbound, inbound};
    for (const Way& way : ways_)
      lab_.read(way.from, 1 + static_cast<uint32_t>(random_.below(50'000)));
    return true;
  }

  bool failed() {
    return std::any_of(std::begin(ways_), std::end(ways_), [&](const Way& way) {
      return heard(way.from).closed && heard(way.from).end != StreamEnd::finished;
    });
  }
  bool done() const { return at_server_.size() >= up_.size() && at_client_.size() >= down_.size(); }

  // What the hosts have to say and to read, and the sockets to pass on.
  void feed() {
    const auto send = [&](TcpHost& host, const std::vector<uint8_t>& bytes, size_t& sent) {
      if (host.connection() == nullptr || random_.below(3) == 0) return;
      const size_t count = std::min<size_t>(random_.below(10'000), bytes.size() - sent);
      sent += send_from(host, now(), ConstByteSpan(bytes).subspan(sent, count));
    };
    send(lab_.client, up_, up_sent_);
    send(lab_.server, down_, down_sent_);
    take(lab_.server, at_server_);
    take(lab_.client, at_client_);
    if (phase_ != Phase::proxied && phase_ != Phase::holding) return;
    for (Way& way : ways_) hand_on(way);
  }
  void take(TcpHost& host, std::vector<uint8_t>& all) {
    if (random_.below(8) == 0) return;  // a reader that is late
    const std::vector<uint8_t> got = receive_at(host, now());
    all.insert(all.end(), got.begin(), got.end());
  }
  void hand_on(Way& way) {
    std::vector<uint8_t>& bytes = heard(way.from).bytes;
    while (way.taken < bytes.size()) {
      const auto room =
          static_cast<size_t>(std::max<int64_t>(lab_.room - 1, 0)) * BufferPool::kChunk;
      const size_t most = std::min<size_t>({heard(way.to).credit, room, 30'000});
      const size_t count = std::min(most, bytes.size() - way.taken);
      if (count == 0) return;
      lab_.write(way.to, ConstByteSpan(bytes).subspan(way.taken, count));
      way.taken += count;
    }
  }

  bool is_spliced() { return heard(ways_[0].from).spliced; }
  bool has_all_handed_on() {
    return std::all_of(std::begin(ways_), std::end(ways_), [&](const Way& way) {
      return heard(way.from).held && way.taken == heard(way.from).bytes.size();
    });
  }

  void change() {
    switch (phase_) {
      case Phase::proxied:
        for (Way& way : ways_) {
          if (random_.below(3) > 0) {
            lab_.read(way.from, 1 + static_cast<uint32_t>(random_.below(50'000)));
            continue;
          }
          phase_ = Phase::holding;
        }
        if (phase_ != Phase::holding) return;
        for (Way& way : ways_) {
          heard(way.from).held = false;
          lab_.say<HoldSocketView>(way.from);
        }
        return;
      case Phase::holding:
        if (!has_all_handed_on()) return;
        for (Way& way : ways_) heard(way.from).spliced = false;
        lab_.splice(ways_[0].from, ways_[1].from);
        phase_ = Phase::relayed;
        return;
      case Phase::relayed:
        if (random_.below(is_spliced() ? 2 : 20) > 0) return;
        unrelayed_ = {heard(ways_[0].from).unrelayed, heard(ways_[1].from).unrelayed};
        for (Way& way : ways_) lab_.say<UnrelaySocketView>(way.from);
        phase_ = Phase::leaving;
        return;
      case Phase::leaving:
        for (int i = 0; i < 2; ++i) {
          if (heard(ways_[i].from).unrelayed == unrelayed_[i]) return;
        }
        for (Way& way : ways_)
          lab_.read(way.from, 1 + static_cast<uint32_t>(random_.below(50'000)));
        phase_ = Phase::proxied;
        return;
    }
  }

  std::string describe() {
    return "up " + std::to_string(at_server_.size()) + " of " + std::to_string(up_.size()) +
           ", down " + std::to_string(at_client_.size()) + " of " + std::to_string(down_.size()) +
           ", phase " + std::to_string(static_cast<int>(phase_)) + ", splices " +
           std::to_string(splices()) + ", returns " + std::to_string(returns()) + "; client " +
           lab_.client.describe() + "; server " + lab_.server.describe();
  }

  Random random_;
  SocketLab lab_;
  Hosts hosts_;
  Phase phase_ = Phase::proxied;
  Way ways_[2] = {};
  std::array<int, 2> unrelayed_{};
  std::vector<uint8_t> up_, down_, at_server_, at_client_;
  size_t up_sent_ = 0, down_sent_ = 0;
};

}  // namespace sluice::test
