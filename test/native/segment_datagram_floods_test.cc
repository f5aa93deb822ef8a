// Flows of UDP that the engine ends: who gives way where there are too many.
#include <doctest/doctest.h>

#include "support/datagram_lab.h"
#include "support/socket_lab.h"

namespace sluice {
namespace {

using namespace test;
using Texts = std::vector<std::string>;

TEST_CASE("SOCK-32 of too many sockets the one that was used least recently gives way") {
  TestEngineOptions options;
  options.limits.connections = 16;
  options.timeouts.udp = Duration::seconds(60);  // as the wheel tells them apart
  DatagramLab lab(both_families()[0], options);
  lab.forgets = false;  // no place is used twice
  std::vector<uint32_t> sockets;
  for (L4Port port = 40000; port < 40016; ++port) {
    lab.ask("hello", port);
    sockets.push_back(lab.last_accepted);
    lab.pass(Duration::seconds(1));
  }
  lab.ask("still here", 40000);
  lab.pass(Duration::seconds(1));
  for (L4Port port = 50000; port < 50004; ++port) {
    lab.ask("and me", port);
    lab.pass(Duration::seconds(1));
  }
  CHECK_FALSE(lab.sockets[sockets[0]].closed);
  for (int i = 1; i <= 4; ++i) {
    CHECK(lab.sockets[sockets[i]].closed);
    CHECK(lab.sockets[sockets[i]].end == StreamEnd::no_memory);
  }
  CHECK_FALSE(lab.sockets[sockets[5]].closed);
  CHECK(lab.engine.count(Counter::datagram_sockets) == 20);
  CHECK(lab.engine.settle() == "");
}

TEST_CASE("SOCK-32 MEM-18 a flood of UDP takes nothing from connections, which take from it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.flows = 8;
    options.limits.connections = 16;
    SocketLab lab(hosts, options);
    lab.engine.add_virtual_server(kNameId, hosts.virtual_server, kNamePort, kProtocolUdp,
                                  VsFlags::terminate);
    const auto flood = [&](L4Port first) {
      for (L4Port port = first; port < first + 200; ++port) {
        lab.engine.from_client(PacketBuilder()
                                   .ip(hosts.client, hosts.virtual_server)
                                   .udp(port, kNamePort)
                                   .text("flood"));
        lab.settle();
      }
    };
    flood(10000);
    CHECK(lab.engine.count(Counter::flow_entries) == 16);  // every place is taken
    const uint32_t inbound = lab.connect();
    REQUIRE(inbound != 0);
    CHECK_FALSE((inbound & SocketTable::kDatagrams) != 0);
    const uint32_t outbound = lab.open(inbound, hosts.server, 8080, true);
    REQUIRE(lab.sockets[outbound].connected);
    flood(20000);
    send_from(lab.client, lab.engine.now(), numbered(5000));
    lab.read(inbound, 100'000);
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.sockets[inbound].bytes == numbered(5000));
    CHECK_FALSE(lab.sockets[inbound].closed);
    CHECK_FALSE(lab.sockets[outbound].closed);
    CHECK(lab.engine.count(Counter::connections) == 2);
    // Nor does it end a TIME-WAIT.
    for (const uint32_t socket : {inbound, outbound}) lab.say<CloseSocketView>(socket);
    lab.pass(Duration::milliseconds(10));
    shut_at(lab.client, lab.engine.now());
    shut_at(lab.server, lab.engine.now());
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.engine.count(Counter::own_time_wait) == 2);
    flood(30000);
    lab.pass(Duration::milliseconds(10));
    CHECK(lab.engine.count(Counter::own_time_wait) == 2);
    CHECK(lab.engine.balanced());
  }
}

TEST_CASE("SOCK-32 a flood of datagrams leaves room in the ring for connections and ends") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    lab.engine.add_virtual_server(kNameId, hosts.virtual_server, kNamePort, kProtocolUdp,
                                  VsFlags::terminate);
    const uint32_t inbound = lab.connect();
    lab.read(inbound, 100'000);
    lab.reads = false;
    for (int i = 0; i < 300; ++i) {
      lab.engine.from_client(PacketBuilder()
                                 .ip(hosts.client, hosts.virtual_server)
                                 .udp(static_cast<L4Port>(10000 + i % 30), kNamePort)
                                 .payload(1400));
    }
    CHECK(lab.engine.dropped(DropReason::socket_unread) > 0);
    CHECK(lab.engine.to_sockets().unread() <= lab.engine.to_sockets().capacity() / 2 + 1500);
    send_from(lab.client, lab.engine.now(), numbered(50'000));
    lab.pass(Duration::milliseconds(200));
    lab.reads = true;
    lab.settle();
    CHECK(lab.sockets[inbound].bytes == numbered(50'000));
    CHECK(lab.engine.balanced());
  }
}

TEST_CASE("SOCK-32 FLOWLIFE-04 nor does it take anything from connections that are translated") {
  TestEngineOptions options;
  options.limits.flows = 4;
  DatagramLab lab(both_families()[0], options);
  const Hosts hosts = both_families()[0];
  lab.engine.add_virtual_server(1, hosts.virtual_server, 80);
  lab.engine.decide_with(TestEngine::to_endpoint(hosts.server, 8080));
  const auto segment = [&](uint8_t flags, uint32_t seq, uint32_t ack) {
    lab.engine.from_client(PacketBuilder()
                               .ip(hosts.client, hosts.virtual_server)
                               .tcp(40000, 80, flags)
                               .seq(seq)
                               .ack(ack));
  };
  segment(kTcpSyn, 100, 0);
  lab.engine.from_server(PacketBuilder()
                             .ip(hosts.server, hosts.client)
                             .tcp(8080, 40000, kTcpSyn | kTcpAck)
                             .seq(500)
                             .ack(101));
  segment(kTcpAck, 101, 501);
  CHECK(lab.engine.told_of<QueryView>().size() == 1);
  for (L4Port port = 10000; port < 10500; ++port) lab.ask("flood", port);
  lab.engine.clear_sent();
  segment(kTcpAck, 101, 501);
  CHECK(lab.engine.to_server.size() == 1);
  CHECK(lab.engine.told_of<QueryView>().size() == 1);
}

TEST_CASE(
    "SOCK-32 where there is no next hop left a flow of UDP is not opened, and none gives way") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    DatagramLab lab(hosts);
    lab.ask("question");
    const uint32_t inbound = lab.last_accepted;
    const std::vector<NextHop> held = lab.engine.hold_next_hops();
    const bool v4 = hosts.client.is_v4();
    CHECK(lab.open(inbound, ip(v4 ? "10.1.0.99" : "fd00:1::99"), 8053, true) == 0);
    CHECK(lab.cannot_open != -1);
    CHECK_FALSE(lab.sockets[inbound].closed);
    for (const NextHop hop : held) lab.engine.stack().release_next_hop(hop);
    CHECK(lab.open(inbound, hosts.server, 8053, true) != 0);
  }
}

}  // namespace
}  // namespace sluice
