// The engine as a station of its own bridge: its addresses, virtual servers between stations, and
// several workers.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "support/fragments.h"
#include "support/packet_check.h"
#include "support/test_switch.h"

namespace sluice {
namespace {

using namespace test;

constexpr uint16_t kService = 7;

MacAddress many_for(const IpAddress& address) {
  if (address.is_v4()) return MacAddress::broadcast();
  MacAddress mac{{0x33, 0x33, 0xff}};
  std::copy(address.bytes.begin() + 13, address.bytes.end(), mac.bytes.begin() + 3);
  return mac;
}

// Asks everybody.
Frame question(const Hosts& hosts, uint8_t from, const IpAddress& target) {
  Frame frame = neighbor_request(station(hosts, from), many_for(target), target);
  if (target.is_v4()) return frame;
  // To the solicited-node group.
  IpAddress group = ip("ff02::1:ff00:0");
  std::copy(target.bytes.begin() + 13, target.bytes.end(), group.bytes.begin() + 13);
  return PacketBuilder()
      .eth(station_mac(from), many_for(target))
      .ip(station_ip(hosts, from), group)
      .ttl(255)
      .icmp(kIcmpv6NeighborSolicitation)
      .payload(discovery_body(target, 1, station_mac(from)))
      .build();
}

std::vector<MemoryFrame> answers_among(const std::vector<MemoryFrame>& frames) {
  std::vector<MemoryFrame> found;
  for (const MemoryFrame& frame : frames) {
    if (is_neighbor_message(frame.bytes)) found.push_back(frame);
  }
  return found;
}

TEST_CASE(
    "TCPX-76 TCPX-73 who asks for the engine is answered, who asks for another is heard by all") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge;
    bridge.arrive(2, question(hosts, 10, engine_ip(hosts)));
    const auto answers = answers_among(bridge.left(2));
    REQUIRE(answers.size() == 1);
    CHECK(MacAddress::load(&answers[0].bytes[0]) == station_mac(10));
    CHECK(MacAddress::load(&answers[0].bytes[6]) == bridge_mac());
    for (const PortId port : {0, 1}) CHECK(bridge.count_left(port) == 0);
    CHECK(bridge.sum(Counter::delivered) == 1);
    const Frame other = question(hosts, 10, station_ip(hosts, 11));
    bridge.arrive(2, other);
    for (const PortId port : {0, 1}) {
      const auto left = bridge.left(port);
      REQUIRE(left.size() == 1);
      CHECK(left[0].bytes == other.bytes());
    }
    CHECK(bridge.count_left(2) == 0);
    CHECK(bridge.balanced());
  }
}

TEST_CASE("ARCH-09 the engine answers echo requests, whichever of its MAC addresses they are for") {
  for (const Hosts& hosts : both_families()) {
    for (const PortId port : {0, 1, 2}) {
      CAPTURE(hosts.family);
      CAPTURE(port);
      TestSwitch bridge;
      const uint8_t request = hosts.client.is_v4() ? kIcmpEchoRequest : kIcmpv6EchoRequest;
      bridge.arrive(1, PacketBuilder()
                           .eth(station_mac(10), bridge_mac(port))
                           .ip(station_ip(hosts, 10), engine_ip(hosts))
                           .icmp(request)
                           .payload(1472 - 20));
      CHECK(bridge.count_left(1) == 1);
      CHECK(bridge.sum(Counter::delivered) == 1);
      // It is no router: what is for others has no business with its MAC addresses.
      bridge.arrive(1, between(hosts, 10, 11).eth(station_mac(10), bridge_mac()).udp(9, 9));
      CHECK(bridge.sum(DropReason::no_virtual_server) == 1);
      CHECK(bridge.balanced());
    }
  }
}

TEST_CASE("TCPX-73 TCPX-78 who asks for listeners hears the engine, and everybody else") {
  const Hosts& hosts = both_families()[1];
  TestSwitch bridge;
  Frame query = PacketBuilder()
                    .eth(station_mac(10), {{0x33, 0x33, 0, 0, 0, 1}})
                    .ip(ip("fe80::1"), ip("ff02::1"))
                    .ttl(1)
                    .icmp(kIcmpv6MulticastQuery, 0, 100 << 16)
                    .payload(std::vector<uint8_t>(20))
                    .build();
  REQUIRE(query.parsed().verdict == Verdict::none);
  bridge.arrive(2, query);
  for (const PortId port : {0, 1}) {
    const auto left = bridge.left(port);
    REQUIRE(left.size() == 2);
    CHECK(std::count_if(left.begin(), left.end(), [&](const MemoryFrame& frame) {
            return frame.bytes == query.bytes();
          }) == 1);
  }
  const auto reports = bridge.left(2);
  REQUIRE(reports.size() == 1);
  Sent report(reports[0]);
  CHECK(report.packet().at(report.packet().headers.l4)[0] == kIcmpv6MulticastReport);
  CHECK(checksum_fault(report.packet()) == "");
  CHECK(engine_ip(hosts).bytes[15] == reports[0].bytes.back());  // the solicited-node group's end
  CHECK(bridge.balanced());
}

TEST_CASE(
    "DFS-24 ARCH-09 a virtual server between stations translates, and its node is found anywhere") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge;
    bridge.add_virtual_server(kService, hosts.virtual_server, 80, station_ip(hosts, 20));
    greet(bridge, hosts, 10, 0);
    bridge.arrive(0, PacketBuilder()
                         .eth(station_mac(10), bridge_mac())
                         .ip(station_ip(hosts, 10), hosts.virtual_server)
                         .tcp(40000, 80, kTcpSyn));
    // Everybody is asked for the node; one answers.
    CHECK(answers_among(bridge.left(1)).size() == 1);
    const auto questions = answers_among(bridge.left(2));
    REQUIRE(questions.size() == 1);
    bridge.arrive(2, *neighbor_answer(station(hosts, 20), questions[0].bytes));
    CHECK(bridge.count_left(1) == 0);
    CHECK(answers_among(bridge.left(0)).size() == 1);
    const auto there = bridge.left(2);
    REQUIRE(there.size() == 1);
    CHECK(Sent(there[0]).key().dst == station_ip(hosts, 20));
    CHECK(MacAddress::load(&there[0].bytes[6]) == bridge_mac());
    CHECK(MacAddress::load(&there[0].bytes[0]) == station_mac(20));
    // The node answers the client, as it is on its link; on the way the engine takes it.
    bridge.arrive(2, between(hosts, 20, 10).tcp(TestSwitch::kNodePort, 40000, kTcpSyn | kTcpAck));
    CHECK(bridge.count_left(1) == 0);
    const auto back = bridge.left(0);
    REQUIRE(back.size() == 1);
    CHECK(Sent(back[0]).key().src == hosts.virtual_server);
    CHECK(checksum_fault(Sent(back[0]).packet()) == "");
    CHECK(bridge.queries.size() == 1);
    CHECK(bridge.balanced());
  }
}

TEST_CASE(
    "VS-16 VS-10 ARCH-09 a silent virtual server takes what stations send to its address's "
    "holder") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge;
    const uint8_t holder = hosts.virtual_server.bytes[15] == 100 ? 100 : 0;
    const IpAddress address = hosts.client.is_v4() ? station_ip(hosts, 100) : hosts.virtual_server;
    bridge.add_virtual_server(kService, address, 80, station_ip(hosts, 20), kProtocolTcp,
                              VsFlags::noarp_mode);
    greet(bridge, hosts, 10, 0);
    greet(bridge, hosts, 20, 1);
    bridge.introduce(holder, 2);
    // The holder is asked for, and answers by itself.
    bridge.arrive(0, question(hosts, 10, address));
    CHECK(bridge.count_left(0) == 0);
    CHECK(bridge.count_left(1) == 1);
    CHECK(bridge.count_left(2) == 1);
    const auto to_holder = [&] {
      return PacketBuilder()
          .eth(station_mac(10), station_mac(holder))
          .ip(station_ip(hosts, 10), address);
    };
    bridge.arrive(0, to_holder().tcp(40000, 80, kTcpSyn));
    CHECK(bridge.count_left(2) == 0);
    const auto there = bridge.left(1);
    REQUIRE(there.size() == 1);
    CHECK(Sent(there[0]).key().dst == station_ip(hosts, 20));
    // Everything else is the holder's.
    bridge.arrive(0, to_holder().tcp(40000, 22, kTcpSyn));
    bridge.arrive(0, to_holder().icmp(8).payload(8));
    CHECK(bridge.count_left(1) == 0);
    CHECK(bridge.count_left(2) == 2);
    CHECK(bridge.balanced());
  }
}

TEST_CASE("ARCH-09 a virtual server in maintenance refuses by the port that the client is behind") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge;
    bridge.add_virtual_server(kService, hosts.virtual_server, 80, station_ip(hosts, 20),
                              kProtocolTcp, VsFlags::maintenance);
    bridge.arrive(2, PacketBuilder()
                         .eth(station_mac(10), bridge_mac(2))
                         .ip(station_ip(hosts, 10), hosts.virtual_server)
                         .tcp(40000, 80, kTcpSyn));
    for (const PortId port : {0, 1}) CHECK(bridge.count_left(port) == 0);
    const auto left = bridge.left(2);
    REQUIRE(left.size() == 1);
    CHECK(Sent(left[0]).flags() == (kTcpRst | kTcpAck));
  }
}

TEST_CASE("TCPX-34 TCPX-67 what is translated is cut for its node's link, or its sender is told") {
  TestSwitchOptions options;
  options.ports[0].mtu = 9000;
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge(options);
    bridge.add_virtual_server(kService, hosts.virtual_server, 80, station_ip(hosts, 20),
                              kProtocolUdp);
    greet(bridge, hosts, 10, 0);
    greet(bridge, hosts, 20, 1);
    bridge.arrive(0, PacketBuilder()
                         .eth(station_mac(10), bridge_mac())
                         .ip(station_ip(hosts, 10), hosts.virtual_server)
                         .udp(40000, 80)
                         .payload(4000));
    const auto there = bridge.left(1);
    if (hosts.client.is_v4()) {
      Frame joined = rejoined(there);
      CHECK(joined.parsed().key.dst == station_ip(hosts, 20));
      CHECK(checksum_fault(joined.parsed()) == "");
    } else {
      CHECK(there.empty());
      CHECK(bridge.sum(DropReason::mtu_exceeded) == 1);
      const auto told = bridge.left(0);
      REQUIRE(told.size() == 1);
      Sent error(told[0]);
      CHECK(error.packet().at(error.packet().headers.l4)[0] == kIcmpv6PacketTooBig);
    }
    CHECK(bridge.balanced());
  }
}

// -- several workers

TEST_CASE("TCPX-79 ARCH-09 what one worker learns of stations all know") {
  TestSwitchOptions options;
  options.workers = 3;
  TestSwitch bridge(options);
  const auto frame = [](uint8_t from, uint8_t to) {
    return PacketBuilder().eth(station_mac(from), station_mac(to)).ether_type(0x88b5).payload(46);
  };
  bridge.arrive(0, frame(1, 9), 0);
  bridge.arrive(1, frame(2, 9), 1);
  for (const PortId port : {0, 1, 2}) bridge.left(port);
  for (uint32_t worker = 0; worker < 3; ++worker) {
    bridge.arrive(0, frame(1, 2), worker);
    CHECK(bridge.count_left(1) == 1);
    CHECK(bridge.count_left(2) == 0);
  }
  bridge.arrive(2, frame(2, 1), 2);  // it moves
  for (const PortId port : {0, 1, 2}) bridge.left(port);
  for (uint32_t worker = 0; worker < 3; ++worker) {
    bridge.arrive(0, frame(1, 2), worker);
    CHECK(bridge.count_left(1) == 0);
    CHECK(bridge.count_left(2) == 1);
  }
  // Those that only one worker hears of stay known to the others.
  for (int i = 0; i < 10; ++i) {
    bridge.skip(Duration::seconds(61));
    bridge.arrive(2, frame(2, 1), 2);
    bridge.left(0), bridge.left(1);
  }
  bridge.arrive(0, frame(1, 2), 0);
  CHECK(bridge.count_left(1) == 0);
  CHECK(bridge.count_left(2) == 1);
  CHECK(bridge.balanced());
}

TEST_CASE("TCPX-79 ARCH-09 a bridged flow is one worker's, wherever its packets come in") {
  for (const Hosts& hosts : both_families()) {
    for (const PortId internal : {PortId{1}, PortId{2}, kNoPort}) {
      CAPTURE(hosts.family);
      CAPTURE(internal);
      TestSwitchOptions options;
      options.workers = 3;
      options.internal = internal;
      TestSwitch bridge(options);
      bridge.introduce(1, 0);
      bridge.introduce(2, 1);
      for (L4Port port = 40000; port < 40030; ++port) {
        CAPTURE(port);
        const auto client = [&](uint8_t flags) {
          return between(hosts, 1, 2).tcp(port, 80, flags);
        };
        const auto server = [&](uint8_t flags) {
          return between(hosts, 2, 1).tcp(80, port, flags);
        };
        const std::pair<PortId, PacketBuilder> dialogue[] = {
            {0, client(kTcpSyn).seq(100)},
            {1, server(kTcpSyn | kTcpAck).seq(500).ack(101)},
            {0, client(kTcpAck).seq(101).ack(501)},
            {1, server(kTcpAck).seq(501).ack(101).payload(10)},
        };
        uint32_t at = port;
        for (const auto& [in, segment] : dialogue) {
          bridge.arrive(in, segment, at++ % 3);
          CHECK(bridge.count_left(1 - in) == 1);
        }
      }
      CHECK(bridge.queries.size() == 30);
      CHECK(bridge.sum(Counter::flows) == 30);
      CHECK(bridge.sum(Counter::handed_packets) == 0);
      CHECK(bridge.balanced());
    }
  }
}

TEST_CASE(
    "TCPX-79 ARCH-09 where one port is internal, kernels steer both directions to one worker") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitchOptions options;
    options.workers = 3;
    options.internal = 1;
    TestSwitch bridge(options);
    bridge.introduce(1, 0);
    bridge.introduce(2, 1);
    std::set<uint32_t> homes;
    for (L4Port port = 40000; port < 40030; ++port) {
      const uint32_t home = bridge.steering().worker_of(station_ip(hosts, 1), port);
      homes.insert(home);
      bridge.arrive(0, between(hosts, 1, 2).udp(port, 53).payload(1), home);
      bridge.arrive(1, between(hosts, 2, 1).udp(53, port).payload(1), home);
    }
    CHECK(homes.size() == 3);
    CHECK(bridge.queries.size() == 30);
    CHECK(bridge.sum(Counter::handed_over) == 0);
  }
}

TEST_CASE("DFS-24 ARCH-09 a node's answer to one worker's question is heard by all") {
  const Hosts& hosts = both_families()[0];
  TestSwitchOptions options;
  options.workers = 3;
  TestSwitch bridge(options);
  bridge.add_virtual_server(kService, hosts.virtual_server, 80, station_ip(hosts, 20));
  greet(bridge, hosts, 10, 0);
  for (L4Port port = 40000; port < 40016; ++port) {
    bridge.arrive(0, PacketBuilder()
                         .eth(station_mac(10), bridge_mac())
                         .ip(station_ip(hosts, 10), hosts.virtual_server)
                         .tcp(port, 80, kTcpSyn));
  }
  const auto questions = answers_among(bridge.left(2));
  REQUIRE(questions.size() == 3);
  bridge.left(1);
  bridge.arrive(2, *neighbor_answer(station(hosts, 20), questions[0].bytes), 1);
  CHECK(bridge.count_left(2) == 16);
  CHECK(bridge.count_left(1) == 0);
  CHECK(bridge.sum(Counter::neighbor_packets) == 0);
  CHECK(bridge.balanced());
}

}  // namespace
}  // namespace sluice
