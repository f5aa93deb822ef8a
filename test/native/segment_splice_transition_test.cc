// What passes between a spliced pair's hosts while something of it is still, or again, the
// engine's.
#include <doctest/doctest.h>

#include "support/icmp_error.h"
#include "support/spliced_pair.h"

namespace sluice {
namespace {

using namespace test;

// Each host's next number for the other, so that offsets can be told apart.
Seq next_of(const TcpHost& host) { return host.connection()->flow->snd_nxt; }

// Nothing of it waits for an acknowledgement.
void send_at_once(TcpHost& host, Instant now, ConstByteSpan bytes) {
  host.call(now, [](TcpTurn& turn, Connection& c) { set_no_delay(turn, c, true); });
  send_from(host, now, bytes);
}

// One segment more of the server's, which comes to the client or does not.
void send_more(SplicedPair& pair, size_t from, bool arrives) {
  pair.lab.client_hears = arrives;
  send_at_once(pair.lab.server, pair.lab.engine.now(), numbered(1000, from));
  pair.lab.settle();
}

TEST_CASE(
    "SOCK-18 what is damaged or in fragments moves no boundary: the way back comes to its end") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.let_go();
    REQUIRE_FALSE(pair.has_blocks());
    const Seq next = next_of(lab.client);
    const PacketBuilder builder = PacketBuilder()
                                      .eth(kClientMac, kOutsideMac)
                                      .ip(hosts.client, hosts.virtual_server)
                                      .tcp(40000, kServicePort, kTcpAck)
                                      .payload(1004);
    Frame damaged = builder.build();
    TcpHeader tcp(damaged.parsed().at(damaged.parsed().headers.l4));
    tcp.set_seq(next);
    tcp.set_ack(lab.client.connection()->flow->rcv_nxt);
    lab.engine.clear_sent();
    lab.engine.inject(0, damaged);
    CHECK(lab.engine.dropped(DropReason::l4_checksum) == 1);
    if (hosts.client.is_v4()) {
      Frame fragment = builder.build();
      const Packet packet = fragment.parsed();
      Ipv4Header(packet.at(packet.headers.l3)).set_fragment(0x2000);
      TcpHeader(packet.at(packet.headers.l4)).set_seq(next);
      TcpHeader(packet.at(packet.headers.l4)).set_ack(lab.client.connection()->flow->rcv_nxt);
      lab.engine.inject(0, fragment.fix_ipv4_checksum());
      CHECK(lab.engine.dropped(DropReason::ip_fragment) == 1);
    }
    CHECK(lab.engine.to_server.empty());
    pair.take_back();
    CHECK(pair.returns() == 1);
    send_from(lab.client, lab.engine.now(), numbered(500));
    lab.read(pair.inbound, 1000);
    lab.pass(Duration::milliseconds(50));
    CHECK(lab.sockets[pair.inbound].bytes == numbered(500));
  }
}

TEST_CASE("TCPX-17 TCPX-21 SACK of the other end's bytes passes while ours are still missing") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.drain(3000);
    const Seq boundary = next_of(lab.server);
    // What follows our bytes immediately is no news to its sender: there is no hole of his.
    send_more(pair, 3000, true);
    CHECK(pair.at_client.got.size() == 1);
    CHECK(pair.at_client.sent.size() == 1);
    CHECK(pair.at_client.sent[0].sack_count == 1);
    CHECK(pair.at_server.got.empty());
    send_more(pair, 4000, false);
    send_more(pair, 5000, true);
    REQUIRE_FALSE(pair.at_server.got.empty());
    for (const TcpSegment& told : pair.at_server.got) {
      CHECK(told.ack == boundary);
      REQUIRE(told.sack_count == 1);
      CHECK(told.sack[0] == SackBlock{boundary + 2000, boundary + 3000});
    }
    lab.pass(Duration::seconds(3));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(6000));
    CHECK_FALSE(pair.has_blocks());
  }
}

// What the host sends by itself, so that all but its numbers is as the test says.
PacketBuilder from(const TcpHost& host, Seq seq, Seq ack) {
  const FlowKey key = host.key().reversed();
  return PacketBuilder()
      .ip(key.src, key.dst)
      .tcp(key.src_port, key.dst_port, kTcpAck)
      .seq(seq.raw())
      .ack(ack.raw());
}

TEST_CASE(
    "TCPX-17 TCPX-21 what reports a duplicate of ours is not for the other end, however late") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.drain(3000);
    lab.client_hears = true;
    lab.pass(Duration::seconds(3));
    REQUIRE(pair.is_spliced());
    REQUIRE_FALSE(pair.has_blocks());
    const auto says = [&](TcpHost& host, const TcpHost& far, bool client) {
      const Seq own = next_of(host);
      const Seq got = host.connection()->flow->rcv_nxt;
      const auto sent = [&](std::initializer_list<uint32_t> edges) -> const MemoryFrame& {
        lab.engine.clear_sent();
        PacketBuilder builder = from(host, own, got).sack(edges);
        client ? lab.engine.from_client(builder) : lab.engine.from_server(builder);
        const auto& frames = client ? lab.engine.to_server : lab.engine.to_client;
        REQUIRE(frames.size() == 1);
        return frames[0];
      };
      const Sent alone(sent({(got - 3000).raw(), (got - 2000).raw()}));
      CHECK_FALSE(alone.has_option(kTcpOptionSack));
      CHECK(alone.tcp().ack() == next_of(far));
      Sent with_gap(sent({(got - 1).raw(), got.raw(), (got + 1000).raw(), (got + 2000).raw()}));
      REQUIRE(with_gap.has_option(kTcpOptionSack));
      CHECK(with_gap.sack_edge(0) == (next_of(far) + 1000).raw());
      CHECK(with_gap.sack_edge(1) == (next_of(far) + 2000).raw());
      CHECK(l4_checksum_is_right(with_gap.packet()));
    };
    says(lab.client, lab.server, true);
    says(lab.server, lab.client, false);
  }
}

TEST_CASE("TCPX-17 TCPX-21 a report of the other end's bytes passes, however many there were") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.let_go();
    REQUIRE_FALSE(pair.has_blocks());
    lab.tap = nullptr;
    const Seq own = next_of(lab.client), got = lab.client.connection()->flow->rcv_nxt;
    const Seq far = next_of(lab.server), heard = lab.server.connection()->flow->rcv_nxt;
    constexpr uint32_t kStep = 20'000;
    for (uint32_t sent = 0; sent < 0x8001'0000; sent += kStep) {
      lab.engine.clear_sent();
      lab.engine.from_server(from(lab.server, far + (sent + kStep - 1), heard).payload(1));
      const Seq end = got + (sent + kStep);
      lab.engine.from_client(
          from(lab.client, own, end).window(65535).sack({(end - 100).raw(), (end - 50).raw()}));
      REQUIRE(lab.engine.to_server.size() == 1);
      Sent told(lab.engine.to_server[0]);
      REQUIRE(told.has_option(kTcpOptionSack));
      REQUIRE(told.sack_edge(1) == (far + (sent + kStep - 50)).raw());
    }
  }
}

TEST_CASE("TCPX-21 TCPX-22 what our last word has overtaken does not take its window back") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.drain(3000);
    const Connection& server = *lab.server.connection();
    const Seq edge = server.snd_una + server.snd_wnd;
    const auto step = uint32_t{1} << server.flow->snd_wscale();
    // It was sent when there was room for that and no more, and came late: before our bytes, or
    // behind them, which nobody has acknowledged on this way.
    for (const uint32_t behind : {0U, 3000U}) {
      CAPTURE(behind);
      lab.engine.clear_sent();
      lab.engine.from_client(PacketBuilder()
                                 .ip(hosts.client, hosts.virtual_server)
                                 .tcp(40000, kServicePort, kTcpAck)
                                 .seq(next_of(lab.client).raw())
                                 .ack((lab.client.connection()->flow->rcv_nxt + behind).raw())
                                 .window(1)
                                 .payload(100));
      REQUIRE(lab.engine.to_server.size() == 1);
      const Sent told(lab.engine.to_server[0]);
      CHECK(told.tcp().ack() == server.flow->snd_nxt);
      CHECK(told.tcp().ack() + (told.tcp().window() * step + step - 1) >= edge);
    }
  }
}

TEST_CASE(
    "TCPX-65 TCPX-66 too big: our own segments shrink while we repeat them, else it is "
    "translated") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.drain(3000);
    const FlowKey key = lab.client.key();
    const auto quoting = [&](Seq seq) {
      Frame frame = PacketBuilder()
                        .ip(key.src, key.dst)
                        .tcp(key.src_port, key.dst_port, kTcpAck)
                        .payload(1400)
                        .dont_fragment()
                        .build();
      TcpHeader(frame.parsed().at(frame.parsed().headers.l4)).set_seq(seq);
      return std::vector<uint8_t>(frame.data() + EthernetHeader::kSize,
                                  frame.data() + frame.size());
    };
    const uint64_t relayed = lab.engine.count(Counter::icmp_relayed);
    const Seq first = lab.client.connection()->flow->rcv_nxt;
    lab.engine.from_client(too_big_error(hosts.client, hosts.virtual_server, 1300, quoting(first)));
    CHECK(lab.engine.count(Counter::icmp_relayed) == relayed);
    CHECK(lab.ask(pair.inbound).mss() > 1200);
    CHECK(lab.ask(pair.inbound).mss() < 1300);
  }
}

TEST_CASE("TCPX-36 TCPX-40 a RST has the number that its host expects, whatever is on its way") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SUBCASE("all has arrived, and the acknowledgement has not") {
      TestEngineOptions options;
      options.receiving.delay = Duration::milliseconds(10);
      SocketLab lab(hosts, options);
      lab.client.connect(lab.engine.now());
      lab.pass(Duration::milliseconds(50));
      SplicedPair pair(lab, hosts, lab.last_accepted);
      pair.let_go();
      lab.pass(Duration::milliseconds(50));
      send_at_once(lab.server, lab.engine.now(), numbered(5000));
      lab.pass(Duration::milliseconds(12));
      REQUIRE(receive_at(lab.client, lab.engine.now()).size() == 5000);
      lab.say<CloseSocketView>(pair.inbound);
      CHECK(pair.at_client.was_reset);
      CHECK(pair.at_server.was_reset);
    }
    SUBCASE("something was lost") {
      SocketLab lab(hosts, {});
      SplicedPair pair(lab, hosts);
      pair.let_go();
      send_more(pair, 0, false);
      lab.client_hears = true;
      lab.say<CloseSocketView>(pair.outbound);
      CHECK(pair.at_client.was_reset);
      CHECK(pair.at_server.was_reset);
    }
    SUBCASE("bytes that we had to repeat were lost") {
      SocketLab lab(hosts, {});
      SplicedPair pair(lab, hosts);
      pair.drain(3000);
      lab.client_hears = true;
      lab.server.call(lab.engine.now(), [&](TcpTurn& turn, Connection& c) {
        lab.server.note(turn.now, sluice::abort(turn, c));
      });
      lab.settle();
      CHECK(pair.at_client.was_reset);
      CHECK(lab.sockets[pair.inbound].closed);
    }
    SUBCASE("the engine has taken bytes that the other end does not know of") {
      SocketLab lab(hosts, {});
      SplicedPair pair(lab, hosts);
      pair.let_go();
      send_more(pair, 0, false);
      pair.take_back();
      // Behind the boundary: it waits for what was lost.
      send_at_once(lab.server, lab.engine.now(), numbered(700, 1000));
      lab.settle();
      REQUIRE(pair.returns() == 0);
      const Seq expected = lab.client.flow().rcv_nxt;
      lab.client_hears = true;
      lab.server.call(lab.engine.now(), [&](TcpTurn& turn, Connection& c) {
        lab.server.note(turn.now, sluice::abort(turn, c));
      });
      lab.settle();
      CHECK(lab.sockets[pair.inbound].closed);
      CHECK(pair.at_client.was_reset);
      // What was let pass of it is that of the boundary, and not of what we took.
      const auto passed = [&](const TcpSegment& segment) {
        return segment.has(kTcpRst) && segment.seq == expected + 1000;
      };
      CHECK(std::any_of(pair.at_client.got.begin(), pair.at_client.got.end(), passed));
    }
  }
}

TEST_CASE("TCPX-18 what is echoed behind a way back is the last that was said on it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.let_go();
    send_more(pair, 0, false);
    lab.pass(Duration::milliseconds(20));
    pair.take_back();
    REQUIRE(pair.returns() == 0);
    lab.client_hears = true;
    lab.pass(Duration::seconds(1));
    REQUIRE(pair.returns() == 1);
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(1000));
    CHECK(pair.at_server.got.back().tsecr == pair.at_server.sent.back().tsval);
  }
}

}  // namespace
}  // namespace sluice
