#include <doctest/doctest.h>

#include "support/dialogue.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE("DFS-06 DFS-07 DFS-09 HS-04 HS-06 one QUERY opens a flow, both directions then pass") {
  for (const Hosts& hosts : both_families()) {
    for (const bool partial : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(partial);
      auto engine = engine_for(hosts);
      Dialogue tcp(*engine, hosts);
      PacketBuilder syn = tcp.client(kTcpSyn).ttl(17);
      if (partial) syn.partial();
      engine->from_client(syn);
      ++tcp.client_next;
      REQUIRE(engine->to_server.size() == 1);
      Sent sent(engine->to_server[0]);
      const FlowKey there{hosts.client, hosts.server, 40000, kNodePort, kProtocolTcp, 0};
      CHECK(sent.key() == there);
      CHECK(sent.packet().offload.needs_checksum == partial);
      CHECK(checksum_fault(sent.packet()) == "");
      CHECK(sent.ttl() == 16);
      tcp.server_sends(kTcpSyn | kTcpAck);
      REQUIRE(engine->to_client.size() == 1);
      Sent answer(engine->to_client[0]);
      const FlowKey back{hosts.virtual_server, hosts.client, kServicePort, 40000, kProtocolTcp, 0};
      CHECK(answer.key() == back);
      CHECK(checksum_fault(answer.packet()) == "");
      tcp.client_sends(kTcpAck);
      for (int i = 0; i < 50; ++i) {
        tcp.client_sends(kTcpAck, 100);
        tcp.server_sends(kTcpAck, 1000);
      }
      CHECK(engine->told.size() == 1);
      CHECK(engine->to_server.size() == 52);
      CHECK(engine->to_client.size() == 51);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("HS-04 SSMB-14 SSMB-29 DFS-04 a QUERY tells all that its first packet tells") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    engine->run(Duration::milliseconds(12'345));
    engine->from_client(tcp.client(kTcpSyn | kTcpEce | kTcpCwr).dscp(46).seq(0x11223344).ack(9));
    Told<QueryView> told(*engine);
    REQUIRE(told.count() == 1);
    const QueryView query = told.last();
    const FlowKey key{hosts.client, hosts.virtual_server, 40000, kServicePort, kProtocolTcp, 46};
    CHECK(load_signature(query.sig()) == key);
    CHECK(query.sig().tos() == (46 << 2));
    CHECK(query.sig().vlan_tci() == 0xffff);
    CHECK((query.serial() >> 24) == 0x81);  // made by data flow segment 1 (SSMB-11)
    CHECK(query.timestamp() == engine->wall_us());
    CHECK(query.tcp_seq() == 0x11223344);
    CHECK(query.tcp_ack() == 0);
    CHECK(query.tcp_flags() == (kTcpSyn | kTcpEce | kTcpCwr));
    CHECK(query.reason() == QueryReason::open);
    CHECK(query.in_if() == 0);
    CHECK(query.vs_id() == kService);
    CHECK(query.flags() == 0);
    CHECK(query.error_code() == SsmbError::none);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-15 HS-01 HS-02 HS-03 each way to open a flow is an event of its own") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    struct {
      const char* what;
      PacketBuilder packet;
      int reason;  // 0: opens nothing
      uint64_t vs;
    } const cases[] = {
        {"SYN", Dialogue(*engine_for(hosts), hosts).client(kTcpSyn), QueryReason::open, kService},
        {"ACK", Dialogue(*engine_for(hosts), hosts).client(kTcpAck), QueryReason::mid_session,
         kService},
        {"UDP", client_datagram(hosts), QueryReason::udp, kService + 1},
        {"SYN+ACK", Dialogue(*engine_for(hosts), hosts).client(kTcpSyn | kTcpAck), 0, 0},
        {"RST", Dialogue(*engine_for(hosts), hosts).client(kTcpRst), 0, 0},
        {"echo",
         PacketBuilder()
             .ip(hosts.client, hosts.virtual_server)
             .icmp(hosts.client.is_v4() ? kIcmpEchoRequest : kIcmpv6EchoRequest),
         0, 0},
    };
    for (const auto& each : cases) {
      CAPTURE(each.what);
      auto engine = engine_for(hosts);
      engine->from_client(each.packet);
      Told<QueryView> told(*engine);
      REQUIRE(told.count() == size_t{each.reason != 0});
      if (each.reason != 0) {
        CHECK(told.last().reason() == each.reason);
        CHECK(told.last().vs_id() == each.vs);
      }
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("DFS-01 packets that differ in one of the six fields are flows of their own") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const IpAddress another_client = ip(hosts.client.is_v4() ? "192.0.2.11" : "2001:db8::11");
    const IpAddress another_vip = ip(hosts.client.is_v4() ? "192.0.2.101" : "2001:db8::101");
    auto engine = engine_for(hosts);
    engine->add_virtual_server(20, another_vip, kServicePort);
    engine->add_virtual_server(21, hosts.virtual_server, 81);
    engine->told.clear();
    const PacketBuilder base = Dialogue(*engine, hosts).client(kTcpSyn);
    PacketBuilder packets[] = {base, base, base, base, base, base, base};
    packets[1].ip(another_client, hosts.virtual_server);
    packets[2].ip(hosts.client, another_vip);
    packets[3].tcp(40001, kServicePort, kTcpSyn);
    packets[4].tcp(40000, 81, kTcpSyn);
    packets[5] = client_datagram(hosts);
    packets[6].dscp(10);
    engine->decide_with(nullptr);
    for (const PacketBuilder& packet : packets) engine->from_client(packet);
    for (const PacketBuilder& packet : packets) engine->from_client(packet);
    std::vector<uint32_t> serials;
    Told<QueryView> told(*engine);
    for (size_t i = 0; i < told.count(); ++i) serials.push_back(told.view(i).serial());
    std::sort(serials.begin(), serials.end());
    CHECK(serials.size() == 7);
    CHECK(std::unique(serials.begin(), serials.end()) == serials.end());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-14 ARCH-09 what no virtual server takes is routed, or dropped, and asks nobody") {
  for (const Hosts& hosts : both_families()) {
    for (const bool forward : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(forward);
      TestEngineOptions options;
      options.forwarding = forward ? Forwarding::route : Forwarding::none;
      auto engine = engine_for(hosts, options);
      engine->from_client(
          PacketBuilder().ip(hosts.client, hosts.server).tcp(40000, 80, kTcpSyn).ttl(9));
      CHECK(engine->told.empty());
      if (forward) {
        REQUIRE(engine->to_server.size() == 1);
        Sent sent(engine->to_server[0]);
        CHECK(sent.key().dst == hosts.server);
        CHECK(sent.ttl() == 8);
        CHECK(checksum_fault(sent.packet()) == "");
        // There is no flow: its answer, or refusal, is routed as well.
        for (const uint8_t flags : {kTcpSyn | kTcpAck, kTcpRst | kTcpAck}) {
          engine->clear_sent();
          engine->from_server(
              PacketBuilder().ip(hosts.server, hosts.client).tcp(80, 40000, flags).ttl(9));
          REQUIRE(engine->to_client.size() == 1);
          CHECK(Sent(engine->to_client[0]).key().src == hosts.server);
        }
        CHECK(engine->told.empty());
      } else {
        CHECK(engine->dropped(DropReason::no_virtual_server) == 1);
      }
      // The address of a virtual server at a port that nobody listens on.
      engine->from_client(
          PacketBuilder().ip(hosts.client, hosts.virtual_server).tcp(40000, 81, kTcpSyn));
      CHECK(engine->dropped(DropReason::own_address) == 1);
      CHECK(engine->told.empty());
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("SSMB-29 DFS-10 a flow from the internal side is outbound, and its answers come back") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with([](const QueryView&, ReplyView reply) {
      reply.set_flags(reply.flags() | SsmbFlags::route_by_dst);
      reply.xlat().set_xlat_mask(XlatMask::dec_ttl);
      return true;
    });
    engine->from_server(PacketBuilder().ip(hosts.server, hosts.client).tcp(50000, 25, kTcpSyn));
    Told<QueryView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK((told.last().flags() & SsmbFlags::outbound) != 0);
    CHECK(told.last().in_if() == 1);
    CHECK(told.last().vs_id() == 0);
    REQUIRE(engine->to_client.size() == 1);
    engine->from_client(
        PacketBuilder().ip(hosts.client, hosts.server).tcp(25, 50000, kTcpSyn | kTcpAck));
    REQUIRE(engine->to_server.size() == 1);
    CHECK(engine->told_of<QueryView>().size() == 1);
    CHECK(engine->settle() == "");
    Told<DeleteView> ended(*engine);
    REQUIRE(ended.count() == 1);
    CHECK((ended.last().flags() & SsmbFlags::outbound) != 0);
    CHECK(ended.last().cnt().pkts_in() == 1);
    CHECK(ended.last().cnt().pkts_out() == 1);
  }
}

TEST_CASE("DFS-20 FLOWLIFE-04 a flow that ends while its packet is in the batch still sends it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.flows = 1;
    auto engine = engine_for(hosts, options);
    Dialogue(*engine, hosts, 39999).client_sends(kTcpSyn);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    tcp.close();
    engine->clear_sent();
    // One batch: a late ACK of the closed flow, and a SYN of another that takes its place.
    Frame late = tcp.client(kTcpAck).eth(kClientMac, kOutsideMac).build();
    Frame syn =
        Dialogue(*engine, hosts, 40001).client(kTcpSyn).eth(kClientMac, kOutsideMac).build();
    engine->feed(0, late);
    engine->feed(0, syn);
    engine->poll();
    REQUIRE(engine->to_server.size() == 2);
    Sent first(engine->to_server[0]), second(engine->to_server[1]);
    CHECK(first.key().dst == hosts.server);
    CHECK(first.key().src_port == 40000);
    CHECK(checksum_fault(first.packet()) == "");
    CHECK(second.key().src_port == 40001);
    CHECK(engine->count(Counter::flow_entries) == 4);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
