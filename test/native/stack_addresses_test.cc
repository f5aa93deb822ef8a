#include <doctest/doctest.h>

#include "packet/parse.h"
#include "support/stack_lab.h"

namespace sluice::test {

namespace {

void check_reply(const Said& said, const MacAddress& own_mac, const IpAddress& own,
                 const Peer& asker) {
  CHECK(said.kind == Said::Kind::reply);
  CHECK(said.ethernet_src == own_mac);
  CHECK(said.ethernet_dst == asker.mac);
  CHECK(said.mac == own_mac);
  CHECK(said.speaker == own);
  CHECK(said.target == asker.address);
}

bool is_not_ours(const Packet& packet) {
  return packet.verdict == Verdict::drop && (packet.drop_reason == DropReason::arp_not_ours ||
                                             packet.drop_reason == DropReason::nd_not_ours);
}

}  // namespace

TEST_CASE("DFS-22 TCPX-76 requests for our addresses are answered, on their own link only") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer peer{kPeerMac, site.peer};
    CHECK(lab.receive(kOutside, peer.asks(site.outside)).verdict == Verdict::deliver);
    std::vector<Said> said = lab.said();
    REQUIRE(said.size() == 1);
    CHECK(said[0].port == kOutside);
    check_reply(said[0], kOutsideMac, site.outside, peer);

    for (const IpAddress& target : {site.inside, site.other, site.far}) {
      CHECK(is_not_ours(lab.receive(kOutside, peer.asks(target))));
    }
    CHECK(lab.said().empty());
  }
}

TEST_CASE("TCPX-76 a unicast request, as a peer sends to confirm its entry, is answered") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer peer{kPeerMac, site.peer};
    CHECK(lab.receive(kOutside, peer.asks(site.outside, kOutsideMac)).verdict == Verdict::deliver);
    const std::vector<Said> said = lab.said();
    REQUIRE(said.size() == 1);
    check_reply(said[0], kOutsideMac, site.outside, peer);
  }
}

TEST_CASE("DFS-22 a virtual address is answered where a subnet holds it, or else everywhere") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer outside{kPeerMac, site.peer};
    const Peer inside{kOtherMac, site.node};
    CHECK(is_not_ours(lab.receive(kOutside, outside.asks(site.virtual_local))));
    lab.stack.add_virtual_address(site.virtual_local);
    lab.stack.add_virtual_address(site.virtual_stray);

    CHECK(lab.receive(kOutside, outside.asks(site.virtual_local)).verdict == Verdict::deliver);
    CHECK(is_not_ours(lab.receive(kInside, inside.asks(site.virtual_local))));
    CHECK(lab.receive(kOutside, outside.asks(site.virtual_stray)).verdict == Verdict::deliver);
    CHECK(lab.receive(kInside, inside.asks(site.virtual_stray)).verdict == Verdict::deliver);
    const std::vector<Said> said = lab.said();
    REQUIRE(said.size() == 3);
    check_reply(said[0], kOutsideMac, site.virtual_local, outside);
    check_reply(said[1], kOutsideMac, site.virtual_stray, outside);
    check_reply(said[2], kInsideMac, site.virtual_stray, inside);
  }
}

TEST_CASE("A virtual address is owned until it is removed as often as it was added") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    lab.stack.add_virtual_address(site.virtual_local);
    lab.stack.add_virtual_address(site.virtual_local);
    lab.stack.remove_virtual_address(site.virtual_local);
    CHECK(lab.stack.owns(site.virtual_local));
    lab.stack.remove_virtual_address(site.virtual_local);
    CHECK_FALSE(lab.stack.owns(site.virtual_local));
    const Peer peer{kPeerMac, site.peer};
    CHECK(is_not_ours(lab.receive(kOutside, peer.asks(site.virtual_local))));

    // An address of the engine itself may serve too, and stays when the service goes.
    lab.stack.add_virtual_address(site.outside);
    lab.stack.remove_virtual_address(site.outside);
    CHECK(lab.stack.owns(site.outside));
    CHECK(lab.receive(kOutside, peer.asks(site.outside)).verdict == Verdict::deliver);
  }
}

TEST_CASE("TCPX-76 a probe for our address is answered, and makes no entry") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer peer{kPeerMac, site.peer};
    CHECK(lab.receive(kOutside, peer.probes(site.outside)).verdict == Verdict::deliver);
    const std::vector<Said> said = lab.said();
    REQUIRE(said.size() == 1);
    CHECK(said[0].mac == kOutsideMac);
    CHECK(said[0].speaker == site.outside);
    // RFC 4861 7.2.4: one who has no address yet is told through all nodes.
    CHECK(said[0].kind == (site.is_v4() ? Said::Kind::reply : Said::Kind::announcement));
    CHECK_FALSE(lab.stack.next_hop(lab.acquire(site.peer)).resolved);
  }
}

TEST_CASE("A peer's link-local address is answered, and known afterwards") {
  StackLab lab(sites()[1]);
  const Peer peer{kPeerMac, ip("fe80::10")};
  CHECK(lab.receive(kOutside, peer.asks(lab.site.outside)).verdict == Verdict::deliver);
  const std::vector<Said> said = lab.said();
  REQUIRE(said.size() == 1);
  check_reply(said[0], kOutsideMac, lab.site.outside, peer);

  DropReason why = DropReason::count;
  const NextHop hop = lab.stack.acquire_neighbor(lab.now, kOutside, peer.address, why);
  REQUIRE(hop != kNoNextHop);
  CHECK(lab.stack.next_hop(hop).dst == kPeerMac);
  CHECK(lab.stack.acquire_next_hop(lab.now, peer.address, why) == kNoNextHop);
  CHECK(why == DropReason::no_route);
}

TEST_CASE("TCPX-76 every address is announced twice after it was added, and again on demand") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    lab.stack.add_virtual_address(site.virtual_stray);
    CHECK(lab.stack.deadline() <= lab.now);
    lab.pass(Duration::seconds(1));
    std::vector<Said> said = lab.said();
    REQUIRE(said.size() == 2);
    CHECK(said[0].port != said[1].port);
    for (const Said& one : said) {
      CHECK(one.kind == Said::Kind::announcement);
      CHECK(one.speaker == site.virtual_stray);
      CHECK(one.mac == (one.port == kOutside ? kOutsideMac : kInsideMac));
      CHECK(one.ethernet_src == one.mac);
      CHECK(one.ethernet_dst.is_multicast());
    }
    lab.pass(Duration::seconds(2));
    CHECK(lab.said().size() == 2);
    lab.pass(Duration::seconds(60));
    CHECK(lab.said().empty());

    lab.stack.announce(lab.now);
    CHECK(lab.said().size() == 4);  // outside, inside, and the virtual one on both links
  }
}

TEST_CASE("TCPX-76 another host that claims our address is counted and answered, not in a loop") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer thief{kOtherMac, site.outside};
    for (int i = 0; i < 5; ++i) {
      CHECK(lab.receive(kOutside, thief.announces()).verdict == Verdict::deliver);
      lab.pass(Duration::milliseconds(100));
    }
    CHECK(lab.stack.counters().address_conflicts == 5);
    std::vector<Said> said = lab.said();
    REQUIRE(said.size() == 1);
    CHECK(said[0].kind == Said::Kind::announcement);
    CHECK(said[0].speaker == site.outside);

    lab.pass(Duration::seconds(10));
    lab.receive(kOutside, thief.announces());
    lab.pass(Duration::seconds(1));
    CHECK(lab.said().size() == 1);

    // On a link where we do not answer for it, it is nobody's business.
    CHECK(is_not_ours(lab.receive(kInside, thief.announces())));
    CHECK(lab.stack.counters().address_conflicts == 6);
    DropReason why = DropReason::count;
    CHECK(lab.stack.acquire_neighbor(lab.now, kOutside, site.outside, why) == kNoNextHop);
    CHECK(why == DropReason::own_address);
  }
}

TEST_CASE("Our own frame that the link gives back is no conflict") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    CHECK(is_not_ours(lab.receive(kOutside, Peer{kOutsideMac, site.outside}.announces())));
    CHECK(lab.stack.counters().address_conflicts == 0);
  }
}

TEST_CASE("Messages that no host sends are dropped and teach nothing") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const NextHop hop = lab.acquire(site.peer);
    const MacAddress group{{0x33, 0x33, 0, 0, 0, 1}};
    for (const Bytes& frame : {Peer{group, site.peer}.asks(site.outside),
                               Peer{group, site.peer}.answers(site.outside, kOutsideMac)}) {
      const Packet packet = lab.receive(kOutside, frame);
      CHECK(packet.verdict == Verdict::drop);
      CHECK(packet.drop_reason ==
            (site.is_v4() ? DropReason::arp_malformed : DropReason::nd_malformed));
    }
    CHECK(lab.said().empty());
    CHECK_FALSE(lab.stack.next_hop(hop).resolved);
  }
}

TEST_CASE("Neighbour discovery from beyond the link, or with a wrong checksum, is not believed") {
  StackLab lab(sites()[1]);
  const Peer peer{kPeerMac, lab.site.peer};
  Bytes routed = peer.asks(lab.site.outside);
  routed[21] = 254;
  CHECK(lab.receive(kOutside, routed).drop_reason == DropReason::nd_malformed);
  Bytes corrupt = peer.asks(lab.site.outside);
  corrupt.back() ^= 1;
  CHECK(lab.receive(kOutside, corrupt).drop_reason == DropReason::l4_checksum);
  // RFC 4861 7.1.2: a solicited advertisement is never multicast.
  const Bytes loud = with_flags(peer.announces(), 0x60);
  CHECK(lab.receive(kOutside, loud).drop_reason == DropReason::nd_malformed);
  CHECK(lab.said().empty());
}

TEST_CASE("A tagged frame belongs to another network") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    Bytes frame = Peer{kPeerMac, site.peer}.asks(site.outside);
    const Bytes tag{0x81, 0, 0, 7};
    frame.insert(frame.begin() + 12, tag.begin(), tag.end());
    CHECK(lab.receive(kOutside, frame).drop_reason == DropReason::ether_type_unknown);
    CHECK(lab.said().empty());
  }
}

TEST_CASE("What is for us: ARP, neighbour discovery, and packets to our addresses") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const Peer peer{kPeerMac, site.peer};
    const Bytes udp{0x12, 0x34, 0, 53, 0, 8, 0, 1};
    const Bytes tcp{0x12, 0x34, 0, 53, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 9, 0, 0, 0, 0};
    const struct {
      Bytes frame;
      bool ours;
    } cases[] = {
        {peer.asks(site.far), true},
        {ip_frame(kPeerMac, kOutsideMac, site.peer, site.inside, 6, tcp), true},
        {ip_frame(kPeerMac, kOutsideMac, site.peer, site.node, 17, udp), false},
        {ip_frame(kPeerMac, kOutsideMac, site.peer, site.virtual_local, 17, udp), false},
    };
    for (const auto& one : cases) {
      Bytes bytes = one.frame;
      Packet packet;
      packet.data = bytes.data();
      packet.length = static_cast<uint32_t>(bytes.size());
      parse(packet);
      REQUIRE(packet.verdict == Verdict::none);
      CHECK(lab.stack.is_for_us(packet) == one.ours);
    }
    CHECK(lab.receive(kOutside, cases[1].frame).drop_reason == DropReason::own_address);
    CHECK(lab.receive(kOutside, ip_frame(kPeerMac, kOutsideMac, site.inside, site.outside, 17, udp))
              .drop_reason == DropReason::ip_martian);
  }
}

}  // namespace sluice::test
