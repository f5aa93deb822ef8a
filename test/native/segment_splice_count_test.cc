// Pairs that the hosts at their ends run for so many bytes: the stop is at that very byte, inside a
// super-packet as well, and what is behind it is the socket's.
#include <doctest/doctest.h>

#include "base/random.h"
#include "support/counted_pair.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE(
    "SOCK-15 SOCK-16 so many bytes go by a splice, at either side of a segment, and no more") {
  for (const Hosts& hosts : both_families()) {
    for (const size_t bytes : {size_t{1}, kMss - 1, kMss, kMss + 1, size_t{20'000}}) {
      for (const bool to_server : {true, false}) {
        CAPTURE(hosts.family);
        CAPTURE(bytes);
        CAPTURE(to_server);
        SocketLab lab(hosts, {});
        const Pair pair(lab, hosts);
        const Way way(lab, pair, to_server);
        way.pass(lab, bytes);
        CHECK(lab.sockets[way.from].spliced);
        send_from(way.sender, lab.engine.now(), numbered(bytes + 5000));
        lab.pass(Duration::milliseconds(100));
        CHECK(receive_at(way.receiver, lab.engine.now()) == numbered(bytes));
        CHECK(lab.engine.count(Counter::splices_returned) == 1);
        CHECK(lab.engine.count(Counter::pushed_bytes) == 0);
        CHECK(lab.sockets[way.from].relayed == bytes);
        CHECK(lab.sockets[way.from].unrelayed == 1);
        CHECK(lab.sockets[way.to].unrelayed == 1);
        CHECK(lab.sockets[way.from].data_messages == 0);
        lab.read(way.from, 100'000);
        lab.pass(Duration::milliseconds(100));
        CHECK(lab.sockets[way.from].bytes == part(bytes, bytes + 5000));
      }
    }
  }
}

TEST_CASE("SOCK-15 of a spliced pair an end behind the last byte is the socket's") {
  for (const Hosts& hosts : both_families()) {
    for (const uint64_t bytes : {2999, 3000}) {
      CAPTURE(hosts.family);
      CAPTURE(bytes);
      SocketLab lab(hosts, {});
      const Pair pair(lab, hosts);
      const Way way(lab, pair, false);
      way.pass(lab, bytes);
      send_from(lab.server, lab.engine.now(), numbered(3000));
      shut_at(lab.server, lab.engine.now());
      lab.pass(Duration::milliseconds(50));
      CHECK(receive_at(lab.client, lab.engine.now()) == numbered(bytes));
      CHECK_FALSE(at_end(*lab.client.connection()));
      CHECK(lab.sockets[pair.outbound].unrelayed == 1);
      lab.read(pair.outbound, 1000);
      lab.pass(Duration::milliseconds(50));
      CHECK(lab.sockets[pair.outbound].bytes == part(bytes, 3000));
      CHECK(lab.sockets[pair.outbound].ended);
      send_from(lab.client, lab.engine.now(), numbered(10));
      lab.read(pair.inbound, 1000);
      lab.pass(Duration::milliseconds(50));
      CHECK(lab.sockets[pair.inbound].bytes == numbered(10));
    }
  }
}

TEST_CASE(
    "SOCK-16 what is ordered on the way back begins behind it, with all that came meanwhile") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.transmitting.delay = options.receiving.delay = Duration::milliseconds(20);
    options.transmitting.capacity = options.receiving.capacity = 4096;
    SocketLab lab(hosts, options);
    const Pair pair(lab, hosts);
    const Way way(lab, pair, false);
    way.pass(lab, 5000);
    // The last of it, and the end, come before the boundary is acknowledged.
    send_from(lab.server, lab.engine.now(), numbered(20'000));
    shut_at(lab.server, lab.engine.now());
    Pair::await(lab, [&] { return lab.sockets[pair.outbound].unrelayed == 1; });
    pair.hold(lab);
    lab.relay(pair.inbound, pair.outbound);
    CHECK(lab.engine.count(Counter::splices_returned) == 0);
    lab.pass(Duration::milliseconds(500));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(20'000));
    CHECK(at_end(*lab.client.connection()));
  }
}

TEST_CASE(
    "SOCK-15 a half that ends before the last byte ends by the relay, which goes on counting") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const Pair pair(lab, hosts);
    const Way way(lab, pair, false);
    way.pass(lab, 30'000);
    send_from(lab.client, lab.engine.now(), numbered(700));
    send_from(lab.server, lab.engine.now(), numbered(10'000));
    shut_at(lab.client, lab.engine.now());
    lab.pass(Duration::milliseconds(300));
    CHECK(lab.engine.count(Counter::splices_returned) == 1);
    CHECK(receive_at(lab.server, lab.engine.now()) == numbered(700));
    CHECK(at_end(*lab.server.connection()));
    CHECK(lab.sockets[pair.outbound].unrelayed == 0);
    send_from(lab.server, lab.engine.now(), part(10'000, 40'000));
    lab.pass(Duration::milliseconds(300));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(30'000));
    CHECK(lab.sockets[pair.outbound].relayed == 30'000);
    CHECK(lab.sockets[pair.outbound].unrelayed == 1);
    lab.read(pair.outbound, 100'000);
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.sockets[pair.outbound].bytes == part(30'000, 40'000));
  }
}

TEST_CASE("SOCK-15 what is no longer worth a splice is not held back for one") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.transmitting.delay = options.receiving.delay = Duration::milliseconds(2);
    options.transmitting.capacity = options.receiving.capacity = 4096;
    SocketLab lab(hosts, options);
    const Pair pair(lab, hosts);
    const Way way(lab, pair, true);
    // The client was promised much by the time that it begins, and more than the server has.
    lab.relay(pair.inbound, pair.outbound);
    std::vector<uint8_t> got;
    size_t sent = 0;
    const auto go_on = [&](size_t until) {
      for (int i = 0; i < 4000 && got.size() < until; ++i) {
        sent += send_from(lab.client, lab.engine.now(),
                          numbered(std::min<size_t>(50'000, 3'000'000 - sent), sent));
        lab.pass(Duration::milliseconds(2));
        const auto some = receive_at(lab.server, lab.engine.now());
        got.insert(got.end(), some.begin(), some.end());
      }
    };
    go_on(1'000'000);
    lab.say<UnrelaySocketView>(pair.inbound);
    lab.say<UnrelaySocketView>(pair.outbound);
    pair.hold(lab);
    const uint64_t before = lab.sockets[pair.inbound].relayed;
    way.pass(lab, 1'000'100, RelayDepth::automatic);
    go_on(before + 1'000'100);
    CHECK(got == numbered(before + 1'000'100));
  }
}

TEST_CASE("SOCK-15 who guesses a number ends no count") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const Pair pair(lab, hosts);
    const Way way(lab, pair, true);
    way.pass(lab, 10'000);
    const TcpFlow& flow = lab.client.flow();
    const L4Port port = lab.sockets[pair.inbound].remote_port;
    for (const uint32_t ahead : {10'000'000U, 1'000'000'000U}) {
      lab.engine.from_client(PacketBuilder()
                                 .ip(hosts.client, hosts.virtual_server)
                                 .tcp(port, kServicePort, kTcpAck | kTcpPsh)
                                 .seq(flow.snd_nxt.raw() + ahead)
                                 .ack(flow.rcv_nxt.raw())
                                 .payload(100));
    }
    lab.settle();
    CHECK(lab.sockets[pair.inbound].unrelayed == 0);
    CHECK(lab.engine.count(Counter::splices_returned) == 0);
    send_from(lab.client, lab.engine.now(), numbered(12'000));
    lab.pass(Duration::milliseconds(100));
    CHECK(receive_at(lab.server, lab.engine.now()) == numbered(10'000));
  }
}

TEST_CASE("SOCK-15 an end of the counted direction before the last byte goes on") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const Pair pair(lab, hosts);
    const Way way(lab, pair, true);
    way.pass(lab, 10'000);
    send_from(lab.client, lab.engine.now(), numbered(3000));
    shut_at(lab.client, lab.engine.now());
    lab.pass(Duration::milliseconds(50));
    CHECK(receive_at(lab.server, lab.engine.now()) == numbered(3000));
    CHECK(at_end(*lab.server.connection()));
    shut_at(lab.server, lab.engine.now());
    lab.pass(Duration::milliseconds(50));
    CHECK(lab.sockets[pair.inbound].closed);
    CHECK(lab.sockets[pair.inbound].relayed == 3000);
  }
}

TEST_CASE("SOCK-15 fewer than a million bytes are relayed, unless a splice was asked for") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    for (const uint64_t bytes : {999'999, 1'000'000}) {
      SocketLab lab(hosts, {});
      const Pair pair(lab, hosts);
      Way(lab, pair, true).pass(lab, bytes, RelayDepth::automatic);
      CHECK(lab.sockets[pair.inbound].spliced == (bytes >= 1'000'000));
    }
  }
}

// Counted again and again, over links that lose, repeat and reorder.
struct CountedWalk {
  CountedWalk(const Hosts& hosts, uint64_t seed)
      : random(seed), lab(hosts, options(random)), pair(lab, hosts) {}

  static TestEngineOptions options(Random& random) {
    TestEngineOptions options;
    FaultOptions faults;
    faults.delay = Duration::microseconds(static_cast<int64_t>(random.below(10'000)));
    faults.capacity = 4096;
    if (random.below(3) > 0) {
      faults.loss = static_cast<double>(random.below(20)) / 1000;
      faults.reorder = static_cast<double>(random.below(20)) / 1000;
      faults.duplicate = static_cast<double>(random.below(10)) / 1000;
    }
    options.receiving = options.transmitting = faults;
    options.seed = random.next();
    return options;
  }

  void send_some() {
    for (const bool to_server : {true, false}) {
      const Way way(lab, pair, to_server);
      const size_t most = random.below(20'000);
      sent[to_server] += send_from(way.sender, lab.engine.now(), numbered(most, sent[to_server]));
    }
    lab.pass(Duration::microseconds(500 + static_cast<int64_t>(random.below(5000))));
    for (const bool to_server : {true, false}) {
      const auto some = receive_at(Way(lab, pair, to_server).receiver, lab.engine.now());
      got[to_server].insert(got[to_server].end(), some.begin(), some.end());
    }
  }
  // One turn: how many bytes the counted direction, or both, have passed is what was asked for.
  bool turn() {
    pair.hold(lab);
    const uint64_t before = relayed(pair.inbound) + relayed(pair.outbound);
    const int unrelayed = lab.sockets[pair.inbound].unrelayed;
    const uint64_t bytes = 1 + random.below(random.below(2) == 0 ? 3000 : 300'000);
    const uint64_t kind = random.below(3);
    const Way way(lab, pair, kind == 0);
    const uint64_t start = relayed(way.from);
    if (kind < 2) {
      way.pass(lab, bytes);
    } else {
      lab.relay_counted(pair.inbound, pair.outbound, RelayCount::pair, bytes, RelayDepth::splice);
      lab.relay_counted(pair.outbound, pair.inbound, RelayCount::shared, 0, RelayDepth::splice);
    }
    for (int i = 0; i < 20'000 && lab.sockets[pair.inbound].unrelayed == unrelayed; ++i)
      send_some();
    if (kind < 2) return relayed(way.from) - start == bytes;
    return relayed(pair.inbound) + relayed(pair.outbound) - before == bytes;
  }
  uint64_t relayed(uint32_t socket) { return lab.sockets[socket].relayed; }

  Random random;
  SocketLab lab;
  Pair pair;
  size_t sent[2] = {0, 0};
  std::vector<uint8_t> got[2];
};

TEST_CASE("SOCK-16 SOCK-17 TCPX-21 counted again and again over bad links, no byte more or less") {
  constexpr uint64_t kRuns = 60;
  uint64_t splices = 0;
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    CAPTURE(seed);
    CountedWalk walk(both_families()[seed % 2], seed);
    for (int i = 0; i < 8; ++i) CHECK(walk.turn());
    // What is behind the last stop waits for the sockets.
    for (int i = 0; i < 400; ++i) walk.lab.pass(Duration::milliseconds(10));
    for (const bool to_server : {true, false}) {
      const Way way(walk.lab, walk.pair, to_server);
      const auto some = receive_at(way.receiver, walk.lab.engine.now());
      walk.got[to_server].insert(walk.got[to_server].end(), some.begin(), some.end());
      CHECK(walk.got[to_server] == numbered(walk.relayed(way.from)));
    }
    splices += walk.lab.engine.count(Counter::splices);
  }
  CHECK(splices > kRuns);
}

}  // namespace
}  // namespace sluice
