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

IpAddress numbered(const Site& site, uint8_t last) {
  IpAddress address = site.peer;
  address.bytes[15] = last;
  return address;
}

}  // namespace

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
    const NextHop hop = lab.resolve(peer);
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
    const NextHop hop = lab.resolve({kPeerMac, site.peer});
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

TEST_CASE("RFC 4861 7.3.3 an entry that packets use without a flow is probed too") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    lab.receive(kOutside, Peer{kPeerMac, site.peer}.asks(site.outside));
    lab.said();
    size_t probes = 0;
    for (int second = 0; second < 60; ++second) {
      const NextHop hop = lab.acquire(site.peer);
      if (!lab.stack.next_hop(hop).resolved) break;
      lab.stack.release_next_hop(hop);
      lab.pass(Duration::seconds(1));
      probes += lab.said().size();
    }
    CHECK(probes == 3);
    CHECK_FALSE(lab.stack.next_hop(lab.acquire(site.peer)).resolved);
  }
}

TEST_CASE("An entry that nobody refers to is never probed, and is forgotten") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    lab.stack.release_next_hop(lab.resolve({kPeerMac, site.peer}));
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
      const NextHop hop = lab.resolve({kPeerMac, site.peer});
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
  const NextHop hop = lab.resolve({kPeerMac, lab.site.peer});
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
    const NextHop used = lab.resolve({kPeerMac, site.peer});
    const NextHop waiting = lab.acquire(site.other);
    CHECK(lab.hold(waiting, site.other, 7));
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

TEST_CASE("TCPX-76 a scan of hosts that are not there leaves half of the slots to those that are") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site, {.neighbors = 9, .packets_per_neighbor = 4, .held_packets = 64});
    const NextHop used = lab.acquire(site.node);
    CHECK(lab.hold(used, site.node));
    for (uint8_t last = 20; last < 24; ++last) {
      const Peer known{{{2, 1, 0, 0, 0, last}}, numbered(site, last)};
      lab.receive(kOutside, known.asks(site.outside));
    }
    for (uint8_t last = 100; last < 200; ++last) {
      const NextHop hop = lab.acquire(numbered(site, last));
      CHECK(lab.hold(hop, numbered(site, last), last));
      lab.stack.release_next_hop(hop);
    }
    CHECK(lab.stack.counters().held_packets == 5);
    CHECK(lab.sink.given_up == std::vector<DropReason>(96, DropReason::neighbor_table_full));
    lab.receive(kOutside, Peer{kOtherMac, numbered(site, 195)}.announces());
    CHECK(lab.resumed().empty());
    lab.receive(kOutside, Peer{kOtherMac, numbered(site, 196)}.announces());
    CHECK(lab.resumed().size() == 1);  // the latest ones are still asked for
    for (uint8_t last = 20; last < 24; ++last) {
      CHECK(lab.stack.next_hop(lab.acquire(numbered(site, last))).resolved);
    }
    lab.pass(Duration::seconds(10));
    CHECK(lab.pool.used() == 0);
  }
}

TEST_CASE("Where too many packets wait, those that nobody refers to give way, the oldest first") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site, {.neighbors = 16, .packets_per_neighbor = 4, .held_packets = 4});
    for (uint8_t last = 100; last < 104; ++last) {
      const NextHop hop = lab.acquire(numbered(site, last));
      CHECK(lab.hold(hop, numbered(site, last), last));
      lab.stack.release_next_hop(hop);
    }
    const NextHop used = lab.acquire(site.peer);
    CHECK(lab.hold(used, site.peer));
    CHECK(lab.sink.given_up == std::vector<DropReason>{DropReason::neighbor_queue_full});
    CHECK(lab.stack.counters().held_packets == 4);
    lab.receive(kOutside, Peer{kOtherMac, numbered(site, 101)}.announces());
    const std::vector<SentFrame> resumed = lab.resumed();
    REQUIRE(resumed.size() == 1);
    CHECK(resumed[0].bytes.back() == 101);
  }
}

TEST_CASE("ARCH-11 what waited for a neighbour goes on in batches, in order") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site, {.neighbors = 4, .packets_per_neighbor = 150, .held_packets = 150});
    const NextHop hop = lab.acquire(site.peer);
    for (uint8_t mark = 0; mark < 150; ++mark) CHECK(lab.hold(hop, site.peer, mark));
    lab.receive(kOutside, Peer{kPeerMac, site.peer}.answers(site.outside, kOutsideMac));
    CHECK(lab.sink.batches == std::vector<size_t>{64, 64, 22});
    const std::vector<SentFrame> resumed = lab.resumed();
    REQUIRE(resumed.size() == 150);
    for (uint8_t mark = 0; mark < 150; ++mark) CHECK(resumed[mark].bytes.back() == mark);
    CHECK(lab.pool.used() == 0);
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

}  // namespace sluice::test
