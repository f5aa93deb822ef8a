// A connection through the engine that is let go and taken back at random while both its ends send,
// over links that lose, repeat, reorder and delay: what arrives is what was sent, and no packet on
// the way breaks a rule of StreamWatch. One seed is one run.
#pragma once

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/random.h"
#include "support/socket_lab.h"
#include "support/stream_watch.h"

namespace sluice::test {

// What is drawn from the seed before a run begins.
struct SpliceWalkPlan {
  Hosts hosts;
  TestEngineOptions engine;
  LabHost client, server;
  bool orderly = false;   // nothing is lost, repeated, damaged or overtaken
  bool mirrored = false;  // the engine opens its connection as the client has opened its own
  std::vector<uint8_t> up, down;

  static SpliceWalkPlan draw(Random& random) {
    SpliceWalkPlan plan;
    plan.hosts = both_families()[random.below(2)];
    plan.orderly = random.below(3) == 0;
    plan.mirrored = random.below(4) > 0;
    plan.engine.seed = random.next();
    plan.engine.receiving = plan.engine.transmitting = faults(random, plan.orderly);
    // Without room for what was promised bytes are lost, too.
    if (plan.orderly) plan.engine.limits.buffer_bytes = 8 << 20;
    plan.client = host(random);
    plan.server = host(random);
    // Mostly alike, as nothing else is spliced.
    if (random.below(8) > 0) plan.server.config.offer = plan.client.config.offer;
    if (random.below(8) > 0) plan.server.path.mtu = plan.client.path.mtu;
    plan.up = numbered(200'000 + random.below(4'000'000));
    plan.down = numbered(200'000 + random.below(4'000'000), 5);
    return plan;
  }

 private:
  static FaultOptions faults(Random& random, bool orderly) {
    const auto up_to = [&random](uint64_t most) {
      return static_cast<int64_t>(random.below(most));
    };
    FaultOptions faults;
    faults.delay = Duration::microseconds(1 + up_to(15'000));
    faults.jitter = Duration::microseconds(up_to(3'000));
    faults.capacity = 4096;
    if (orderly) return faults;
    faults.loss = static_cast<double>(random.below(20)) / 1000;
    faults.reorder = static_cast<double>(random.below(20)) / 1000;
    faults.duplicate = static_cast<double>(random.below(10)) / 1000;
    faults.corrupt = static_cast<double>(random.below(5)) / 1000;
    return faults;
  }
  static LabHost host(Random& random) {
    LabHost host;
    if (random.below(4) == 0) host.config.offer &= static_cast<uint8_t>(random.below(8));
    if (random.below(4) == 0) host.config.ecn = EcnMode::ask;
    if (random.below(2) == 0) host.config.most_share = 40'000U << random.below(7);
    if (random.below(3) == 0) host.path.gso_limit = 65535 - 120;
    if (random.below(8) == 0) host.path.mtu = 1400;
    return host;
  }
};

class SpliceWalk {
 public:
  // `traced`: prints every packet and what is done.
  explicit SpliceWalk(uint64_t seed, bool traced = false)
      : traced_(traced),
        random_(seed),
        plan_(SpliceWalkPlan::draw(random_)),
        port_(port_to_wrap()),
        lab_(plan_.hosts, plan_.engine, port_, plan_.client, plan_.server) {
    // It comes to a port and leaves by one, on its way and on its way back.
    const Duration round_trip =
        (plan_.engine.receiving.delay + plan_.engine.transmitting.delay) * 2;
    at_client_.set_far(at_server_, round_trip);
    at_server_.set_far(at_client_, round_trip);
    lab_.client.begin_at(Seq(0 - half_of(plan_.up)));
    lab_.server.begin_at(Seq(0 - half_of(plan_.down)));
    lab_.tap = [this](const TcpHost& host, const Packet& packet, bool sent) {
      StreamWatch& watch = &host == &lab_.client ? at_client_ : at_server_;
      if (traced_) trace(host, packet, sent);
      sent ? watch.sent(packet) : watch.got(host, packet, now());
    };
  }

  // "" where all went well, or what did not.
  std::string run() {
    if (!open()) return "the connections did not open";
    const std::string problem = transfer();
    if (!problem.empty()) return problem + ": " + describe();
    if (server_has_ != plan_.up) return "the server has other bytes: " + describe();
    if (client_has_ != plan_.down) return "the client has other bytes: " + describe();
    lab_.pass(Duration::seconds(10));
    lab_.engine.run(Duration::seconds(300));
    const std::string left = lab_.left();
    return left.empty() ? left : "something is left: " + left;
  }
  // Whether the numbers of both directions have gone through zero, on both sides of the engine;
  // what it opens by numbers of its own, in one.
  bool wrapped() const {
    return at_client_.wrapped_out() && at_client_.wrapped_in() && at_server_.wrapped_out() &&
           (at_server_.wrapped_in() || !plan_.mirrored);
  }
  uint64_t splices() const { return lab_.engine.count(Counter::splices); }
  uint64_t returns() const { return lab_.engine.count(Counter::splices_returned); }
  uint64_t packets() const { return at_client_.packets() + at_server_.packets(); }

 private:
  // From one side to the other by the sockets.
  struct Way {
    uint32_t from, to;
    size_t taken = 0;  // of what `from` was handed
    bool shut = false;
  };
  enum class Phase { proxied, holding, relayed, leaving };

  static uint32_t half_of(const std::vector<uint8_t>& bytes) {
    return static_cast<uint32_t>(bytes.size() / 2);
  }
  // The client's port for which the engine's own numbers go through zero while it sends.
  L4Port port_to_wrap() {
    const Tcp tcp({.connections = 1,
                   .handshakes = 1,
                   .segments_in_flight = 1,
                   .received_runs = 1,
                   .buffer_bytes = 1 << 16},
                  {}, plan_.engine.seed);
    // What the clock adds till then is little beside what is sent.
    const Instant about = Instant() + Duration::seconds(6);
    for (L4Port port = 1024; port < 65535; ++port) {
      const FlowKey in =
          SocketLab::key(plan_.hosts.client, port, plan_.hosts.virtual_server, kServicePort);
      const uint32_t left = 0 - tcp.initial_sequence(in.reversed(), about).raw();
      if (left > 60'000 && left < plan_.down.size()) return port;
    }
    return 40'000;
  }

  Instant now() const { return lab_.engine.now(); }
  Heard& heard(uint32_t socket) { return lab_.sockets[socket]; }
  void pass(Duration span) { lab_.pass(span); }
  template <class Done>
  bool until(Done&& done) {
    for (int i = 0; i < 3000 && !done(); ++i) pass(Duration::milliseconds(10));
    return done();
  }
  uint32_t some_bytes() { return 1 + static_cast<uint32_t>(random_.below(50'000)); }

  bool open() {
    lab_.client.connect(now());
    if (!until([&] { return lab_.last_accepted != 0; })) return false;
    const uint32_t inbound = lab_.last_accepted;
    const uint32_t outbound = lab_.open(inbound, plan_.hosts.server, 8080, true, plan_.mirrored);
    if (!until([&] { return heard(outbound).connected; })) return false;
    ways_[0] = {inbound, outbound};
    ways_[1] = {outbound, inbound};
    for (const Way& way : ways_) lab_.read(way.from, some_bytes());
    return true;
  }

  std::string transfer() {
    constexpr Duration kMost = Duration::seconds(900);
    const Instant start = now();
    Instant turn = now();
    while (!done()) {
      if (now() - start > kMost) return "not done in time";
      if (now() >= turn) {
        change();
        turn = now() + Duration::microseconds(static_cast<int64_t>(random_.below(100'000)));
      }
      feed();
      pass(Duration::microseconds(500 + static_cast<int64_t>(random_.below(3'000))));
      if (failed()) return "a connection failed";
      for (const StreamWatch* watch : {&at_client_, &at_server_}) {
        if (!watch->problem().empty()) return watch->problem();
      }
      if (plan_.orderly && suspects_loss()) return "a host took something for lost";
    }
    return {};
  }
  bool failed() {
    return std::any_of(std::begin(ways_), std::end(ways_), [&](const Way& way) {
      return heard(way.from).closed && heard(way.from).end != StreamEnd::finished;
    });
  }
  bool done() {
    if (server_has_.size() < plan_.up.size() || client_has_.size() < plan_.down.size())
      return false;
    return std::all_of(std::begin(ways_), std::end(ways_),
                       [&](const Way& way) { return heard(way.from).closed; });
  }
  // TCPX-21: where nothing is lost, no duplicate of an acknowledgement makes anybody think so.
  bool suspects_loss() {
    for (TcpHost* host : {&lab_.client, &lab_.server}) {
      const Connection* c = host->connection();
      if (c == nullptr || c->sender == SenderPool::kNone) continue;
      if (host->tcp().senders[c->sender].recovery == Recovery::recovery) return true;
    }
    return false;
  }

  // What the hosts have to say and to read, and the sockets to pass on.
  void feed() {
    send(lab_.client, plan_.up, up_sent_);
    send(lab_.server, plan_.down, down_sent_);
    take(lab_.server, server_has_);
    take(lab_.client, client_has_);
    if (phase_ != Phase::proxied && phase_ != Phase::holding) return;
    for (Way& way : ways_) hand_on(way);
  }
  void send(TcpHost& host, const std::vector<uint8_t>& bytes, size_t& sent) {
    Connection* c = host.connection();
    if (c == nullptr || random_.below(3) == 0) return;
    if (sent == bytes.size() && !c->fin_wanted) return shut_at(host, now());
    const size_t count = std::min<size_t>(random_.below(10'000), bytes.size() - sent);
    sent += send_from(host, now(), ConstByteSpan(bytes).subspan(sent, count));
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
    // Of one that was held its close tells.
    if (way.shut || !(heard(way.from).ended || heard(way.from).closed)) return;
    way.shut = true;
    if (!heard(way.to).closed) lab_.say<ShutSocketView>(way.to);
  }

  bool is_spliced() { return heard(ways_[0].from).spliced; }
  bool has_all_handed_on() {
    return std::all_of(std::begin(ways_), std::end(ways_), [&](const Way& way) {
      return (heard(way.from).held || heard(way.from).closed) &&
             way.taken == heard(way.from).bytes.size();
    });
  }

  void change() {
    switch (phase_) {
      case Phase::proxied: return read_or_hold();
      case Phase::holding:
        if (!has_all_handed_on()) return;
        for (Way& way : ways_) heard(way.from).spliced = false;
        unrelayed_ = {heard(ways_[0].from).unrelayed, heard(ways_[1].from).unrelayed};
        lab_.splice(ways_[0].from, ways_[1].from);
        phase_ = Phase::relayed;
        return;
      case Phase::relayed:
        if (random_.below(is_spliced() ? 2 : 20) > 0) return;
        for (Way& way : ways_) lab_.say<UnrelaySocketView>(way.from);
        phase_ = Phase::leaving;
        return;
      case Phase::leaving:
        for (int i = 0; i < 2; ++i) {
          const Heard& socket = heard(ways_[i].from);
          if (socket.unrelayed == unrelayed_[i] && !socket.closed) return;
        }
        for (Way& way : ways_) lab_.read(way.from, some_bytes());
        phase_ = Phase::proxied;
        return;
    }
  }
  void read_or_hold() {
    for (Way& way : ways_) {
      if (random_.below(3) > 0) {
        lab_.read(way.from, some_bytes());
      } else {
        phase_ = Phase::holding;
      }
    }
    if (phase_ != Phase::holding) return;
    for (Way& way : ways_) {
      heard(way.from).held = false;
      lab_.say<HoldSocketView>(way.from);
    }
  }

  std::string describe() {
    return "up " + std::to_string(server_has_.size()) + " of " + std::to_string(plan_.up.size()) +
           ", down " + std::to_string(client_has_.size()) + " of " +
           std::to_string(plan_.down.size()) + (plan_.orderly ? ", orderly" : "") + ", phase " +
           std::to_string(static_cast<int>(phase_)) + ", splices " + std::to_string(splices()) +
           ", returns " + std::to_string(returns()) + "; client " + lab_.client.describe() +
           "; server " + lab_.server.describe();
  }

  void trace(const TcpHost& host, Packet packet, bool sent) {
    const bool is_sound = take_tcp(packet);
    const StreamWatch& watch = &host == &lab_.client ? at_client_ : at_server_;
    std::printf("%8.3f %s %s phase %d%s ", static_cast<double>(now().nanoseconds()) / 1e6,
                &host == &lab_.client ? "client" : "server", sent ? ">" : "<",
                static_cast<int>(phase_), is_spliced() ? " spliced" : "");
    std::printf("%s\n", is_sound ? watch.text(read_segment(packet), sent).c_str() : "damaged");
  }

  bool traced_;
  Random random_;
  SpliceWalkPlan plan_;
  L4Port port_;
  SocketLab lab_;
  StreamWatch at_client_{"the client", plan_.down, plan_.orderly};
  StreamWatch at_server_{"the server", plan_.up, plan_.orderly};
  Phase phase_ = Phase::proxied;
  Way ways_[2] = {};
  std::array<int, 2> unrelayed_{};
  std::vector<uint8_t> server_has_, client_has_;
  size_t up_sent_ = 0, down_sent_ = 0;
};

}  // namespace sluice::test
