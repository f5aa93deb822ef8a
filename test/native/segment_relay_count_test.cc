// Bytes that go from one connection to another in the engine until so many have gone: the stop is
// at that very byte, and what is behind it is the socket's.
#include <doctest/doctest.h>

#include "base/random.h"
#include "support/counted_pair.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE("SOCK-15 SOCK-16 so many bytes go by, at either side of a segment, and no more") {
  for (const Hosts& hosts : both_families()) {
    for (const size_t bytes : {size_t{1}, kMss - 1, kMss, kMss + 1, size_t{20'000}}) {
      for (const bool to_server : {true, false}) {
        CAPTURE(hosts.family);
        CAPTURE(bytes);
        CAPTURE(to_server);
        SocketLab lab(hosts, {});
        const Pair pair(lab, hosts);
        const uint32_t from = to_server ? pair.inbound : pair.outbound;
        const uint32_t to = to_server ? pair.outbound : pair.inbound;
        TcpHost& sender = to_server ? lab.client : lab.server;
        TcpHost& receiver = to_server ? lab.server : lab.client;
        lab.relay_one_way(to, from, RelayEnds::pass);
        lab.relay_counted(from, to, RelayCount::pair, bytes);
        send_from(sender, lab.engine.now(), numbered(bytes + 5000));
        lab.pass(Duration::milliseconds(100));
        CHECK(receive_at(receiver, lab.engine.now()) == numbered(bytes));
        CHECK(lab.sockets[from].relayed == bytes);
        CHECK(lab.sockets[from].unrelayed == 1);
        CHECK(lab.sockets[to].unrelayed == 1);
        // Nothing of the rest before somebody asks.
        CHECK(lab.sockets[from].data_messages == 0);
        lab.read(from, 100'000);
        lab.pass(Duration::milliseconds(100));
        CHECK(lab.sockets[from].bytes == part(bytes, bytes + 5000));
      }
    }
  }
}

TEST_CASE("SOCK-17 a direction by itself leaves the other one as it is") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const Pair pair(lab, hosts);
    lab.relay_counted(pair.outbound, pair.inbound, RelayCount::one, 3000);
    lab.relay_counted(pair.inbound, pair.outbound, RelayCount::one, 2000);
    send_from(lab.server, lab.engine.now(), numbered(4000));
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.sockets[pair.outbound].unrelayed == 1);
    CHECK(lab.sockets[pair.inbound].unrelayed == 0);
    send_from(lab.client, lab.engine.now(), numbered(1999));
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.sockets[pair.inbound].unrelayed == 0);
    send_from(lab.client, lab.engine.now(), part(1999, 2500));
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.sockets[pair.inbound].unrelayed == 1);
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(3000));
    CHECK(receive_at(lab.server, lab.engine.now()) == numbered(2000));
  }
}

TEST_CASE("SOCK-17 of both directions together the sum decides, seed by seed") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    const Hosts hosts = both_families()[seed % 2];
    Random random(seed);
    SocketLab lab(hosts, {});
    const Pair pair(lab, hosts);
    const uint64_t bytes = 1 + random.below(30'000);
    size_t sent[2] = {0, 0};
    std::vector<uint8_t> got[2];
    // Some of it may be there before.
    const auto send_some = [&] {
      const size_t way = random.below(2);
      TcpHost& host = way == 0 ? lab.client : lab.server;
      const size_t most = random.below(4000);
      sent[way] += send_from(host, lab.engine.now(), numbered(most, sent[way]));
      lab.pass(Duration::milliseconds(random.below(3)));
    };
    send_some();
    send_some();
    lab.relay_counted(pair.inbound, pair.outbound, RelayCount::pair, bytes);
    if (seed % 3 == 0) send_some();
    lab.relay_counted(pair.outbound, pair.inbound, RelayCount::shared, 0);
    for (int i = 0; i < 200 && lab.sockets[pair.inbound].unrelayed == 0; ++i) send_some();
    lab.pass(Duration::milliseconds(200));
    const Heard& in = lab.sockets[pair.inbound];
    const Heard& out = lab.sockets[pair.outbound];
    CHECK(in.unrelayed == 1);
    CHECK(out.unrelayed == 1);
    CHECK(in.relayed + out.relayed == bytes);
    CHECK(receive_at(lab.server, lab.engine.now()) == numbered(in.relayed));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(out.relayed));
    lab.read(pair.inbound, 1'000'000);
    lab.read(pair.outbound, 1'000'000);
    lab.pass(Duration::milliseconds(200));
    CHECK(in.bytes == part(in.relayed, sent[0]));
    CHECK(out.bytes == part(out.relayed, sent[1]));
  }
}

TEST_CASE("SOCK-15 a count has 64 bits") {
  const Hosts hosts = both_families()[0];
  SocketLab lab(hosts, {});
  const Pair pair(lab, hosts);
  lab.relay_counted(pair.inbound, pair.outbound, RelayCount::one, (uint64_t{1} << 32) + 100);
  lab.relay_counted(pair.outbound, pair.inbound, RelayCount::one, UINT64_MAX);
  send_from(lab.client, lab.engine.now(), numbered(5000));
  send_from(lab.server, lab.engine.now(), numbered(5000));
  lab.pass(Duration::milliseconds(100));
  CHECK(receive_at(lab.server, lab.engine.now()) == numbered(5000));
  CHECK(receive_at(lab.client, lab.engine.now()) == numbered(5000));
  CHECK(lab.sockets[pair.inbound].unrelayed == 0);
  CHECK(lab.sockets[pair.outbound].unrelayed == 0);
}

TEST_CASE("SOCK-15 an end that stands behind the last byte is the socket's, and goes no further") {
  for (const Hosts& hosts : both_families()) {
    for (const uint64_t bytes : {2999, 3000}) {
      CAPTURE(hosts.family);
      CAPTURE(bytes);
      SocketLab lab(hosts, {});
      const Pair pair(lab, hosts);
      send_from(lab.server, lab.engine.now(), numbered(3000));
      shut_at(lab.server, lab.engine.now());
      lab.pass(Duration::milliseconds(50));
      lab.relay_one_way(pair.inbound, pair.outbound, RelayEnds::pass);
      lab.relay_counted(pair.outbound, pair.inbound, RelayCount::pair, bytes);
      lab.pass(Duration::milliseconds(50));
      CHECK(receive_at(lab.client, lab.engine.now()) == numbered(bytes));
      CHECK_FALSE(at_end(*lab.client.connection()));
      CHECK(lab.sockets[pair.outbound].unrelayed == 1);
      lab.read(pair.outbound, 1000);
      CHECK(lab.sockets[pair.outbound].bytes == part(bytes, 3000));
      CHECK(lab.sockets[pair.outbound].ended);
      send_from(lab.client, lab.engine.now(), numbered(10));
      lab.read(pair.inbound, 1000);
      lab.pass(Duration::milliseconds(50));
      CHECK(lab.sockets[pair.inbound].bytes == numbered(10));
    }
  }
}

TEST_CASE("SOCK-16 counted again and again on one connection") {
  const Hosts hosts = both_families()[0];
  Random random(5);
  SocketLab lab(hosts, {});
  const Pair pair(lab, hosts);
  std::vector<uint8_t> got;
  size_t sent = 0;
  size_t at = 0;
  for (int turn = 0; turn < 300; ++turn) {
    lab.say<HoldSocketView>(pair.inbound);
    const uint64_t bytes = 1 + random.below(6000);
    lab.relay_counted(pair.inbound, pair.outbound, RelayCount::one, bytes);
    while (lab.sockets[pair.inbound].unrelayed == turn) {
      sent += send_from(lab.client, lab.engine.now(), numbered(random.below(5000), sent));
      lab.pass(Duration::milliseconds(2));
    }
    const auto some = receive_at(lab.server, lab.engine.now());
    got.insert(got.end(), some.begin(), some.end());
    at += bytes;
    CHECK(lab.sockets[pair.inbound].relayed == at);
  }
  lab.pass(Duration::milliseconds(100));
  const auto some = receive_at(lab.server, lab.engine.now());
  got.insert(got.end(), some.begin(), some.end());
  CHECK(got == numbered(at));
}

TEST_CASE("SOCK-15 what cannot be counted is refused") {
  const Hosts hosts = both_families()[0];
  SocketLab lab(hosts, {});
  const Pair pair(lab, hosts);
  const uint64_t invalid = lab.engine.count(Counter::messages_invalid);
  lab.relay_counted(pair.inbound, pair.outbound, RelayCount::one, 0);
  lab.relay_counted(pair.inbound, pair.outbound, RelayCount::pair, 0);
  lab.relay_counted(pair.inbound, pair.outbound, RelayCount::none, 1);
  lab.relay_counted(pair.inbound, pair.outbound, RelayCount::shared, 1);
  lab.relay_counted(pair.inbound, pair.outbound, RelayCount::shared + 1, 0);
  CHECK(lab.engine.count(Counter::messages_invalid) == invalid + 5);
  CHECK(lab.sockets[pair.inbound].unrelayed == 0);
  // The other direction counts nothing, or nothing any more.
  lab.relay_counted(pair.inbound, pair.outbound, RelayCount::shared, 0);
  CHECK(lab.sockets[pair.inbound].unrelayed == 1);
}

}  // namespace
}  // namespace sluice
