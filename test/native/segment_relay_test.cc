// Bytes that go from one connection to another in the engine, each direction by itself.
#include <doctest/doctest.h>

#include "support/socket_lab.h"

namespace sluice {
namespace {

using namespace test;

// A client's connection and the one beside it to the server, nothing handed up of either.
struct Joined {
  explicit Joined(SocketLab& lab, const Hosts& hosts)
      : inbound(lab.connect()), outbound(lab.open(inbound, hosts.server, 8080, true)) {
    for (const uint32_t socket : {inbound, outbound}) lab.say<HoldSocketView>(socket);
  }
  uint32_t inbound, outbound;
};

void reset_by(TcpHost& host, SocketLab& lab) {
  host.call(lab.engine.now(),
            [&](TcpTurn& turn, Connection& c) { host.note(lab.engine.now(), abort(turn, c)); });
}

TEST_CASE("BUF-01 SOCK-20 one direction goes by the engine, the other one by its socket") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const Joined pair(lab, hosts);
    lab.relay_one_way(pair.inbound, pair.outbound, RelayEnds::stay);
    lab.read(pair.outbound, 100'000);
    send_from(lab.client, lab.engine.now(), numbered(5000));
    send_from(lab.server, lab.engine.now(), numbered(3000));
    lab.pass(Duration::milliseconds(100));
    CHECK(receive_at(lab.server, lab.engine.now()) == numbered(5000));
    CHECK(lab.sockets[pair.outbound].bytes == numbered(3000));
    CHECK(lab.sockets[pair.inbound].data_messages == 0);
    lab.write(pair.inbound, numbered(3000));
    lab.pass(Duration::milliseconds(100));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(3000));
    CHECK(lab.ask(pair.inbound).bytes_received() == 5000);
    CHECK(lab.ask(pair.outbound).bytes_sent() == 5000);
  }
}

TEST_CASE("SOCK-20 what is written behind the order to stop follows every byte that moved") {
  constexpr int kTurns = 20;
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const Joined pair(lab, hosts);
    std::vector<uint8_t> expected, got;
    const auto append = [](std::vector<uint8_t>& to, const std::vector<uint8_t>& bytes) {
      to.insert(to.end(), bytes.begin(), bytes.end());
    };
    size_t sent = 0, passed = 0;
    for (int turn = 0; turn < kTurns; ++turn) {
      lab.relay_one_way(pair.inbound, pair.outbound, RelayEnds::stay);
      sent += send_from(lab.client, lab.engine.now(), numbered(10'000, sent));
      if (turn % 2 == 0) lab.pass(Duration::milliseconds(5));
      lab.say<UnrelaySocketView>(pair.inbound);
      CHECK(lab.sockets[pair.inbound].unrelayed == turn + 1);
      std::vector<uint8_t>& up = lab.sockets[pair.inbound].bytes;
      const size_t moved = lab.sockets[pair.inbound].relayed + up.size() - passed;
      append(expected, numbered(moved, passed));
      passed += moved;
      const std::vector<uint8_t> own{0xee, 0xee, 0xee};
      lab.write(pair.outbound, own);
      append(expected, own);
      // What was not moved is handed up, and written.
      const size_t before = up.size();
      lab.read(pair.inbound, 1'000'000);
      lab.pass(Duration::milliseconds(50));
      const std::vector<uint8_t> rest(up.begin() + static_cast<long>(before), up.end());
      if (!rest.empty()) lab.write(pair.outbound, rest);
      append(expected, numbered(sent - passed, passed));
      passed = sent;
      lab.say<HoldSocketView>(pair.inbound);
      lab.pass(Duration::milliseconds(50));
      append(got, receive_at(lab.server, lab.engine.now()));
    }
    CHECK(got == expected);
    CHECK(lab.sockets[pair.inbound].relayed > 0);
    CHECK(lab.sockets[pair.inbound].bytes.size() > 0);
  }
}

TEST_CASE("SOCK-28 an end that stays ends the direction, and is told behind the last byte") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const Joined pair(lab, hosts);
    lab.relay(pair.inbound, pair.outbound, RelayEnds::stay);
    send_from(lab.server, lab.engine.now(), numbered(4000));
    shut_at(lab.server, lab.engine.now());
    lab.pass(Duration::milliseconds(100));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(4000));
    CHECK(lab.sockets[pair.outbound].relayed == 4000);
    CHECK(lab.sockets[pair.outbound].unrelayed == 1);
    CHECK(lab.sockets[pair.outbound].ended);
    CHECK(lab.sockets[pair.inbound].unrelayed == 0);
    CHECK_FALSE(at_end(*lab.client.connection()));
    // The other direction goes on.
    send_from(lab.client, lab.engine.now(), numbered(2000));
    lab.pass(Duration::milliseconds(100));
    CHECK(receive_at(lab.server, lab.engine.now()) == numbered(2000));
    lab.say<UnrelaySocketView>(pair.inbound);
    lab.say<ShutSocketView>(pair.inbound);
    lab.pass(Duration::milliseconds(100));
    CHECK(at_end(*lab.client.connection()));
    CHECK(lab.sockets[pair.inbound].relayed == 2000);
  }
}

TEST_CASE("SOCK-28 a reset that stays leaves the other connection as it is") {
  for (const Hosts& hosts : both_families()) {
    for (const bool by_server : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(by_server);
      SocketLab lab(hosts, {});
      const Joined pair(lab, hosts);
      lab.relay(pair.inbound, pair.outbound, RelayEnds::stay);
      reset_by(by_server ? lab.server : lab.client, lab);
      lab.pass(Duration::milliseconds(100));
      const uint32_t gone = by_server ? pair.outbound : pair.inbound;
      const uint32_t kept = by_server ? pair.inbound : pair.outbound;
      CHECK(lab.sockets[gone].closed);
      CHECK(lab.sockets[gone].end == StreamEnd::reset);
      CHECK_FALSE(lab.sockets[kept].closed);
      CHECK(lab.sockets[kept].unrelayed == 1);
      CHECK(lab.ask(kept).tcp_state() == static_cast<uint8_t>(ConnectionState::established));
      lab.read(kept, 1000);
      send_from(by_server ? lab.client : lab.server, lab.engine.now(), numbered(500));
      lab.pass(Duration::milliseconds(100));
      CHECK(lab.sockets[kept].bytes == numbered(500));
    }
  }
}

TEST_CASE("PROXY-14 a reset behind an end takes nothing along that came before it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const Joined pair(lab, hosts);
    lab.relay(pair.inbound, pair.outbound, RelayEnds::stay);
    lab.client_is_there = false;  // more than its send buffer has room for
    constexpr size_t kBytes = 350'000;
    size_t sent = 0;
    for (int i = 0; i < 1000 && sent < kBytes; ++i) {
      const size_t most = std::min<size_t>(kBytes - sent, 50'000);
      sent += send_from(lab.server, lab.engine.now(), numbered(most, sent));
      lab.pass(Duration::milliseconds(2));
    }
    REQUIRE(sent > lab.ask(pair.inbound).send_queued());
    shut_at(lab.server, lab.engine.now());
    lab.pass(Duration::seconds(5));
    const uint64_t relayed = lab.sockets[pair.outbound].relayed;
    CHECK(relayed == sent);
    CHECK(lab.sockets[pair.outbound].ended);
    reset_by(lab.server, lab);
    lab.pass(Duration::milliseconds(50));
    CHECK(lab.sockets[pair.outbound].closed);
    lab.say<ShutSocketView>(pair.inbound);
    lab.client_is_there = true;
    std::vector<uint8_t> got;
    for (int i = 0; i < 2000 && got.size() < relayed; ++i) {
      lab.pass(Duration::milliseconds(20));
      const auto some = receive_at(lab.client, lab.engine.now());
      got.insert(got.end(), some.begin(), some.end());
    }
    CHECK(got == numbered(relayed));
  }
}

TEST_CASE("what cannot be relayed is refused, or its end says so") {
  const Hosts hosts = both_families()[0];
  SocketLab lab(hosts, {});
  const Joined pair(lab, hosts);
  const uint32_t other = lab.open(pair.inbound, hosts.server, 8080, false);
  const uint64_t invalid = lab.engine.count(Counter::messages_invalid);
  lab.relay_one_way(pair.inbound, pair.inbound, RelayEnds::stay);
  CHECK(lab.engine.count(Counter::messages_invalid) == invalid + 1);
  lab.relay_one_way(pair.inbound, pair.outbound, RelayEnds::stay);
  lab.relay_one_way(pair.inbound, other, RelayEnds::stay);
  lab.relay_one_way(other, pair.outbound, RelayEnds::stay);
  CHECK(lab.engine.count(Counter::messages_invalid) == invalid + 3);
  lab.say<AbortSocketView>(pair.outbound);
  CHECK(lab.sockets[pair.inbound].unrelayed == 1);
  CHECK_FALSE(lab.sockets[pair.inbound].closed);
}

}  // namespace
}  // namespace sluice
