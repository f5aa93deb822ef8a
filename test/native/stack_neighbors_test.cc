#include <doctest/doctest.h>

#include "support/stack_lab.h"

namespace sluice::test {

namespace {

void check_request(const Said& said, const IpAddress& target, const IpAddress& own) {
  CHECK(said.kind == Said::Kind::request);
  CHECK(said.port == kOutside);
  CHECK(said.mac == kOutsideMac);
  CHECK(said.speaker == own);
  CHECK(said.target == target);
}

}  // namespace

TEST_CASE("DFS-24 the first packets to an unknown neighbour are delayed, in order, not lost") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer peer{kPeerMac, site.peer};
    const NextHop hop = lab.acquire(site.peer);
    CHECK_FALSE(lab.stack.next_hop(hop).resolved);
    for (uint8_t mark = 0; mark < 5; ++mark) CHECK(lab.hold(hop, site.peer, mark));
    CHECK(lab.stack.counters().held_packets == 5);
    CHECK(lab.pool.used() == 5);
    const std::vector<Said> said = lab.said();
    REQUIRE(said.size() == 1);
    check_request(said[0], site.peer, site.outside);
    CHECK(said[0].ethernet_dst.is_multicast());
    CHECK(lab.resumed().empty());

    CHECK(lab.receive(kOutside, peer.answers(site.outside, kOutsideMac)).verdict ==
          Verdict::deliver);
    const std::vector<SentFrame> resumed = lab.resumed();
    REQUIRE(resumed.size() == 5);
    for (uint8_t mark = 0; mark < 5; ++mark) {
      CHECK(resumed[mark].port == kOutside);
      Bytes expected = routed(site, site.peer, mark);
      kPeerMac.store(expected.data());
      kOutsideMac.store(expected.data() + 6);
      CHECK(resumed[mark].bytes == expected);
    }
    CHECK(lab.stack.counters().held_packets == 0);
    CHECK(lab.pool.used() == 0);
    const NextHopView& view = lab.stack.next_hop(hop);
    CHECK(view.resolved);
    CHECK(view.port == kOutside);
    CHECK(view.mtu == 1500);
    uint8_t addresses[12];
    view.write_addresses(addresses);
    CHECK(MacAddress::load(addresses) == kPeerMac);
    CHECK(MacAddress::load(addresses + 6) == kOutsideMac);
  }
}

TEST_CASE("DFS-24 after its entry was flushed a neighbour costs a delay again, not a packet") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer peer{kPeerMac, site.peer};
    const NextHop hop = lab.resolve(peer);
    lab.pass(Duration::seconds(120));  // probes without an answer: the entry goes
    lab.said();
    CHECK_FALSE(lab.stack.next_hop(hop).resolved);
    CHECK(lab.hold(hop, site.peer));
    REQUIRE(lab.said().size() == 1);
    lab.receive(kOutside, Peer{kOtherMac, site.peer}.answers(site.outside, kOutsideMac));
    REQUIRE(lab.resumed().size() == 1);
    CHECK(lab.stack.next_hop(hop).dst == kOtherMac);
    CHECK(lab.sink.given_up.empty());
  }
}

TEST_CASE("DFS-24 a held super-packet keeps its offload state") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const NextHop hop = lab.acquire(site.peer);
    Bytes bytes = routed(site, site.peer);
    bytes.resize(60'000);
    Packet packet;
    packet.data = bytes.data();
    packet.length = static_cast<uint32_t>(bytes.size());
    packet.offload.needs_checksum = true;
    packet.offload.gso_type = GsoType::tcp4;
    packet.offload.gso_size = 1448;
    DropReason why = DropReason::count;
    REQUIRE(lab.stack.hold(lab.now, hop, packet, why));

    lab.receive(kOutside, Peer{kPeerMac, site.peer}.answers(site.outside, kOutsideMac));
    const std::vector<SentFrame> resumed = lab.resumed();
    REQUIRE(resumed.size() == 1);
    CHECK(resumed[0].bytes.size() == 60'000);
    CHECK(resumed[0].offload.needs_checksum);
    CHECK(resumed[0].offload.gso_type == GsoType::tcp4);
    CHECK(resumed[0].offload.gso_size == 1448);
  }
}

TEST_CASE("Requests go out three times, a second apart; then packets are given up and refused") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const NextHop hop = lab.acquire(site.peer);
    CHECK(lab.hold(hop, site.peer, 0));
    CHECK(lab.said().size() == 1);
    for (int request = 2; request <= 3; ++request) {
      CHECK(lab.stack.deadline() == lab.now + Duration::seconds(1));
      lab.pass(Duration::seconds(1));
      const std::vector<Said> said = lab.said();
      REQUIRE(said.size() == 1);
      check_request(said[0], site.peer, site.outside);
      CHECK(lab.hold(hop, site.peer, static_cast<uint8_t>(request)));
      CHECK(lab.said().empty());
    }
    CHECK(lab.sink.given_up.empty());
    lab.pass(Duration::seconds(1));
    CHECK(lab.sink.given_up == std::vector<DropReason>(3, DropReason::neighbor_unresolved));
    CHECK(lab.pool.used() == 0);

    // RFC 1122 2.3.2.1: no flood of requests for a host that is not there.
    DropReason why = DropReason::count;
    CHECK_FALSE(lab.hold(hop, site.peer, 0, why));
    CHECK(why == DropReason::neighbor_unresolved);
    CHECK(lab.said().empty());
    lab.pass(Duration::seconds(3));
    CHECK(lab.hold(hop, site.peer));
    CHECK(lab.said().size() == 1);
  }
}

TEST_CASE("A host that comes up during the refusal is used at once") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    for (const bool announces : {true, false}) {
      StackLab lab(site);
      const Peer peer{kPeerMac, site.peer};
      const NextHop hop = lab.acquire(site.peer);
      CHECK(lab.hold(hop, site.peer));
      lab.pass(Duration::seconds(3));
      CHECK(lab.sink.given_up.size() == 1);
      lab.receive(kOutside, announces ? peer.announces() : peer.asks(site.outside));
      CHECK(lab.stack.next_hop(hop).resolved);
    }
  }
}

TEST_CASE("RFC 4861 7.2.2 when a neighbour's queue is full the oldest packet gives way") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site, {.neighbors = 8, .packets_per_neighbor = 3, .held_packets = 4});
    const NextHop hop = lab.acquire(site.peer);
    for (uint8_t mark = 0; mark < 5; ++mark) CHECK(lab.hold(hop, site.peer, mark));
    CHECK(lab.sink.given_up == std::vector<DropReason>(2, DropReason::neighbor_queue_full));
    CHECK(lab.stack.counters().held_packets == 3);

    // The bound over all neighbours: one more elsewhere, then none; who has some replaces his own.
    const NextHop other = lab.acquire(site.other);
    const NextHop third = lab.acquire(site.gateway);
    CHECK(lab.hold(other, site.other, 10));
    DropReason why = DropReason::count;
    CHECK_FALSE(lab.hold(third, site.gateway, 0, why));
    CHECK(why == DropReason::neighbor_queue_full);
    CHECK(lab.hold(other, site.other, 11));
    CHECK(lab.stack.counters().held_packets == 4);

    lab.receive(kOutside, Peer{kPeerMac, site.peer}.answers(site.outside, kOutsideMac));
    lab.receive(kOutside, Peer{kOtherMac, site.other}.answers(site.outside, kOutsideMac));
    const std::vector<SentFrame> resumed = lab.resumed();
    REQUIRE(resumed.size() == 4);
    const uint8_t marks[] = {2, 3, 4, 11};
    for (size_t i = 0; i < 4; ++i) CHECK(resumed[i].bytes.back() == marks[i]);
  }
}

TEST_CASE("A packet that finds no buffer is refused") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site, {.neighbors = 8, .packets_per_neighbor = 1000, .held_packets = 1000});
    const NextHop hop = lab.acquire(site.peer);
    for (int i = 0; i < 256; ++i) CHECK(lab.hold(hop, site.peer));
    DropReason why = DropReason::count;
    CHECK_FALSE(lab.hold(hop, site.peer, 0, why));
    CHECK(why == DropReason::pool_exhausted);
    CHECK(lab.sink.given_up.empty());
  }
}

TEST_CASE("A flow that ends because its packet was given up may release its next hop then") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    struct Releasing final : FrameSink {
      void originate(PortId, Packet&) override {}
      void resume(PortId, std::span<Packet* const>) override {}
      void give_up(const Packet&) override { stack->release_next_hop(hop); }
      Stack* stack = nullptr;
      NextHop hop = kNoNextHop;
    } sink;
    PacketPool pool(4, 0);
    Stack stack({}, 1, pool, sink);
    sink.stack = &stack;
    stack.add_port(kOutside, kOutsideMac, 1500);
    stack.add_address(kOutside, site.outside, site.prefix_length);
    Instant now;
    stack.poll(now);
    DropReason why = DropReason::count;
    sink.hop = stack.acquire_next_hop(now, site.peer, why);
    REQUIRE(sink.hop != kNoNextHop);
    Bytes bytes = routed(site, site.peer);
    Packet packet;
    packet.data = bytes.data();
    packet.length = static_cast<uint32_t>(bytes.size());
    REQUIRE(stack.hold(now, sink.hop, packet, why));
    while (stack.deadline() != Instant::never()) {
      now = stack.deadline();
      stack.poll(now);
    }
    CHECK(pool.used() == 0);
    CHECK(stack.next_hop(sink.hop).port == kNoPort);  // the slot is free again
  }
}

}  // namespace sluice::test
