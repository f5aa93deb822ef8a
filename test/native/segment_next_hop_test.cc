// Packets on their way to a next hop: neighbours, routes, hop limits.
#include <doctest/doctest.h>

#include "support/dialogue.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

uint8_t last_byte(const MemoryFrame& frame) { return frame.bytes.back(); }

TEST_CASE("DFS-24 packets to an unknown node are delayed until it answers, in order, not lost") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = std::make_unique<TestEngine>();
    engine->add_virtual_server(kService, hosts.virtual_server, kServicePort, kProtocolUdp);
    engine->decide_with(TestEngine::to_endpoint(hosts.server, kNodePort));
    for (uint8_t i = 0; i < 3; ++i) {
      engine->from_client(client_datagram(hosts).payload(std::vector<uint8_t>(20, i)));
    }
    CHECK(engine->to_server.empty());
    CHECK(engine->count(Counter::neighbor_packets) == 3);
    CHECK(engine->balanced());
    const LinkHost node{1, kServerMac, hosts.server};
    engine->add_host(node);
    engine->run(Duration::milliseconds(1500));  // the request is repeated after a second
    REQUIRE(engine->to_server.size() == 3);
    for (uint8_t i = 0; i < 3; ++i) {
      CHECK(last_byte(engine->to_server[i]) == i);
      CHECK(MacAddress::load(engine->to_server[i].bytes.data()) == kServerMac);
      CHECK(checksum_fault(Sent(engine->to_server[i]).packet()) == "");
    }
    CHECK(engine->count(Counter::neighbor_packets) == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-24 a super-packet that waited for its node is cut for a port that cannot take it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.inside = {};
    auto engine = std::make_unique<TestEngine>(options);
    engine->add_virtual_server(kService, hosts.virtual_server, kServicePort);
    engine->decide_with(TestEngine::to_endpoint(hosts.server, kNodePort));
    engine->from_client(Dialogue(*engine, hosts).client(kTcpAck).payload(5000).gso(1000));
    engine->add_host({1, kServerMac, hosts.server});
    engine->run(Duration::milliseconds(1500));
    CHECK(engine->to_server.size() == 5);
    for (const MemoryFrame& frame : engine->to_server) {
      CHECK(checksum_fault(Sent(frame).packet()) == "");
    }
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-24 a node that does not answer costs its packets, each counted, and no more") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = std::make_unique<TestEngine>();  // holds four packets for a neighbour
    engine->add_virtual_server(kService, hosts.virtual_server, kServicePort, kProtocolUdp);
    engine->decide_with(TestEngine::to_endpoint(hosts.server, kNodePort));
    for (int i = 0; i < 6; ++i) engine->from_client(client_datagram(hosts));
    CHECK(engine->dropped(DropReason::neighbor_queue_full) == 2);
    engine->run(Duration::milliseconds(3500));
    CHECK(engine->dropped(DropReason::neighbor_unresolved) == 4);
    engine->from_client(client_datagram(hosts));  // refused at once for a moment
    CHECK(engine->dropped(DropReason::neighbor_unresolved) == 5);
    CHECK(engine->count(Counter::pool_buffers) == 0);
    engine->add_host({1, kServerMac, hosts.server});
    engine->run(Duration::seconds(5));
    engine->from_client(client_datagram(hosts));
    engine->poll();
    CHECK(engine->to_server.size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-24 a packet leaves for the node although its flow ended while it waited") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = std::make_unique<TestEngine>();
    engine->add_virtual_server(kService, hosts.virtual_server, kServicePort, kProtocolUdp);
    engine->decide_with(TestEngine::to_endpoint(hosts.server, kNodePort));
    engine->from_client(client_datagram(hosts));
    engine->delete_virtual_server(kService);
    CHECK(engine->count(Counter::flow_entries) == 0);
    engine->add_host({1, kServerMac, hosts.server});
    engine->run(Duration::milliseconds(1500));
    CHECK(engine->to_server.size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-13 VS-12 a REPLY may name the next hop, or leave it to the routes") {
  for (const Hosts& hosts : both_families()) {
    struct {
      uint16_t flags;
      bool named, by_route;
    } const cases[] = {{0, true, false}, {SsmbFlags::route_by_dst, true, true}, {0, false, true}};
    for (const auto& each : cases) {
      CAPTURE(hosts.family);
      CAPTURE(each.flags);
      const bool v4 = hosts.client.is_v4();
      const IpAddress node = ip(v4 ? "203.0.113.5" : "2001:db8:77::5");
      const IpAddress routed = ip(v4 ? "10.1.0.21" : "fd00:1::21");
      const IpAddress named = ip(v4 ? "10.1.0.22" : "fd00:1::22");
      auto engine = engine_for(hosts);
      const MacAddress routed_mac{{2, 0, 0, 0, 0, 0x21}}, named_mac{{2, 0, 0, 0, 0, 0x22}};
      engine->add_host({1, routed_mac, routed});
      engine->add_host({1, named_mac, named});
      CHECK(engine->stack().add_route(node, v4 ? 32 : 128, routed).ok());
      engine->decide_with([&](const QueryView& query, ReplyView reply) {
        TestEngine::to_endpoint(node, kNodePort)(query, reply);
        reply.set_flags(each.flags);
        if (each.named) reply.xlat().set_next_hop_ipaddr(named);
        return true;
      });
      Dialogue(*engine, hosts).client_sends(kTcpSyn);
      REQUIRE(engine->to_server.size() == 1);
      CHECK(MacAddress::load(engine->to_server[0].bytes.data()) ==
            (each.by_route ? routed_mac : named_mac));
      CHECK(Sent(engine->to_server[0]).key().dst == node);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("TCPX-70 ARCH-09 a packet without hops left is dropped where the engine routes it") {
  for (const Hosts& hosts : both_families()) {
    for (const bool decrements : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(decrements);
      auto engine = engine_for(hosts);
      engine->decide_with([&](const QueryView& query, ReplyView reply) {
        TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply);
        if (!decrements) reply.xlat().set_xlat_mask(XlatMask::dst_addr | XlatMask::dst_port);
        return true;
      });
      Dialogue tcp(*engine, hosts);
      tcp.open();
      engine->clear_sent();
      for (const uint8_t ttl : {0, 1, 2, 255}) {
        engine->from_client(tcp.client(kTcpAck).ttl(ttl));
        engine->from_server(tcp.server(kTcpAck).ttl(ttl));
      }
      // Both are told of those that did not go on.
      REQUIRE(engine->to_server.size() == 4);
      REQUIRE(engine->to_client.size() == 4);
      CHECK(engine->count(Counter::icmp_errors) == (decrements ? 4u : 0u));
      CHECK(engine->dropped(DropReason::ttl_expired) == (decrements ? 4u : 0u));
      CHECK(int{Sent(engine->to_server.back()).ttl()} == (decrements ? 254 : 255));
      CHECK(int{Sent(engine->to_client[2]).ttl()} == (decrements ? 1 : 2));
      // Routed packets lose a hop in any case.
      engine->from_client(PacketBuilder().ip(hosts.client, hosts.server).udp(1, 2).ttl(1));
      CHECK(engine->dropped(DropReason::ttl_expired) == (decrements ? 5u : 1u));
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("ARCH-09 what has no route is dropped and counted") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const IpAddress nowhere = ip(hosts.client.is_v4() ? "203.0.113.9" : "2001:db8:99::9");
    auto engine = engine_for(hosts);
    engine->from_client(PacketBuilder().ip(hosts.client, nowhere).udp(1, 2));
    CHECK(engine->dropped(DropReason::no_route) == 1);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
