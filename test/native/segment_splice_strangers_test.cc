// What others do to a spliced pair: who guesses while it drains, and who takes all connections.
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "support/cookie_lab.h"
#include "support/counted_pair.h"
#include "support/spliced_pair.h"

namespace sluice {
namespace {

using namespace test;

struct Guess {
  uint32_t seq;  // beyond the client's next
  uint32_t ack;  // beyond what it was sent
};

void guess(SocketLab& lab, const Hosts& hosts, Guess guess, bool stamped) {
  const Connection& client = *lab.client.connection();
  PacketBuilder builder;
  builder.ip(hosts.client, hosts.virtual_server).tcp(40000, kServicePort, kTcpAck).window(1000);
  builder.seq((client.flow->snd_nxt + guess.seq).raw());
  builder.ack((client.flow->rcv_nxt + guess.ack).raw());
  const uint32_t now = Tcp::timestamp(client.ts_offset, lab.engine.now());
  if (stamped) builder.nop().nop().timestamps(now + 0x10000000U, 77);
  lab.engine.from_client(builder);
}

TEST_CASE(
    "TCPX-36 HS-28 who guesses a number says nothing of bytes that the engine still repeats") {
  for (const Hosts& hosts : both_families()) {
    for (const bool stamped : {false, true}) {
      for (const Guess& each : {Guess{0x40000000U, 0x20000000U}, Guess{0x40000000U, 0xe0000000U},
                                Guess{0, 0x20000000U}, Guess{0x40000000U, 1448}}) {
        CAPTURE(hosts.family);
        CAPTURE(stamped);
        CAPTURE(each.seq);
        CAPTURE(each.ack);
        LabHost host;
        if (!stamped) host.config.offer &= static_cast<uint8_t>(~TcpFlow::kTimestamps);
        SocketLab lab(hosts, {}, 40000, host, host);
        SplicedPair pair(lab, hosts);
        pair.drain(3000);
        guess(lab, hosts, each, stamped);
        CHECK(pair.has_blocks());
        lab.client_hears = true;
        lab.pass(Duration::seconds(10));
        CHECK(receive_at(lab.client, lab.engine.now()) == numbered(3000));
        CHECK_FALSE(pair.at_client.was_reset);
        CHECK_FALSE(pair.at_server.was_reset);
        CHECK_FALSE(pair.has_blocks());
      }
    }
  }
}

// The largest window that the server is told of, from the way back on.
uint16_t largest_window(const Hosts& hosts, bool is_guessed) {
  SocketLab lab(hosts, {});
  SplicedPair pair(lab, hosts);
  pair.let_go();
  lab.client_hears = false;
  send_from(lab.server, lab.engine.now(), numbered(1000));
  lab.settle();
  pair.take_back();
  REQUIRE(pair.returns() == 0);
  if (is_guessed) {
    PacketBuilder builder;
    builder.ip(hosts.client, hosts.virtual_server).tcp(40000, kServicePort, kTcpAck).window(65535);
    builder.seq((lab.client.connection()->flow->snd_nxt + 0x40000000U).raw());
    builder.ack((lab.client.connection()->flow->rcv_nxt - 500U).raw());
    lab.engine.from_client(builder);
  }
  lab.client_hears = true;
  lab.pass(Duration::seconds(2));
  CHECK(pair.returns() == 1);
  CHECK(receive_at(lab.client, lab.engine.now()) == numbered(1000));
  pair.forget();
  send_from(lab.server, lab.engine.now(), part(1000, 2000));
  lab.pass(Duration::seconds(2));
  uint16_t largest = 0;
  for (const TcpSegment& told : pair.at_server.got) largest = std::max(largest, told.window);
  return largest;
}

TEST_CASE("TCPX-36 TCPX-21 who guesses a number offers no room for the other end on the way back") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    CHECK(largest_window(hosts, true) == largest_window(hosts, false));
  }
}

// Clients that have all connections that there are.
struct Crowd {
  Crowd(SocketLab& lab, const Hosts& hosts) {
    for (L4Port port = 1; port <= 1000; ++port) {
      RawClient client(lab, hosts, port);
      const std::vector<MemoryFrame> answers = client.send(client.syn());
      if (answers.size() != 1) break;
      client.send(client.answer(RawClient::read(answers)));
      clients.push_back(client);
    }
    REQUIRE_FALSE(clients.empty());
  }
  void leave() {
    for (RawClient& client : clients) client.send(client.reset());
  }
  std::vector<RawClient> clients;
};

TEST_CASE("SOCK-18 a pair that is taken back where there is no connection for it waits for one") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.let_go();
    Crowd crowd(lab, hosts);
    pair.take_back();
    send_from(lab.server, lab.engine.now(), numbered(5000));
    lab.pass(Duration::milliseconds(50));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(5000));
    CHECK(pair.returns() == 0);
    CHECK(lab.engine.count(Counter::returns_postponed) > 0);
    pair.forget();
    crowd.leave();
    CHECK(pair.returns() == 1);
    CHECK(pair.at_client.sent.empty());
    CHECK(pair.at_server.sent.empty());
    lab.write(pair.inbound, numbered(700));
    lab.pass(Duration::milliseconds(50));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(700));
    CHECK_FALSE(pair.at_client.was_reset);
    CHECK_FALSE(pair.at_server.was_reset);
  }
}

// Pairs that are let go, each of a client and a server of its own that say nothing; then they are
// to come back, and clients have all connections that there are.
struct QuietPairs {
  QuietPairs(const Hosts& hosts, size_t count) : hosts(hosts), lab(hosts, options_for(count)) {
    lab.server_is_there = false;  // servers are played here
    for (size_t i = 0; i < count; ++i) let_go(static_cast<L4Port>(2000 + i));
    REQUIRE(lab.engine.count(Counter::splices) == count);
    REQUIRE(lab.engine.count(Counter::connections) == 0);
    crowd.emplace(lab, hosts);
    for (const uint32_t socket : sockets) lab.say<UnrelaySocketView>(socket);
    CHECK(lab.engine.count(Counter::returns_postponed) >= count);
    CHECK(returned() == 0);
  }
  // Two sockets for each pair, and one for each of the crowd.
  static TestEngineOptions options_for(size_t count) {
    TestEngineOptions options;
    options.limits.connections = static_cast<uint32_t>(2 * count + 2);
    options.limits.flows = 4 * options.limits.connections;
    return options;
  }
  uint64_t returned() const { return lab.engine.count(Counter::splices_returned); }

  const Hosts& hosts;
  SocketLab lab;
  std::vector<RawClient> clients;
  std::vector<uint32_t> sockets;
  std::optional<Crowd> crowd;

 private:
  void let_go(L4Port port) {
    const RawClient client = clients.emplace_back(lab, hosts, port);
    clients.back().send(client.answer(clients.back().connect(false)).window(60000));
    const uint32_t inbound = lab.last_accepted;
    const uint32_t outbound = lab.open(inbound, hosts.server, 8080, true);
    REQUIRE(lab.engine.to_server.size() == 1);
    const Seq begun = Sent(lab.engine.to_server[0]).tcp().seq();
    lab.engine.clear_sent();
    lab.engine.from_server(PacketBuilder()
                               .ip(hosts.server, hosts.client)
                               .tcp(8080, port, kTcpSyn | kTcpAck)
                               .seq(9000)
                               .ack(begun.raw() + 1)
                               .window(60000)
                               .mss(1460));
    for (const uint32_t socket : {inbound, outbound}) {
      lab.say<HoldSocketView>(socket);
      sockets.push_back(socket);
    }
    lab.splice(inbound, outbound);
    lab.engine.clear_sent();
  }
};

TEST_CASE("SOCK-18 however many pairs wait for connections, all come back without a packet") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    QuietPairs pairs(hosts, 150);
    pairs.crowd->leave();
    CHECK(pairs.returned() == 150);
    for (const uint32_t socket : pairs.sockets) CHECK(pairs.lab.sockets[socket].unrelayed > 0);
  }
}

TEST_CASE("SOCK-18 who is over keeps nobody waiting that waits behind it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    QuietPairs pairs(hosts, 400);
    SocketLab& lab = pairs.lab;
    for (size_t i = 0; i + 1 < 400; ++i) pairs.clients[i].send(pairs.clients[i].reset());
    lab.engine.run(Duration::milliseconds(50));
    for (int i = 0; i < 2; ++i) lab.engine.from_client(pairs.crowd->clients[i].reset());
    lab.engine.run(Duration::milliseconds(5));
    CHECK(pairs.returned() == 1);
  }
}

TEST_CASE("SOCK-15 no byte passes beyond a count, though there is no connection to come back to") {
  for (const Hosts& hosts : both_families()) {
    for (const bool to_server : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(to_server);
      SocketLab lab(hosts, {});
      const Pair pair(lab, hosts);
      const Way way(lab, pair, to_server);
      way.pass(lab, 4000);
      lab.pass(Duration::milliseconds(50));
      Crowd crowd(lab, hosts);
      send_from(way.sender, lab.engine.now(), numbered(9000));
      lab.pass(Duration::milliseconds(100));
      CHECK(receive_at(way.receiver, lab.engine.now()) == numbered(4000));
      CHECK(lab.engine.count(Counter::splices_returned) == 0);
      crowd.leave();
      lab.pass(Duration::seconds(5));
      CHECK(lab.engine.count(Counter::splices_returned) == 1);
      lab.read(way.from, 100'000);
      lab.pass(Duration::milliseconds(100));
      CHECK(lab.sockets[way.from].bytes == part(4000, 9000));
    }
  }
}

}  // namespace
}  // namespace sluice
