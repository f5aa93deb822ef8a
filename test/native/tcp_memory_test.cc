#include <doctest/doctest.h>

#include <vector>

#include "support/tcp_rules.h"

namespace sluice {
namespace {

// What was sent last.
struct LastSegment : SegmentSink {
  void send(LegIndex leg_sent, const OutgoingSegment& segment) override {
    leg = leg_sent;
    const TcpHeader tcp(segment.header);
    seq = tcp.seq();
    ack = tcp.ack();
    flags = tcp.flags();
    ++count;
  }
  LegIndex leg = kNoLeg;
  Seq seq, ack;
  uint8_t flags = 0;
  uint64_t count = 0;
};

TcpSegment segment(uint8_t flags, Seq seq, Seq ack) {
  TcpSegment made;
  made.flags = flags;
  made.seq = seq;
  made.ack = ack;
  made.window = 65535;
  return made;
}

FlowKey key_of(uint32_t peer) {
  FlowKey key;
  key.src = IpAddress::v4(0xc0000264);
  key.dst = IpAddress::v4(0x0a000000 + peer / 50'000);
  key.src_port = 80;
  key.dst_port = static_cast<L4Port>(10'000 + peer % 50'000);
  key.protocol = 6;
  return key;
}

TEST_CASE("MEM-01 MEM-08 MEM-14 ten thousand closes leave ten thousand flow entries and no block") {
  constexpr uint32_t kConnections = 10'000;
  LastSegment sink;
  Tcp tcp({1, 1, 4, 1, 65536}, TcpConfig{}, 1);  // room for one at a time
  std::vector<TcpFlow> flows(kConnections);
  Instant now = Instant::from_nanoseconds(1'000'000'000);
  for (uint32_t i = 0; i < kConnections; ++i) {
    now = now + Duration::milliseconds(1);
    TcpTurn turn{tcp, sink, now};
    Connection* c = syn_arrives(turn, flows[i], i, key_of(i), {}, segment(kTcpSyn, Seq(i), Seq()));
    REQUIRE(c != nullptr);
    const Seq ours = sink.seq + 1;
    segment_arrives(turn, *c, segment(kTcpAck, Seq(i + 1), ours));
    REQUIRE(tcp.connections.used() == 1);
    REQUIRE(!close(turn, *c).has(TcpEvents::kReleased));
    const TcpEvents events =
        segment_arrives(turn, *c, segment(kTcpFin | kTcpAck, Seq(i + 1), ours + 1));
    REQUIRE(events.has(TcpEvents::kTimeWait));
    REQUIRE(events.has(TcpEvents::kReleased));
  }
  CHECK(test::pools_are_empty(tcp));
  // Each answers by itself, with its own numbers (MEM-11, MEM-13).
  uint32_t right = 0;
  for (uint32_t i = 0; i < kConnections; ++i) {
    const Seq snd_nxt = flows[i].snd_nxt;
    const auto answer = answer_in_time_wait(
        flows[i], i, segment(kTcpFin | kTcpAck, Seq(i + 1), snd_nxt), Tcp::tick(now), 0, sink);
    right += answer == TimeWaitAnswer::restart && sink.leg == i && sink.seq == snd_nxt &&
             sink.ack == Seq(i + 2) && sink.flags == kTcpAck;
  }
  CHECK(right == kConnections);
}

TEST_CASE("TCPX-36 TCPX-37 all connections together send about a hundred challenges a second") {
  constexpr uint32_t kConnections = 1000;
  LastSegment sink;
  Tcp tcp({kConnections, kConnections, 4, 1, 65536}, TcpConfig{}, 1);
  std::vector<TcpFlow> flows(kConnections);
  std::vector<Connection*> connections;
  TcpTurn turn{tcp, sink, Instant::from_nanoseconds(1'000'000'000)};
  for (uint32_t i = 0; i < kConnections; ++i) {
    connections.push_back(
        syn_arrives(turn, flows[i], i, key_of(i), {}, segment(kTcpSyn, Seq(0), Seq())));
    segment_arrives(turn, *connections[i], segment(kTcpAck, Seq(1), sink.seq + 1));
  }
  uint64_t fewest = UINT64_MAX, most = 0, before = sink.count;
  for (int second = 0; second < 50; ++second) {
    turn.now = turn.now + Duration::seconds(1);
    for (Connection* c : connections) segment_arrives(turn, *c, segment(kTcpRst, Seq(2), Seq()));
    const uint64_t sent = sink.count - before;
    before = sink.count;
    fewest = std::min(fewest, sent);
    most = std::max(most, sent);
  }
  CHECK(fewest >= 50);
  CHECK(most < 150);
  // How many exactly tells nobody anything.
  CHECK(fewest != most);
}

TEST_CASE("TCPX-38 initial numbers differ by connection and grow with the clock") {
  Tcp tcp({1, 1, 1, 1, 65536}, TcpConfig{}, 7);
  Tcp other({1, 1, 1, 1, 65536}, TcpConfig{}, 8);
  const Instant now = Instant::from_nanoseconds(5'000'000'000);
  const Seq first = tcp.initial_sequence(key_of(1), now);
  CHECK(first != tcp.initial_sequence(key_of(2), now));
  CHECK(first != other.initial_sequence(key_of(1), now));
  // RFC 6528: a tick each 4 microseconds.
  CHECK(tcp.initial_sequence(key_of(1), now + Duration::seconds(1)) - first == 250'000);
  CHECK(tcp.timestamp_offset(key_of(1)) != tcp.timestamp_offset(key_of(2)));
}

}  // namespace
}  // namespace sluice
