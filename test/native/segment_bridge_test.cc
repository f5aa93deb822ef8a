// The ports of a segment as one link: frames between stations pass as they are.
#include <doctest/doctest.h>

#include "support/packet_check.h"
#include "support/test_switch.h"

namespace sluice {
namespace {

using namespace test;

std::vector<uint8_t> bytes_of(const PacketBuilder& builder) { return builder.build().bytes(); }

TEST_CASE("ARCH-09 DFS-13 a frame leaves by the port of its destination, or by all others") {
  TestSwitch bridge;
  const PacketBuilder hello =
      PacketBuilder().eth(station_mac(1), station_mac(2)).ether_type(0x88b5).payload(46);
  bridge.arrive(0, hello);
  CHECK(bridge.count_left(0) == 0);
  CHECK(bridge.count_left(1) == 1);
  CHECK(bridge.count_left(2) == 1);
  CHECK(bridge.sum(Counter::flooded) == 1);
  bridge.arrive(2, PacketBuilder().eth(station_mac(2), station_mac(1)).ether_type(0x88b5));
  CHECK(bridge.count_left(0) == 1);
  CHECK(bridge.count_left(1) == 0);
  bridge.arrive(0, hello);
  CHECK(bridge.count_left(1) == 0);
  const auto there = bridge.left(2);
  REQUIRE(there.size() == 1);
  CHECK(there[0].bytes == bytes_of(hello));
  CHECK(bridge.sum(Counter::bridged) == 3);
  CHECK(bridge.sum(Counter::forwarded) == 3);
  CHECK(bridge.sum(Counter::stations) == 2);
  CHECK(bridge.balanced());
}

TEST_CASE("ARCH-09 a frame for a station on its own side goes nowhere") {
  TestSwitch bridge;
  bridge.introduce(1, 1);
  bridge.introduce(2, 1);
  bridge.arrive(1, PacketBuilder().eth(station_mac(1), station_mac(2)).ether_type(0x88b5));
  for (const PortId port : {0, 1, 2}) CHECK(bridge.count_left(port) == 0);
  CHECK(bridge.sum(DropReason::bridge_same_side) == 1);
  CHECK(bridge.balanced());
}

TEST_CASE("ARCH-09 a station that moves is found behind its new port with its next frame") {
  TestSwitch bridge;
  bridge.introduce(1, 0);
  bridge.introduce(2, 1);
  bridge.introduce(2, 2);
  CHECK(bridge.sum(Counter::station_moves) == 1);
  bridge.arrive(0, PacketBuilder().eth(station_mac(1), station_mac(2)).ether_type(0x88b5));
  CHECK(bridge.count_left(1) == 0);
  CHECK(bridge.count_left(2) == 1);
}

TEST_CASE("DFS-25 TCPX-70 what passes keeps its TTL, its checksums and every other byte") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge;
    bridge.introduce(2, 1);
    Frame wrong_l4 = between(hosts, 1, 2).udp(9, 9).payload(30).build();
    wrong_l4.put8(wrong_l4.size() - 1, 0);
    Frame martian =
        between(hosts, 1, 2).ip(hosts.client, hosts.client).tcp(9, 9).payload(5).build();
    Frame malformed = between(hosts, 1, 2).tcp(9, 9).build();
    malformed.put8(14, 0x12);
    const Frame frames[] = {
        between(hosts, 1, 2).ttl(1).tcp(40000, 80, kTcpSyn).mss(9000).build(),
        between(hosts, 1, 2).ttl(1).udp(40000, 53).dscp(46).ecn(3).payload(5).build(),
        between(hosts, 1, 2).ttl(0).icmp(8).payload(5).build(),
        between(hosts, 1, 2).fragment(0, true).udp(1, 2).payload(64).build(),
        between(hosts, 1, 2).tcp(7, 8, kTcpRst).build(),
        between(hosts, 1, 2).tcp(7, 8, kTcpSyn | kTcpAck).build(),
        between(hosts, 1, 2).tcp(7, 8, kTcpSyn | kTcpFin).build(),
        between(hosts, 1, 2).protocol(132).payload(40).build(),
        PacketBuilder().eth(station_mac(1), station_mac(2)).ether_type(0x8847).payload(40).build(),
        wrong_l4,
        martian,
        malformed,
    };
    for (const Frame& frame : frames) {
      bridge.arrive(0, frame);
      const auto left = bridge.left(1);
      REQUIRE(left.size() == 1);
      CHECK(left[0].bytes == frame.bytes());
      CHECK(bridge.count_left(2) == 0);
    }
    CHECK(bridge.balanced());
  }
}

TEST_CASE("TCPX-75 VLAN tags pass, and a station is known in each VLAN by itself") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge;
    bridge.introduce(2, 1, 5);
    bridge.introduce(2, 2, 6);
    const PacketBuilder in_5 = between(hosts, 1, 2).tcp(40000, 80, kTcpSyn).vlan(0xe005);
    bridge.arrive(0, in_5);
    const auto left = bridge.left(1);
    REQUIRE(left.size() == 1);
    CHECK(left[0].bytes == bytes_of(in_5));
    CHECK(bridge.count_left(2) == 0);
    const PacketBuilder in_6 =
        between(hosts, 1, 2).udp(40000, 80).vlan(6, kEtherTypeQinQ).vlan(5).payload(3);
    bridge.arrive(0, in_6);
    CHECK(bridge.count_left(1) == 0);
    const auto service = bridge.left(2);
    REQUIRE(service.size() == 1);
    CHECK(service[0].bytes == bytes_of(in_6));
    bridge.arrive(0, between(hosts, 1, 2).tcp(40000, 80, kTcpSyn).vlan(7));  // unknown there
    CHECK(bridge.count_left(1) == 1);
    CHECK(bridge.count_left(2) == 1);
    CHECK(bridge.balanced());
  }
}

TEST_CASE("TCPX-78 multicast and broadcast pass to every other port, and open no flow") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge;
    const bool v4 = hosts.client.is_v4();
    const IpAddress group = ip(v4 ? "224.0.0.251" : "ff02::fb");
    const PacketBuilder frames[] = {
        between(hosts, 1, 2).ip(hosts.client, group).udp(5353, 5353).payload(30),
        between(hosts, 1, 2).udp(5353, 5353).payload(30),
    };
    for (PacketBuilder frame : frames) {
      for (const MacAddress& many : {MacAddress::broadcast(), MacAddress{{1, 0, 0x5e, 0, 0, 9}}}) {
        frame.eth(station_mac(1), many);
        bridge.arrive(1, frame);
        for (const PortId port : {0, 2}) {
          const auto left = bridge.left(port);
          REQUIRE(left.size() == 1);
          CHECK(left[0].bytes == bytes_of(frame));
        }
        CHECK(bridge.count_left(1) == 0);
      }
    }
    CHECK(bridge.queries.empty());
    CHECK(bridge.sum(Counter::flooded) == 4);
    CHECK(bridge.sum(Counter::forwarded) == 4);
    CHECK(bridge.balanced());
  }
}

TEST_CASE("TCPX-78 frames for the next bridge go no further") {
  TestSwitch bridge;
  for (int last = 0; last <= 0x10; ++last) {
    const MacAddress group{{0x01, 0x80, 0xc2, 0, 0, static_cast<uint8_t>(last)}};
    bridge.arrive(0, PacketBuilder().eth(station_mac(1), group).ether_type(0x88cc).payload(46));
    CHECK(bridge.count_left(1) == (last == 0x10));
  }
  CHECK(bridge.sum(DropReason::bridge_reserved) == 16);
  CHECK(bridge.balanced());
}

TEST_CASE(
    "ARCH-09 senders that there cannot be are not learnt, and frames of our own tell of a loop") {
  TestSwitch bridge;
  for (const MacAddress& source : {MacAddress{}, MacAddress{{1, 0, 0x5e, 0, 0, 1}}}) {
    bridge.arrive(0, PacketBuilder().eth(source, station_mac(2)).ether_type(0x88b5));
  }
  CHECK(bridge.sum(DropReason::ethernet_malformed) == 2);
  for (const PortId port : {0, 1, 2}) {
    bridge.arrive(2, PacketBuilder().eth(bridge_mac(port), station_mac(2)).ether_type(0x88b5));
  }
  CHECK(bridge.sum(DropReason::bridge_loop) == 3);
  for (const PortId port : {0, 1, 2}) CHECK(bridge.count_left(port) == 0);
  CHECK(bridge.sum(Counter::stations) == 0);
}

TEST_CASE("ARCH-09 a loop's storm takes no more than a second's flooding, and unicast goes on") {
  TestSwitch bridge;
  bridge.introduce(2, 1);
  const PacketBuilder broadcast =
      PacketBuilder().eth(station_mac(9), MacAddress::broadcast()).ether_type(0x88b5).payload(46);
  uint32_t left = 0;
  for (int i = 0; i < 30'000; ++i) {
    bridge.arrive(2, broadcast);
    left += bridge.count_left(0) > 0;
    bridge.left(1);
    bridge.skip(Duration::microseconds(10));
  }
  CHECK(left == 3 * Bridge::kFloodsPerSecond / 10);  // of 0.3 s
  CHECK(bridge.sum(DropReason::bridge_flood) == 30'000 - left);
  bridge.arrive(2, PacketBuilder().eth(station_mac(9), station_mac(2)).ether_type(0x88b5));
  CHECK(bridge.count_left(1) == 1);
  CHECK(bridge.balanced());
}

TEST_CASE("TCPX-34 TCPX-67 what does not fit a link is dropped there: a bridge cannot cut it") {
  TestSwitchOptions options;
  options.ports[0].mtu = 9000;
  options.ports[1].mtu = 9000;
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge(options);
    const PacketBuilder large = between(hosts, 1, 2).udp(9, 9).payload(4000);
    bridge.arrive(0, large);
    CHECK(bridge.count_left(1) == 1);
    CHECK(bridge.count_left(2) == 0);
    bridge.introduce(2, 2);
    bridge.arrive(0, large);
    CHECK(bridge.count_left(2) == 0);
    CHECK(bridge.sum(DropReason::mtu_exceeded) == 1);
    // Only what a frame on the wire carries counts.
    const PacketBuilder super = between(hosts, 1, 2).tcp(9, 9).payload(40000).gso(1400);
    bridge.arrive(0, super);
    CHECK(bridge.count_left(2) == 1);
    CHECK(bridge.balanced());
  }
}

TEST_CASE("TCPX-32 TCPX-34 super-packets and open checksums pass between ports of any ability") {
  TestSwitchOptions options;
  options.ports[1] = {};
  options.ports[2] = {.checksum = true};
  for (const Hosts& hosts : both_families()) {
    for (const bool tagged : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(tagged);
      TestSwitch bridge(options);
      PacketBuilder super = between(hosts, 1, 2).tcp(40000, 80).payload(5000).gso(1000);
      PacketBuilder partial = between(hosts, 1, 2).udp(40000, 80).payload(500).partial();
      if (tagged) super.vlan(5), partial.vlan(5);
      bridge.arrive(0, super);  // floods: by both
      bridge.arrive(0, partial);
      for (const PortId port : {1, 2}) {
        CAPTURE(port);
        const auto left = bridge.left(port);
        REQUIRE(left.size() == 6);
        for (const MemoryFrame& frame : left) {
          Sent sent(frame);
          CHECK(checksum_fault(sent.packet()) == "");
          CHECK(vlan_of(sent.packet().data) == (tagged ? 5 : 0));
        }
      }
      CHECK(bridge.sum(Counter::forwarded) == 2);
      CHECK(bridge.balanced());
    }
  }
}

TEST_CASE(
    "ARCH-09 DFS-13 a bridged TCP connection is a flow with its statistics, from first to last") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitchOptions options;
    options.internal = 1;
    TestSwitch bridge(options);
    bridge.introduce(1, 0);
    bridge.introduce(2, 1);
    const auto client = [&](uint8_t flags) { return between(hosts, 1, 2).tcp(40000, 80, flags); };
    const auto server = [&](uint8_t flags) { return between(hosts, 2, 1).tcp(80, 40000, flags); };
    const std::pair<PortId, PacketBuilder> dialogue[] = {
        {0, client(kTcpSyn).seq(100).mss(9000)},
        {1, server(kTcpSyn | kTcpAck).seq(500).ack(101).mss(9000)},
        {0, client(kTcpAck).seq(101).ack(501).payload(200)},
        {1, server(kTcpAck).seq(501).ack(301).payload(1000).dscp(10)},
        {0, client(kTcpFin | kTcpAck).seq(301).ack(1501)},
        {1, server(kTcpFin | kTcpAck).seq(1501).ack(302)},
        {0, client(kTcpAck).seq(302).ack(1502)},
    };
    for (const auto& [port, segment] : dialogue) {
      bridge.arrive(port, segment);
      const auto left = bridge.left(1 - port);
      REQUIRE(left.size() == 1);
      CHECK(left[0].bytes == bytes_of(segment));
    }
    REQUIRE(bridge.queries.size() == 1);
    const QueryView query(bridge.queries[0].data());
    CHECK(query.vs_id() == 0);
    CHECK(query.flags() == SsmbFlags::bridge);
    REQUIRE(bridge.deletes.size() == 1);
    const DeleteView end(bridge.deletes[0].data());
    CHECK(end.reason() == EndReason::fin);
    const uint64_t headers = hosts.client.is_v4() ? 40 : 60;
    CHECK(end.cnt().pkts_in() == 4);
    CHECK(end.cnt().pkts_out() == 3);
    CHECK(end.cnt().bytes_in() == 4 * headers + 4 + 200);
    CHECK(end.cnt().bytes_out() == 3 * headers + 4 + 1000);
    CHECK(bridge.balanced());
  }
}

TEST_CASE(
    "ARCH-09 SSMB-29 a flow that begins behind an internal port is bridged, too, and outbound") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitchOptions options;
    options.internal = 1;
    TestSwitch bridge(options);
    bridge.introduce(1, 0);
    bridge.arrive(1, between(hosts, 2, 1).udp(9, 53).payload(5));
    bridge.arrive(0, between(hosts, 1, 2).udp(53, 9).payload(50));
    CHECK(bridge.count_left(0) == 1);
    CHECK(bridge.count_left(1) == 1);
    REQUIRE(bridge.queries.size() == 1);
    CHECK(QueryView(bridge.queries[0].data()).flags() == (SsmbFlags::bridge | SsmbFlags::outbound));
    bridge.run(kTimeouts.udp + Duration::seconds(1));
    REQUIRE(bridge.deletes.size() == 1);
    CHECK(DeleteView(bridge.deletes[0].data()).cnt().pkts_out() == 1);
  }
}

void check_whole(const std::vector<MemoryFrame>& frames, size_t expected) {
  CHECK(frames.size() == expected);
  for (const MemoryFrame& frame : frames) CHECK(checksum_fault(Sent(frame).packet()) == "");
}

TEST_CASE("ARCH-09 what finds no room for a flow passes without one") {
  TestSwitchOptions few_wait, few_flows;
  few_wait.limits.waiting_flows = 4;
  few_flows.limits.flows = 3;  // and one more that passes
  for (auto [hosts, options] : {std::pair{both_families()[0], few_wait},
                                {both_families()[1], few_wait},
                                {both_families()[0], few_flows},
                                {both_families()[1], few_flows}}) {
    CAPTURE(hosts.family);
    CAPTURE(options.limits.flows);
    options.ports[1] = {};  // what was left open is completed for it, with or without a flow
    TestSwitch bridge(options);
    bridge.introduce(2, 1);
    bridge.answers(false);
    for (L4Port port = 1; port <= 10; ++port) {
      bridge.arrive(0, between(hosts, 1, 2).udp(port, 53).payload(1400).gso(500));
    }
    check_whole(bridge.left(1), 6 * 3);
    CHECK(bridge.sum(Counter::waiting_packets) == 4);
    bridge.answers(true);
    bridge.poll();
    check_whole(bridge.left(1), 4 * 3);
    // One whose place the next one takes asks again.
    CHECK(bridge.sum(Counter::flows_opened) == bridge.queries.size());
    CHECK(bridge.balanced());
  }
}

TEST_CASE(
    "ARCH-09 what nobody decides passes all the same, and an answer that comes yet is too late") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge;
    bridge.introduce(1, 0);
    bridge.introduce(2, 1);
    bridge.answers(false);
    bridge.arrive(0, between(hosts, 1, 2).udp(9, 53).payload(5));
    bridge.arrive(0, between(hosts, 1, 2).tcp(9, 80, kTcpSyn));
    CHECK(bridge.count_left(1) == 0);
    bridge.run(Duration::seconds(1));
    CHECK(bridge.count_left(1) == 2);
    bridge.arrive(1, between(hosts, 2, 1).udp(53, 9).payload(50));
    CHECK(bridge.count_left(0) == 1);
    CHECK(bridge.sum(Counter::flows_opened) == 2);
    bridge.answers(true);
    bridge.arrive(0, between(hosts, 1, 2).udp(9, 53).payload(5));
    CHECK(bridge.count_left(1) == 1);
    CHECK(bridge.queries.size() == 2);
    CHECK(bridge.sum(Counter::flows_opened) == 2);
    bridge.run(kTimeouts.udp + Duration::seconds(1));
    REQUIRE(bridge.deletes.size() >= 1);
    CHECK(DeleteView(bridge.deletes.back().data()).cnt().pkts_in() == 2);
    CHECK(bridge.balanced());
  }
}

}  // namespace
}  // namespace sluice
