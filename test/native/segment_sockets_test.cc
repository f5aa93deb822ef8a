// Connections that the engine ends itself, from the frames on the links to the messages of sockets.
#include <doctest/doctest.h>

#include "support/socket_lab.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE(
    "SOCK-01 PROXY-01 PROXY-17 a client's connection ends at the virtual address, and asks "
    "nobody") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t socket = lab.connect();
    REQUIRE(socket != 0);
    const Heard& heard = lab.sockets[socket];
    CHECK(heard.accepted);
    CHECK(heard.remote == hosts.client);
    CHECK(heard.remote_port == 40000);
    CHECK(heard.local == hosts.virtual_server);
    CHECK(heard.local_port == kServicePort);
    CHECK(heard.vs == kServiceId);
    CHECK(heard.credit > 16000);
    CHECK(lab.engine.told_of<QueryView>().empty());
    CHECK(lab.engine.count(Counter::connections) == 1);

    const auto request = numbered(5000);
    send_from(lab.client, lab.engine.now(), request);
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.sockets[socket].bytes.empty());  // nobody has asked for any
    lab.read(socket, 3000);
    CHECK(lab.sockets[socket].bytes.size() == 3000);
    lab.read(socket, 100'000);
    CHECK(lab.sockets[socket].bytes == request);

    const auto answer = numbered(9000);
    lab.write(socket, answer);
    lab.pass(Duration::milliseconds(100));
    CHECK(receive_at(lab.client, lab.engine.now()) == answer);

    shut_at(lab.client, lab.engine.now());
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.sockets[socket].ended);
    CHECK_FALSE(lab.sockets[socket].closed);
    lab.say<ShutSocketView>(socket);
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.sockets[socket].closed);
    CHECK(lab.sockets[socket].end == StreamEnd::finished);
    lab.pass(Duration::seconds(1));
    CHECK(lab.left() == "");
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("SOCK-04 SOCK-08 PROXY-02 an associated connection comes from the client's endpoint") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t inbound = lab.connect();
    const uint32_t outbound = lab.open(inbound, hosts.server, 8080, true);
    REQUIRE(outbound != 0);
    REQUIRE(lab.sockets[outbound].connected);
    CHECK(lab.sockets[outbound].serial == lab.sockets[inbound].serial);  // one pair
    CHECK(lab.sockets[outbound].local == hosts.client);
    CHECK(lab.sockets[outbound].local_port == 40000);
    CHECK(lab.engine.count(Counter::flow_entries) == 2);
    REQUIRE(lab.server.connection() != nullptr);
    lab.write(outbound, numbered(4000));
    CHECK(receive_at(lab.server, lab.engine.now()) == numbered(4000));
    // SOCK-10: the same once more is another flow that the server could not tell from it.
    CHECK(lab.open(inbound, hosts.server, 8080, true) == 0);
    CHECK(lab.cannot_open == StreamEnd::tuple_in_use);
    lab.say<CloseSocketView>(inbound);
    lab.say<CloseSocketView>(outbound);
    lab.pass(Duration::milliseconds(10));
    shut_at(lab.client, lab.engine.now());
    shut_at(lab.server, lab.engine.now());
    lab.pass(Duration::seconds(70));
    CHECK(lab.left() == "");
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE(
    "TCPX-50 SOCK-10 a translated flow that is over is in no way of an associated connection") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    TestEngine& engine = lab.engine;
    const IpAddress other_vip = ip(hosts.client.is_v4() ? "192.0.2.101" : "2001:db8::101");
    engine.add_virtual_server(20, other_vip, kServicePort);
    engine.decide_with(TestEngine::to_endpoint(hosts.server, 8080));
    engine.from_client(
        PacketBuilder().ip(hosts.client, other_vip).tcp(40000, kServicePort, kTcpSyn).seq(1000));
    engine.clear_sent();
    const uint32_t inbound = lab.connect();
    CHECK(lab.open(inbound, hosts.server, 8080, true) == 0);
    CHECK(lab.cannot_open == StreamEnd::tuple_in_use);
    engine.from_server(PacketBuilder()
                           .ip(hosts.server, hosts.client)
                           .tcp(8080, 40000, kTcpRst | kTcpAck)
                           .ack(1001));
    CHECK(engine.count(Counter::lingering) == 1);
    engine.clear_sent();
    const uint32_t outbound = lab.open(inbound, hosts.server, 8080, true);
    REQUIRE(outbound != 0);
    CHECK(lab.sockets[outbound].connected);
    CHECK(engine.count(Counter::lingering) == 0);
    for (const uint32_t socket : {inbound, outbound}) lab.say<AbortSocketView>(socket);
    lab.pass(Duration::seconds(70));
    CHECK(lab.left() == "");
    CHECK(engine.settle() == "");
  }
}

TEST_CASE("BUF-01 BUF-03 PROXY-06 PROXY-14 relayed bytes and ends pass without a message") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t inbound = lab.connect();
    const uint32_t outbound = lab.open(inbound, hosts.server, 8080, true);
    send_from(lab.client, lab.engine.now(), numbered(1000));
    lab.settle();
    for (const uint32_t socket : {inbound, outbound}) {
      lab.say<HoldSocketView>(socket);
      CHECK(lab.sockets[socket].held);
    }
    lab.relay(inbound, outbound);
    constexpr size_t kBytes = 3'000'000;
    std::vector<uint8_t> got = receive_at(lab.server, lab.engine.now());
    CHECK(got == numbered(1000));
    size_t sent = 0;
    std::vector<uint8_t> back;
    for (int i = 0; i < 3000 && back.size() < kBytes; ++i) {
      const auto part = numbered(std::min<size_t>(50'000, kBytes - sent), sent);
      sent += send_from(lab.server, lab.engine.now(), part);
      lab.pass(Duration::milliseconds(1));
      const auto some = receive_at(lab.client, lab.engine.now());
      back.insert(back.end(), some.begin(), some.end());
    }
    CHECK(back == numbered(kBytes));
    CHECK(lab.sockets[inbound].data_messages + lab.sockets[outbound].data_messages == 0);
    CHECK(lab.engine.count(Counter::pushes) > 50);
    shut_at(lab.server, lab.engine.now());
    lab.pass(Duration::milliseconds(100));
    CHECK(at_end(*lab.client.connection()));
    CHECK_FALSE(lab.sockets[outbound].closed);
    shut_at(lab.client, lab.engine.now());
    lab.pass(Duration::milliseconds(200));
    CHECK(lab.sockets[inbound].closed);
    CHECK(lab.sockets[outbound].closed);
    CHECK(lab.sockets[inbound].relayed == 1000);
    CHECK(lab.sockets[outbound].relayed == kBytes);
    lab.pass(Duration::seconds(70));
    CHECK(lab.left() == "");
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("BUF-04 BUF-10 what is acknowledged is gone at once; what came waits to be asked for") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t socket = lab.connect();
    lab.client_is_there = false;
    lab.write(socket, numbered(8000));
    CHECK(lab.ask(socket).send_queued() == 8000);
    CHECK(lab.ask(socket).flight() == 5 * lab.ask(socket).mss());  // the rest waits (Nagle)
    lab.client_is_there = true;
    lab.pass(Duration::seconds(3));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(8000));
    CHECK(lab.ask(socket).send_queued() == 0);
    CHECK(lab.ask(socket).bytes_sent() == 8000);

    send_from(lab.client, lab.engine.now(), numbered(9000));
    lab.read(socket, 100);
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.ask(socket).receive_queued() == 8900);
    const uint64_t received = lab.engine.count(Counter::received);
    lab.order<ReadSocketView>(socket).set_credit(8900);
    lab.say();
    CHECK(lab.sockets[socket].bytes == numbered(9000));
    CHECK(lab.engine.count(Counter::received) <= received + 2);  // of the window's news, at most
    CHECK(lab.ask(socket).receive_queued() == 0);
  }
}

// Writes as much as the socket has credit for, and all of them together have room for.
size_t write_what_fits(SocketLab& lab, uint32_t socket, size_t from) {
  const auto room = static_cast<uint64_t>(lab.room) * BufferPool::kChunk;
  const size_t most = std::min<uint64_t>({lab.sockets[socket].credit, room, 65000});
  if (most > 0) lab.write(socket, numbered(most, from));
  return most;
}

TEST_CASE(
    "BUF-14 what is promised finds room, though the pool is used up; who may not write waits") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t inbound = lab.connect();
    // It is alone, and sends enough to be offered all that there is.
    lab.read(inbound, 200'000);
    for (int i = 0; i < 20; ++i) {
      send_from(lab.client, lab.engine.now(), numbered(10'000));
      lab.pass(Duration::milliseconds(50));
    }
    REQUIRE(lab.sockets[inbound].bytes.size() == 200'000);
    const uint32_t outbound = lab.open(inbound, hosts.server, 8080, true);
    lab.pass(Duration::milliseconds(50));
    // Nobody reads what both send.
    for (int i = 0; i < 20; ++i) {
      send_from(lab.client, lab.engine.now(), numbered(65536));
      send_from(lab.server, lab.engine.now(), numbered(65536));
      lab.pass(Duration::milliseconds(50));
    }
    lab.client_is_there = lab.server_is_there = false;
    const uint64_t promised = lab.sockets[inbound].credit + lab.sockets[outbound].credit;
    REQUIRE(promised + lab.engine.count(Counter::stream_buffers) > 1 << 20);
    size_t written = 0;
    while (const size_t more = write_what_fits(lab, inbound, written)) written += more;
    CHECK(lab.room == 0);
    CHECK(lab.sockets[inbound].credit > 0);
    CHECK_FALSE(lab.sockets[inbound].closed);
    lab.client_is_there = lab.server_is_there = true;
    std::vector<uint8_t> received;
    for (int i = 0; i < 300 && (written < promised || received.size() < written); ++i) {
      lab.pass(Duration::milliseconds(200));
      const std::vector<uint8_t> part = receive_at(lab.client, lab.engine.now());
      received.insert(received.end(), part.begin(), part.end());
      if (written < promised) written += write_what_fits(lab, inbound, written);
    }
    CHECK(written >= promised);
    CHECK(received == numbered(written));
    CHECK(lab.engine.count(Counter::messages_invalid) == 0);
  }
}

TEST_CASE(
    "MEM-14 half-open connections take a part of the blocks, and none of those that we open") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    constexpr uint32_t kMost = 32 / 4 + 16;  // of 32 connections
    for (L4Port port = 1; port <= 30; ++port) {
      Frame syn = PacketBuilder()
                      .eth(kClientMac, kOutsideMac)
                      .ip(hosts.client, hosts.virtual_server)
                      .tcp(port, kServicePort, kTcpSyn)
                      .build();
      lab.engine.inject(0, syn);
    }
    CHECK(lab.engine.count(Counter::connections) == kMost);
    CHECK(lab.engine.dropped(DropReason::connections_full) == 30 - kMost);
    CHECK(lab.open(0, hosts.server, 8080, false) != 0);
    // They are given up, and others find room.
    lab.client_is_there = false;
    lab.pass(Duration::seconds(70));
    lab.client_is_there = true;
    CHECK(lab.engine.count(Counter::connections) == 1);
    const uint32_t socket = lab.connect();
    CHECK(lab.sockets[socket].accepted);
  }
}

TEST_CASE("CS-14 whoever writes more than was promised is cut off") {
  SocketLab lab(both_families()[0], {});
  const uint32_t socket = lab.connect();
  lab.client_is_there = false;
  while (write_what_fits(lab, socket, 0) > 0) continue;
  CHECK_FALSE(lab.sockets[socket].closed);
  lab.write(socket, numbered(1));
  CHECK(lab.sockets[socket].closed);
  CHECK(lab.engine.count(Counter::messages_invalid) == 1);
}

TEST_CASE("MEM-05 MEM-06 an established connection has what its handshake chose") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t socket = lab.connect();
    const TcpFlow& theirs = lab.client.flow();
    const SocketStateView state = lab.ask(socket);
    CHECK(state.tcp_state() == static_cast<uint8_t>(ConnectionState::established));
    CHECK(state.options() ==
          (SocketOptions::timestamps | SocketOptions::sack | SocketOptions::window_scale));
    CHECK(state.snd_wscale() == theirs.rcv_wscale());
    CHECK(state.rcv_wscale() == theirs.snd_wscale());
    CHECK(state.mss() == (hosts.client.is_v4() ? 1448 : 1428));
    CHECK(state.mtu() == 1500);
    CHECK(state.srtt_us() > 0);
    CHECK(state.rto_us() >= 200'000);
    CHECK(state.cwnd() == 10 * state.mss());
    CHECK(state.snd_wnd() == lab.client.connection()->rcv_wnd());
    CHECK(state.rcv_wnd() == lab.client.connection()->snd_wnd);
  }
}

TEST_CASE("SOCK-27 a reset passes through a relay") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t inbound = lab.connect();
    const uint32_t outbound = lab.open(inbound, hosts.server, 8080, true);
    lab.say<HoldSocketView>(inbound);
    lab.say<HoldSocketView>(outbound);
    lab.relay(inbound, outbound);
    lab.server.call(lab.engine.now(), [&](TcpTurn& turn, Connection& c) {
      lab.server.note(lab.engine.now(), abort(turn, c));
    });
    lab.pass(Duration::milliseconds(10));
    CHECK(lab.client.take_events().has(TcpEvents::kReset));
    CHECK(lab.sockets[inbound].closed);
    CHECK(lab.sockets[outbound].end == StreamEnd::reset);
    CHECK(lab.left() == "");
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE(
    "BUF-06 BUF-07 BUF-08 sockets that do not read close the client's window, and nothing is "
    "lost") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t socket = lab.connect();
    lab.reads = false;
    lab.order<ReadSocketView>(socket).set_credit(100'000'000);
    lab.say();
    constexpr size_t kBytes = 12'000'000;
    size_t sent = 0;
    size_t before = 1;
    while (sent != before) {
      before = sent;
      sent += send_from(lab.client, lab.engine.now(), numbered(200'000, sent));
      lab.pass(Duration::seconds(2));
    }
    CHECK(sent < kBytes);
    CHECK(lab.client.connection()->snd_wnd == 0);
    lab.reads = true;
    while (sent < kBytes) {
      const size_t most = std::min<size_t>(200'000, kBytes - sent);
      sent += send_from(lab.client, lab.engine.now(), numbered(most, sent));
      lab.pass(Duration::milliseconds(20));
    }
    lab.pass(Duration::seconds(5));
    CHECK(lab.sockets[socket].bytes == numbered(kBytes));
  }
}

TEST_CASE("BUF-12 every client sees the window of so many connections") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.windows_for = 16;
    SocketLab lab(hosts, options);
    const uint32_t socket = lab.connect();
    // An eighth is for what sockets write.
    const auto share = static_cast<uint32_t>(options.limits.buffer_bytes / 8 * 7 / 2 / 16);
    send_from(lab.client, lab.engine.now(), numbered(1000));
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.ask(socket).share() == share);
    lab.read(socket, 1000);
    lab.pass(Duration::milliseconds(100));
    // Within one step of the window scale.
    CHECK(lab.client.connection()->snd_wnd <= share);
    CHECK(lab.client.connection()->snd_wnd + 1000 + 128 > share);
  }
}

}  // namespace
}  // namespace sluice
