// Handshakes by SYN cookies: when there are any, and the connections that come of them.
#include <doctest/doctest.h>

#include "support/cookie_lab.h"

namespace sluice {
namespace {

using namespace test;

// What the engine holds of anything that came from outside.
std::string state_of(SocketLab& lab) {
  std::string held = lab.left();
  const std::vector<NextHop> free = lab.engine.hold_next_hops();
  for (const NextHop hop : free) lab.engine.stack().release_next_hop(hop);
  if (free.size() != 64) held += "next hops: " + std::to_string(64 - free.size()) + "; ";
  for (const Counter gauge : {Counter::flows, Counter::flow_entries, Counter::pool_buffers,
                              Counter::waiting_flows, Counter::waiting_packets}) {
    if (lab.engine.count(gauge) != 0) held += std::to_string(static_cast<int>(gauge)) + "; ";
  }
  return held;
}

TEST_CASE("TCPX-01 HS-07 FLOWLIFE-05 a million SYNs by cookies leave nothing behind") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, with_cookies());
    IpAddress attacker = ip(hosts.client.is_v4() ? "198.18.0.9" : "2001:db8:9::9");
    constexpr uint32_t kSyns = 500'000;
    for (uint32_t i = 0; i < kSyns; ++i) {
      attacker.bytes[14] = static_cast<uint8_t>(i >> 8);
      attacker.bytes[13] = static_cast<uint8_t>(i >> 16);
      Frame syn = PacketBuilder()
                      .eth(kClientMac, kOutsideMac)
                      .ip(attacker, hosts.virtual_server)
                      .tcp(static_cast<L4Port>(1000 + (i & 0xff)), kServicePort, kTcpSyn)
                      .seq(i)
                      .build();
      REQUIRE(lab.engine.feed(0, syn));
      if (i % 32 == 31) {
        lab.engine.poll_once();
        lab.engine.discard_sent();
      }
    }
    lab.engine.poll();
    CHECK(lab.engine.count(Counter::syn_cookies_sent) == kSyns);
    CHECK(lab.engine.count(Counter::flows_opened) == 0);
    // Nobody was asked for who or where he is, either.
    CHECK(lab.engine.neighbor_messages.empty());
    CHECK(lab.engine.to_server.empty());
    CHECK(lab.engine.balanced());
    CHECK(state_of(lab) == "");
    // And whoever is there is served.
    const uint32_t socket = lab.connect();
    REQUIRE(lab.sockets[socket].accepted);
    CHECK(lab.engine.count(Counter::syn_cookies_accepted) == 1);
  }
}

constexpr size_t kMost = 32 / 4 + 16;  // half-open ones, of 32 connections

std::vector<RawClient> raw_clients(SocketLab& lab, const Hosts& hosts, L4Port count) {
  std::vector<RawClient> clients;
  for (L4Port port = 1; port <= count; ++port) clients.emplace_back(lab, hosts, port);
  return clients;
}

TEST_CASE("TCPX-01 MEM-14 half-open connections that nobody answers for bring cookies") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, with_cookies(SynCookiePolicy::automatic));
    std::vector<RawClient> clients = raw_clients(lab, hosts, 200);
    for (size_t i = 0; i < 100; ++i) clients[i].send(clients[i].syn());
    CHECK(lab.engine.count(Counter::connections) == kMost);
    CHECK(lab.engine.dropped(DropReason::connections_full) == 100 - kMost);
    CHECK(lab.engine.count(Counter::syn_cookies_sent) == 0);
    // Who lets the SYN-ACK be repeated is nobody.
    lab.engine.run(Duration::milliseconds(1005));
    const SynAck told = clients[100].connect();
    CHECK(lab.engine.count(Counter::syn_cookies_sent) == 1);
    clients[100].send(clients[100].answer(told));
    CHECK(lab.engine.count(Counter::syn_cookies_accepted) == 1);
    // Below half of what they may take, one is kept again; and no more than that.
    for (size_t i = 0; i <= kMost / 2; ++i) {
      clients[i].send(clients[i].segment(kTcpRst).seq(RawClient::kIrs + 1));
    }
    for (size_t i = 101; i < 200; ++i) clients[i].connect();
    CHECK(lab.engine.count(Counter::connections) == 1 + kMost / 2);
    CHECK(lab.engine.count(Counter::syn_cookies_sent) == 1 + 99 - 1);
    lab.client_is_there = false;
    lab.pass(Duration::seconds(70));
    CHECK(lab.engine.count(Counter::connections) == 1);
  }
}

TEST_CASE("TCPX-01 a flood that comes again within a minute is known at once, and later is not") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    for (const int pause : {50, 70}) {
      CAPTURE(pause);
      SocketLab lab(hosts, with_cookies(SynCookiePolicy::automatic));
      std::vector<RawClient> clients = raw_clients(lab, hosts, 100);
      for (size_t i = 0; i < kMost; ++i) clients[i].connect();
      lab.engine.run(Duration::milliseconds(1005));
      clients[kMost].connect();
      CHECK(lab.engine.count(Counter::syn_cookies_sent) == 1);
      for (size_t i = 0; i < kMost; ++i) {
        clients[i].send(clients[i].segment(kTcpRst).seq(RawClient::kIrs + 1));
      }
      CHECK(lab.engine.count(Counter::connections) == 0);
      lab.engine.run(Duration::seconds(pause));
      for (size_t i = 50; i < 50 + kMost; ++i) clients[i].connect();
      CHECK(lab.engine.count(Counter::syn_cookies_sent) == 1 + (pause < 60 ? kMost / 2 : 0));
    }
  }
}

TEST_CASE("TCPX-01 MEM-15 of clients who are there, however many at once, none gets a cookie") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, with_cookies(SynCookiePolicy::automatic));
    std::vector<RawClient> clients = raw_clients(lab, hosts, kMost);
    std::vector<SynAck> told;
    for (RawClient& client : clients) told.push_back(client.connect());
    lab.engine.run(Duration::milliseconds(990));
    for (size_t i = 0; i < kMost; ++i) clients[i].send(clients[i].answer(told[i]));
    CHECK(lab.engine.count(Counter::connections_accepted) == kMost);
    CHECK(lab.engine.count(Counter::syn_cookies_sent) == 0);
  }
}

TEST_CASE("TCPX-01 without a flood there are no cookies, and none is looked for") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    for (const SynCookiePolicy policy : {SynCookiePolicy::automatic, SynCookiePolicy::never}) {
      SocketLab lab(hosts, with_cookies(policy));
      CHECK(lab.sockets[lab.connect()].accepted);
      RawClient stranger(lab, hosts, 50000);
      const auto answer = stranger.send(stranger.segment(kTcpAck));
      REQUIRE(answer.size() == 1);
      CHECK(Sent(answer[0]).flags() == kTcpRst);
      CHECK(lab.engine.count(Counter::syn_cookies_sent) == 0);
      CHECK(lab.engine.count(Counter::syn_cookies_refused) == 0);
    }
  }
}

// What an end has agreed on and measured, but for what depends on the handshake's time.
std::string agreed(SocketLab& lab, uint32_t socket) {
  const SocketStateView state = lab.ask(socket);
  const TcpFlow& theirs = lab.client.flow();
  std::string text;
  for (const uint32_t value :
       {uint32_t{state.tcp_state()}, uint32_t{state.options()}, uint32_t{state.snd_wscale()},
        uint32_t{state.rcv_wscale()}, uint32_t{state.mss()}, uint32_t{state.mtu()},
        uint32_t{state.cwnd()}, uint32_t{state.snd_wnd()}, uint32_t{theirs.options},
        uint32_t{theirs.scales}, uint32_t{lab.client.connection()->snd_mss}}) {
    text += std::to_string(value) + " ";
  }
  return text;
}

uint32_t connect_with(SocketLab& lab, uint8_t offer, bool ecn) {
  lab.client.tcp().config.offer = offer;
  lab.client.tcp().config.ecn = ecn ? EcnMode::ask : EcnMode::accept;
  return lab.connect();
}

void transfer_both_ways(SocketLab& lab, uint32_t socket) {
  const auto bytes = numbered(60'000);
  lab.read(socket, 60'000);
  size_t sent = 0, written = 0;
  std::vector<uint8_t> received;
  for (int i = 0; i < 100 && (received.size() < bytes.size() || sent < bytes.size()); ++i) {
    sent += send_from(lab.client, lab.engine.now(), ConstByteSpan(bytes).subspan(sent));
    const size_t room = std::min<size_t>(lab.sockets[socket].credit, bytes.size() - written);
    if (room > 0) lab.write(socket, ConstByteSpan(bytes).subspan(written, room));
    written += room;
    lab.pass(Duration::milliseconds(20));
    const auto part = receive_at(lab.client, lab.engine.now());
    received.insert(received.end(), part.begin(), part.end());
  }
  lab.pass(Duration::milliseconds(100));
  CHECK(received == bytes);
  CHECK(lab.sockets[socket].bytes == bytes);
}

TEST_CASE("TCPX-02 TCPX-07 with timestamps a cookie's connection has all that another has") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    for (uint8_t offer = 0; offer < 16; ++offer) {
      CAPTURE(offer);
      const bool ecn = (offer & TcpFlow::kEcn) != 0;
      const bool timestamps = (offer & TcpFlow::kTimestamps) != 0;
      SocketLab usual(hosts, with_cookies(SynCookiePolicy::never));
      SocketLab lab(hosts, with_cookies());
      const uint8_t options = offer & 7;
      // Without timestamps there is no place for any of them.
      const uint32_t expected = connect_with(usual, timestamps ? options : 0, ecn && timestamps);
      const uint32_t socket = connect_with(lab, options, ecn);
      REQUIRE(lab.sockets[socket].accepted);
      REQUIRE(lab.engine.count(Counter::syn_cookies_accepted) == 1);
      CHECK(agreed(lab, socket) == agreed(usual, expected));
      transfer_both_ways(lab, socket);
      lab.say<ShutSocketView>(socket);
      shut_at(lab.client, lab.engine.now());
      lab.pass(Duration::milliseconds(100));
      CHECK(lab.sockets[socket].closed);
      CHECK(lab.sockets[socket].end == StreamEnd::finished);
    }
  }
}

TEST_CASE("TCPX-02 timestamps grow from the SYN-ACK on, and round trips are of data alone") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    for (int start = 0; start < 64; start += 7) {
      SocketLab lab(hosts, with_cookies());
      lab.engine.run(Duration::milliseconds(1 + start));
      RawClient client(lab, hosts, 40001);
      const SynAck told = client.connect();
      REQUIRE(told.timestamps);
      lab.read(0, 0);
      client.send(client.answer(told));
      REQUIRE(lab.last_accepted != 0);
      CHECK(lab.ask(lab.last_accepted).srtt_us() == 0);
      const auto answers = client.send(client.answer(told, kTcpAck | kTcpPsh).payload(10));
      REQUIRE(answers.size() == 1);
      Sent ack(answers[0]);
      CHECK(static_cast<int32_t>(ack.tsval() - told.tsval) >= 0);
      CHECK(ack.tsval() - told.tsval < 64);
    }
  }
}

TEST_CASE("TCPX-05 a SYN that comes again is answered as before") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, with_cookies());
    RawClient client(lab, hosts, 40001);
    const SynAck first = client.connect();
    CHECK(first.flags == (kTcpSyn | kTcpAck));
    CHECK(first.ack == Seq(RawClient::kIrs + 1));
    CHECK(first.window == 8192);  // what it may hold, whatever happens meanwhile
    lab.engine.run(Duration::seconds(1));
    const SynAck second = client.connect();
    CHECK(second.seq == first.seq);
    CHECK(static_cast<int32_t>(second.tsval - first.tsval) >= 0);
    // Both are good, the older timestamp, too.
    client.send(client.answer(first));
    CHECK(lab.sockets[lab.last_accepted].accepted);
  }
}

TEST_CASE(
    "TCPX-05 a SYN-ACK that is lost twice comes again, by itself and for the SYN, with its "
    "number") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, with_cookies(SynCookiePolicy::automatic));
    RawClient client(lab, hosts, 40001);
    const SynAck first = client.connect();
    for (const int seconds : {1, 2}) {
      lab.engine.clear_sent();
      lab.engine.run(Duration::milliseconds(seconds * 1000 + 5));
      CHECK(RawClient::read(lab.engine.to_client).seq == first.seq);
    }
    const SynAck again = client.connect();
    CHECK(again.seq == first.seq);
    CHECK(again.mss == first.mss);
    client.send(client.answer(again));
    CHECK(lab.sockets[lab.last_accepted].accepted);
    CHECK(lab.engine.count(Counter::syn_cookies_sent) == 0);
  }
}

TEST_CASE("TCPX-09 data of a SYN is not taken, with its cookie") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, with_cookies());
    RawClient client(lab, hosts, 40001);
    const SynAck told = RawClient::read(client.send(client.syn().payload(100)));
    CHECK(told.ack == Seq(RawClient::kIrs + 1));
    client.send(client.answer(told, kTcpAck | kTcpPsh).payload(100));
    lab.read(lab.last_accepted, 1000);
    CHECK(lab.sockets[lab.last_accepted].bytes.size() == 100);
  }
}

TEST_CASE("TCPX-03 the first data completes the handshake where the ACK was lost") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    for (const bool timestamps : {true, false}) {
      for (const bool ends : {false, true}) {
        SocketLab lab(hosts, with_cookies());
        RawClient client(lab, hosts, 40001);
        const SynAck told = client.connect(timestamps);
        CHECK(told.timestamps == timestamps);
        CHECK(told.sack == timestamps);
        CHECK(told.scale == timestamps);
        const auto request = numbered(3000);
        PacketBuilder first = client.answer(told, kTcpAck | kTcpPsh | (ends ? kTcpFin : 0));
        first.payload(request);
        if (!ends) first.gso(1448);
        const auto answers = client.send(first);
        REQUIRE(lab.sockets[lab.last_accepted].accepted);
        REQUIRE(answers.size() == 1);
        CHECK(Sent(answers[0]).tcp().ack() == Seq(RawClient::kIrs + 1 + 3000 + ends));
        lab.read(lab.last_accepted, 10000);
        CHECK(lab.sockets[lab.last_accepted].bytes == request);
        CHECK(lab.sockets[lab.last_accepted].ended == ends);
        // The ACK that was late changes nothing.
        client.send(client.answer(told));
        CHECK(lab.engine.count(Counter::connections_accepted) == 1);
        CHECK(lab.engine.count(Counter::syn_cookies_refused) == 0);
      }
    }
  }
}

TEST_CASE(
    "TCPX-03 a service that speaks first speaks when the ACK comes; of a silent client nothing "
    "stays") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, with_cookies());
    RawClient silent(lab, hosts, 40002);
    silent.connect();
    CHECK(state_of(lab) == "");
    const uint32_t socket = lab.connect();
    lab.write(socket, numbered(100));
    lab.pass(Duration::milliseconds(10));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(100));
  }
}

}  // namespace
}  // namespace sluice
