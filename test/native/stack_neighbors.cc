#include <doctest/doctest.h>

#include "support/stack_lab.h"

namespace sluice::test {

namespace {

const Bytes kUdp{0x12, 0x34, 0, 53, 0, 9, 0, 1, 0};

// A packet through the engine to `dst`; `mark` tells packets apart.
Bytes routed(const Site& site, const IpAddress& dst, uint8_t mark = 0) {
  Bytes udp = kUdp;
  udp.back() = mark;
  return ip_frame(kOtherMac, kInsideMac, site.node, dst, 17, udp);
}

bool hold(StackLab& lab, NextHop hop, const IpAddress& dst, uint8_t mark = 0) {
  DropReason why = DropReason::count;
  return lab.send(hop, routed(lab.site, dst, mark), why);
}

void check_request(const Said& said, const IpAddress& target, const IpAddress& own) {
  CHECK(said.kind == Said::Kind::request);
  CHECK(said.port == kOutside);
  CHECK(said.mac == kOutsideMac);
  CHECK(said.speaker == own);
  CHECK(said.target == target);
}

// A referenced neighbour that has just answered.
NextHop resolve(StackLab& lab, const Peer& peer) {
  const NextHop hop = lab.acquire(peer.address);
  CHECK(hold(lab, hop, peer.address));
  lab.receive(kOutside, peer.answers(lab.site.outside, kOutsideMac));
  REQUIRE(lab.stack.next_hop(hop).resolved);
  lab.said();
  lab.resumed();
  return hop;
}

IpAddress numbered(const Site& site, uint8_t last) {
  IpAddress address = site.peer;
  address.bytes[15] = last;
  return address;
}

}  // namespace

TEST_CASE("DFS-24 the first packets to an unknown neighbour are delayed, in order, not lost") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer peer{kPeerMac, site.peer};
    const NextHop hop = lab.acquire(site.peer);
    CHECK_FALSE(lab.stack.next_hop(hop).resolved);
    for (uint8_t mark = 0; mark < 5; ++mark) CHECK(hold(lab, hop, site.peer, mark));
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
    const NextHop hop = resolve(lab, peer);
    lab.pass(Duration::seconds(120));  // probes without an answer: the entry goes
    lab.said();
    CHECK_FALSE(lab.stack.next_hop(hop).resolved);
    CHECK(hold(lab, hop, site.peer));
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
    CHECK(hold(lab, hop, site.peer, 0));
    CHECK(lab.said().size() == 1);
    for (int request = 2; request <= 3; ++request) {
      CHECK(lab.stack.deadline() == lab.now + Duration::seconds(1));
      lab.pass(Duration::seconds(1));
      const std::vector<Said> said = lab.said();
      REQUIRE(said.size() == 1);
      check_request(said[0], site.peer, site.outside);
      CHECK(hold(lab, hop, site.peer, static_cast<uint8_t>(request)));
      CHECK(lab.said().empty());
    }
    CHECK(lab.sink.given_up.empty());
    lab.pass(Duration::seconds(1));
    CHECK(lab.sink.given_up == std::vector<DropReason>(3, DropReason::neighbor_unresolved));
    CHECK(lab.pool.used() == 0);

    // RFC 1122 2.3.2.1: no flood of requests for a host that is not there.
    DropReason why = DropReason::count;
    CHECK_FALSE(lab.send(hop, routed(site, site.peer), why));
    CHECK(why == DropReason::neighbor_unresolved);
    CHECK(lab.said().empty());
    lab.pass(Duration::seconds(3));
    CHECK(hold(lab, hop, site.peer));
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
      CHECK(hold(lab, hop, site.peer));
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
    for (uint8_t mark = 0; mark < 5; ++mark) CHECK(hold(lab, hop, site.peer, mark));
    CHECK(lab.sink.given_up == std::vector<DropReason>(2, DropReason::neighbor_queue_full));
    CHECK(lab.stack.counters().held_packets == 3);

    // The bound over all neighbours: one more elsewhere, then none; who has some replaces his own.
    const NextHop other = lab.acquire(site.other);
    const NextHop third = lab.acquire(site.gateway);
    CHECK(hold(lab, other, site.other, 10));
    DropReason why = DropReason::count;
    CHECK_FALSE(lab.send(third, routed(site, site.gateway), why));
    CHECK(why == DropReason::neighbor_queue_full);
    CHECK(hold(lab, other, site.other, 11));
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
    for (int i = 0; i < 256; ++i) CHECK(hold(lab, hop, site.peer));
    DropReason why = DropReason::count;
    CHECK_FALSE(lab.send(hop, routed(site, site.peer), why));
    CHECK(why == DropReason::pool_exhausted);
    CHECK(lab.sink.given_up.empty());
  }
}

TEST_CASE("TCPX-76 nothing unsolicited makes an entry") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer peer{kPeerMac, site.peer};
    for (const Bytes& frame :
         {peer.announces(), peer.asks(site.other), peer.answers(site.outside, kOutsideMac)}) {
      const Packet packet = lab.receive(kOutside, frame);
      CHECK(packet.drop_reason ==
            (site.is_v4() ? DropReason::arp_not_ours : DropReason::nd_not_ours));
    }
    // One who asks for us but is on no subnet of this link would never be used.
    lab.receive(kOutside, Peer{kOtherMac, site.far}.asks(site.outside));
    CHECK_FALSE(lab.stack.next_hop(lab.acquire(site.peer)).resolved);
    DropReason why = DropReason::count;
    const NextHop far = lab.stack.acquire_neighbor(lab.now, kOutside, site.far, why);
    REQUIRE(far != kNoNextHop);
    CHECK_FALSE(lab.stack.next_hop(far).resolved);
  }
}

TEST_CASE("TCPX-76 one who asks for our address is known, and probed when he is used") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer peer{kPeerMac, site.peer};
    lab.receive(kOutside, peer.asks(site.outside));
    lab.said();
    const NextHop hop = lab.acquire(site.peer);
    CHECK(lab.stack.next_hop(hop).resolved);
    CHECK(lab.stack.next_hop(hop).dst == kPeerMac);
    // RFC 4861 7.3.3: unconfirmed and in use: a unicast probe after 5 seconds.
    lab.pass(Duration::milliseconds(4999));
    CHECK(lab.said().empty());
    lab.pass(Duration::milliseconds(1));
    const std::vector<Said> said = lab.said();
    REQUIRE(said.size() == 1);
    check_request(said[0], site.peer, site.outside);
    CHECK(said[0].ethernet_dst == kPeerMac);
    CHECK(lab.stack.next_hop(hop).resolved);
  }
}

TEST_CASE("TCPX-76 a referenced entry is probed before it expires, and stays while answered") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer peer{kPeerMac, site.peer};
    const NextHop hop = resolve(lab, peer);
    for (int round = 0; round < 20; ++round) {
      const Instant confirmed = lab.now;
      while (lab.sink.sent.empty()) lab.pass(Duration::milliseconds(500));
      CHECK(lab.now >= confirmed + Duration::seconds(15));
      CHECK(lab.now <= confirmed + Duration::milliseconds(45'500));
      const std::vector<Said> said = lab.said();
      REQUIRE(said.size() == 1);
      CHECK(said[0].ethernet_dst == kPeerMac);
      lab.receive(kOutside, peer.answers(site.outside, kOutsideMac));
      CHECK(lab.stack.next_hop(hop).resolved);
    }
  }
}

TEST_CASE("A referenced entry is given up after three probes, and used until then") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const NextHop hop = resolve(lab, {kPeerMac, site.peer});
    size_t probes = 0;
    while (lab.stack.next_hop(hop).resolved) {
      lab.pass(Duration::seconds(1));
      probes += lab.said().size();
    }
    CHECK(probes == 3);
    lab.pass(Duration::seconds(600));
    CHECK(lab.said().empty());  // nobody sends, nobody is asked
  }
}

TEST_CASE("An entry that nobody refers to is never probed, and is forgotten") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    lab.stack.release_next_hop(resolve(lab, {kPeerMac, site.peer}));
    lab.pass(Duration::seconds(10));
    const NextHop again = lab.acquire(site.peer);
    CHECK(lab.stack.next_hop(again).resolved);  // still known
    lab.stack.release_next_hop(again);
    lab.pass(Duration::seconds(300));
    CHECK(lab.said().empty());
    CHECK(lab.stack.deadline() == Instant::never());
    CHECK_FALSE(lab.stack.next_hop(lab.acquire(site.peer)).resolved);
  }
}

TEST_CASE("TCPX-76 a neighbour that moves to another MAC address is followed") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    for (const bool announces : {true, false}) {
      StackLab lab(site);
      const NextHop hop = resolve(lab, {kPeerMac, site.peer});
      const Peer moved{kOtherMac, site.peer};
      CHECK(
          lab.receive(kOutside, announces ? moved.announces() : moved.asks(site.outside)).verdict ==
          Verdict::deliver);
      CHECK(lab.stack.next_hop(hop).dst == kOtherMac);
      lab.said();
      lab.pass(Duration::seconds(5));  // what was only claimed is confirmed
      const std::vector<Said> said = lab.said();
      REQUIRE(said.size() == 1);
      CHECK(said[0].ethernet_dst == kOtherMac);
    }
  }
}

TEST_CASE("RFC 4861 7.2.5 without the override flag a MAC address is doubted, not replaced") {
  StackLab lab(sites()[1]);
  const NextHop hop = resolve(lab, {kPeerMac, lab.site.peer});
  const Bytes modest = with_flags(Peer{kOtherMac, lab.site.peer}.announces(), 0);
  CHECK(lab.receive(kOutside, modest).verdict == Verdict::deliver);
  CHECK(lab.stack.next_hop(hop).dst == kPeerMac);
  lab.pass(Duration::seconds(5));
  const std::vector<Said> said = lab.said();
  REQUIRE(said.size() == 1);
  CHECK(said[0].ethernet_dst == kPeerMac);
}

TEST_CASE("TCPX-76 a flood of requests evicts the longest unheard, never what is in use") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site, {.neighbors = 4, .packets_per_neighbor = 4, .held_packets = 16});
    const NextHop used = resolve(lab, {kPeerMac, site.peer});
    const NextHop waiting = lab.acquire(site.other);
    CHECK(hold(lab, waiting, site.other, 7));
    lab.stack.release_next_hop(waiting);  // the flow is gone, its packet is still on its way

    for (int i = 0; i < 500; ++i) {
      const auto last = static_cast<uint8_t>(20 + i % 200);
      const Peer stranger{{{2, 1, 0, 0, 0, last}}, numbered(site, last)};
      CHECK(lab.receive(kOutside, stranger.asks(site.outside)).verdict == Verdict::deliver);
    }
    CHECK(lab.stack.counters().neighbors_evicted == 498);
    CHECK(lab.stack.next_hop(used).dst == kPeerMac);
    lab.receive(kOutside, Peer{kOtherMac, site.other}.answers(site.outside, kOutsideMac));
    CHECK(lab.resumed().size() == 1);

    // Least recently heard of: of two strangers the one who spoke last stays.
    const Peer first{{{2, 2, 0, 0, 0, 1}}, numbered(site, 101)};
    const Peer second{{{2, 2, 0, 0, 0, 2}}, numbered(site, 102)};
    const Peer third{{{2, 2, 0, 0, 0, 3}}, numbered(site, 103)};
    const Peer fourth{{{2, 2, 0, 0, 0, 4}}, numbered(site, 104)};
    for (const Peer& peer : {first, second, third, first, fourth}) {
      lab.receive(kOutside, peer.asks(site.outside));
    }
    CHECK(lab.stack.next_hop(lab.acquire(first.address)).resolved);
    CHECK_FALSE(lab.stack.next_hop(lab.acquire(second.address)).resolved);
  }
}

TEST_CASE("When every slot is in use a new next hop is refused, until one is released") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site, {.neighbors = 2, .packets_per_neighbor = 4, .held_packets = 16});
    const NextHop first = lab.acquire(site.peer);
    CHECK(lab.acquire(site.peer) == first);
    lab.acquire(site.other);
    DropReason why = DropReason::count;
    CHECK(lab.stack.acquire_next_hop(lab.now, site.gateway, why) == kNoNextHop);
    CHECK(why == DropReason::neighbor_table_full);
    lab.stack.release_next_hop(first);
    CHECK(lab.stack.acquire_next_hop(lab.now, site.gateway, why) == kNoNextHop);
    lab.stack.release_next_hop(first);
    CHECK(lab.acquire(site.gateway) == first);
  }
}

TEST_CASE("A flow that ends because its packet was given up may release its next hop then") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    struct Releasing final : FrameSink {
      void originate(PortId, Packet&) override {}
      void resume(PortId, Packet&) override {}
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
