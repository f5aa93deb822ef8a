// Addresses that another host had first, and what switches and routers are told of ours.
#include <doctest/doctest.h>

#include "support/packet_check.h"
#include "support/stack_lab.h"
#include "wire/checksum.h"

namespace sluice::test {

namespace {

// What the stack asks before it takes an address.
void check_probe(const SentFrame& probe, const IpAddress& address) {
  const uint8_t* at = probe.bytes.data() + 14;
  CHECK(MacAddress::load(probe.bytes.data()).is_multicast());
  if (address.is_v4()) {
    CHECK(load_be16(at + 6) == 1);  // a request
    CHECK(IpAddress::load_v4(at + 24) == address);
    return;
  }
  REQUIRE(probe.bytes.size() == 14 + 40 + 24);  // without an option (RFC 4861 4.3)
  CHECK(at[7] == 255);
  CHECK(IpAddress::load_v6(at + 48) == address);
  CHECK(at[24 + 11] == 1);  // ff02::1:ff..
  CHECK(at[24 + 15] == address.bytes[15]);
}

// As a router on the link asks who listens.
Bytes query(const IpAddress& group, uint8_t hop_limit = 1) {
  const Bytes message = Bytes{130, 0, 0, 0, 0, 100, 0, 0} + bytes_of(group) + Bytes{2, 125, 0, 0};
  const MacAddress all{{0x33, 0x33, 0, 0, 0, 1}};
  return ip_frame(kOtherMac, all, ip("fe80::1"), ip("ff02::1"), 58, message, hop_limit);
}

}  // namespace

TEST_CASE("TCPX-73 TCPX-76 an address is probed once, and in use meanwhile (RFC 4429)") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    lab.take(is_probe), lab.take(is_report);
    lab.stack.add_virtual_address(site.virtual_local);
    lab.pass(Duration());
    const auto probes = lab.take(is_probe);
    REQUIRE(probes.size() == 1);
    CHECK(probes[0].port == kOutside);
    check_probe(probes[0], site.virtual_local);
    const Peer peer{kPeerMac, site.peer};
    CHECK(lab.receive(kOutside, peer.asks(site.virtual_local)).verdict == Verdict::deliver);
    CHECK(lab.said().size() == 2);  // the announcement and the answer
    lab.pass(Duration::seconds(100));
    CHECK(lab.take(is_probe).empty());
    CHECK(lab.stack.counters().duplicate_addresses == 0);
  }
}

TEST_CASE("TCPX-73 TCPX-76 an address that another host has is left to it, until it is free") {
  for (const Site& site : sites()) {
    for (const bool by_probe : {false, true}) {
      CAPTURE(site.family);
      CAPTURE(by_probe);
      StackLab lab(site);
      lab.stack.add_virtual_address(site.virtual_local);
      lab.pass(Duration::milliseconds(500));
      lab.said();
      lab.take(is_probe);
      const Peer owner{kOtherMac, site.virtual_local};
      lab.receive(kOutside, by_probe ? owner.probes(site.virtual_local) : owner.announces());
      CHECK(lab.stack.counters().duplicate_addresses == 1);
      CHECK(lab.stack.counters().address_conflicts == 1);
      const Peer peer{kPeerMac, site.peer};
      CHECK(lab.receive(kOutside, peer.asks(site.virtual_local)).verdict == Verdict::drop);
      lab.pass(Duration::seconds(59));
      CHECK(lab.said().empty());  // neither answered, nor announced, nor defended
      CHECK(lab.take(is_probe).empty());
      // Asked for again every minute; the other one is still there, the next time no more.
      lab.pass(Duration::seconds(1));
      CHECK(lab.take(is_probe).size() == 1);
      lab.receive(kOutside, owner.announces());
      lab.pass(Duration::seconds(59));
      CHECK(lab.said().empty());
      lab.pass(Duration::seconds(1));
      CHECK(lab.take(is_probe).size() == 1);
      CHECK(lab.stack.counters().duplicate_addresses == 1);
      lab.pass(Duration::seconds(1));
      CHECK(lab.stack.counters().duplicate_addresses == 0);
      const auto said = lab.said();
      REQUIRE(said.size() == 1);
      CHECK(said[0].kind == Said::Kind::announcement);
      CHECK(lab.receive(kOutside, peer.asks(site.virtual_local)).verdict == Verdict::deliver);
    }
  }
}

TEST_CASE("TCPX-76 what has been ours for a while is defended, and a lost address may be removed") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    lab.stack.add_virtual_address(site.virtual_local);
    lab.pass(Duration::seconds(1));
    const Peer thief{kOtherMac, site.virtual_local};
    lab.receive(kOutside, thief.announces());
    CHECK(lab.stack.counters().duplicate_addresses == 0);
    lab.stack.remove_virtual_address(site.virtual_local);
    lab.stack.add_virtual_address(site.virtual_local);
    lab.pass(Duration());
    lab.receive(kOutside, thief.announces());
    CHECK(lab.stack.counters().duplicate_addresses == 1);
    lab.stack.remove_virtual_address(site.virtual_local);
    CHECK(lab.stack.counters().duplicate_addresses == 0);
    lab.pass(Duration::seconds(200));
  }
}

TEST_CASE("TCPX-76 a frame of our other port on the same link is no conflict") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    lab.stack.add_virtual_address(site.virtual_stray);
    lab.pass(Duration());
    const Peer ourselves{kInsideMac, site.virtual_stray};
    CHECK(lab.receive(kOutside, ourselves.announces()).verdict == Verdict::drop);
    CHECK(lab.stack.counters().address_conflicts == 0);
  }
}

TEST_CASE("TCPX-73 switches that snoop learn that we listen to the groups of our addresses") {
  const Site& site = sites()[1];
  StackLab lab(site);
  lab.take(is_report);
  lab.stack.add_virtual_address(site.virtual_local);
  lab.pass(Duration());
  auto reports = lab.take(is_report);
  REQUIRE(reports.size() == 1);
  const Bytes& frame = reports[0].bytes;
  CHECK(MacAddress::load(frame.data()) == MacAddress{{0x33, 0x33, 0, 0, 0, 0x16}});
  CHECK(IpAddress::load_v6(&frame[14 + 8]).is_zero());  // RFC 3590
  CHECK(IpAddress::load_v6(&frame[14 + 24]) == ip("ff02::16"));
  CHECK(frame[14 + 7] == 1);                                               // hop limit
  CHECK(Bytes(&frame[54], &frame[62]) == Bytes{58, 0, 5, 2, 0, 0, 1, 0});  // router alert
  CHECK(load_be16(&frame[62 + 6]) == 1);
  CHECK(frame[62 + 8] == 4);  // CHANGE_TO_EXCLUDE, no sources: all of the group
  CHECK(load_be16(&frame[62 + 10]) == 0);
  CHECK(IpAddress::load_v6(&frame[62 + 12]) == ip("ff02::1:ff00:100"));
  CHECK(fold_sum(pseudo_header_sum_v6(&frame[22], &frame[38], 58, 28) +
                 sum_bytes(&frame[62], 28)) == 0xffff);
}

TEST_CASE(
    "TCPX-73 a query is answered for each of our groups, once a second, and only a sound one") {
  const Site& site = sites()[1];
  StackLab lab(site);
  lab.stack.add_virtual_address(site.virtual_local);
  lab.pass(Duration::seconds(10));
  lab.take(is_report);
  CHECK(lab.receive(kOutside, query(ip("::"))).verdict == Verdict::deliver);
  CHECK(lab.take(is_report).size() == 2);
  CHECK(lab.receive(kOutside, query(ip("::"))).verdict == Verdict::deliver);
  CHECK(lab.take(is_report).empty());
  lab.pass(Duration::seconds(1));
  CHECK(lab.receive(kOutside, query(ip("ff02::1:ff00:100"))).verdict == Verdict::deliver);
  const auto reports = lab.take(is_report);
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].bytes[62 + 8] == 2);  // MODE_IS_EXCLUDE
  lab.pass(Duration::seconds(1));
  CHECK(lab.receive(kOutside, query(ip("ff02::1:ff00:aaaa"))).verdict == Verdict::deliver);
  CHECK(lab.receive(kOutside, query(ip("::"), 64)).drop_reason == DropReason::nd_malformed);
  CHECK(lab.take(is_report).empty());
}

TEST_CASE("TCPX-73 router advertisements and redirects change nothing: routes are configured") {
  const Site& site = sites()[1];
  StackLab lab(site);
  const MacAddress all{{0x33, 0x33, 0, 0, 0, 1}};
  for (const uint8_t type : {134, 137}) {
    CAPTURE(type);
    const Bytes message = Bytes{type, 0, 0, 0, 64, 0, 7, 8} + Bytes(32, 0);
    const Bytes frame = ip_frame(kOtherMac, all, ip("fe80::1"), ip("ff02::1"), 58, message, 255);
    CHECK(lab.receive(kOutside, frame).verdict == Verdict::drop);
    DropReason why = DropReason::count;
    CHECK(lab.stack.acquire_next_hop(lab.now, site.far, why) == kNoNextHop);
    CHECK(why == DropReason::no_route);
  }
  CHECK(lab.said().empty());
}

}  // namespace sluice::test
