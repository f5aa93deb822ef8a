// Flows of protocols of which the engine knows no more than their number, and SCTP, whose ports it
// reads.
#include <doctest/doctest.h>

#include "support/evictions.h"
#include "support/fragments.h"
#include "support/icmp_error.h"
#include "support/packet_check.h"
#include "support/protocols.h"
#include "support/virtual_server_messages.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

constexpr uint8_t kOpaque[] = {kProtocolGre, kProtocolEsp, kProtocolAh, 94, 253};

Bytes payload_of(PacketBuilder builder) {
  Frame frame = builder.build();
  const Packet packet = frame.parsed();
  return {packet.at(packet.headers.l4), packet.at(packet.headers.end)};
}

TEST_CASE("SOCK-32 GRE, ESP, AH and any other protocol: new addresses, the payload untouched") {
  for (const Hosts& hosts : both_families()) {
    for (const uint8_t protocol : kOpaque) {
      CAPTURE(hosts.family);
      CAPTURE(int{protocol});
      auto engine = engine_with(hosts, protocol);
      const auto ask = raw(hosts.client, hosts.virtual_server, protocol, 100);
      engine->from_client(ask);
      REQUIRE(engine->to_server.size() == 1);
      CHECK(Sent(engine->to_server[0]).key() ==
            FlowKey{hosts.client, hosts.server, 0, 0, protocol, 0});
      CHECK(l4_bytes(engine->to_server[0]) == payload_of(ask));
      CHECK(checksum_fault(Sent(engine->to_server[0]).packet()) == "");
      const auto answer = raw(hosts.server, hosts.client, protocol, 60);
      engine->from_server(answer);
      REQUIRE(engine->to_client.size() == 1);
      CHECK(Sent(engine->to_client[0]).key() ==
            FlowKey{hosts.virtual_server, hosts.client, 0, 0, protocol, 0});
      CHECK(l4_bytes(engine->to_client[0]) == payload_of(answer));
      Told<QueryView> asked(*engine);
      CHECK(asked.count() == 1);
      CHECK(asked.last().reason() == QueryReason::other);
      CHECK(int{asked.last().sig().protocol()} == protocol);
      // Nothing of it ends, so it ends by silence.
      engine->run(Duration::milliseconds(599'999));
      CHECK(engine->count(Counter::flows) == 1);
      engine->run(Duration::seconds(2));
      CHECK(engine->count(Counter::flows) == 0);
      Told<DeleteView> ended(*engine);
      CHECK(ended.last().cnt().pkts_in() == 1);
      CHECK(ended.last().cnt().pkts_out() == 1);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("SOCK-32 SCTP: found by its ports, which stay") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngine engine;
    engine.add_virtual_server(kService, hosts.virtual_server, 3868, kProtocolSctp);
    engine.introduce(hosts);
    engine.decide_with(to_address(hosts.server));
    const auto ask = sctp(hosts.client, hosts.virtual_server, 40000, 3868);
    engine.from_client(ask);
    REQUIRE(engine.to_server.size() == 1);
    CHECK(Sent(engine.to_server[0]).key() ==
          FlowKey{hosts.client, hosts.server, 40000, 3868, kProtocolSctp, 0});
    CHECK(l4_bytes(engine.to_server[0]) == payload_of(ask));  // its CRC covers no addresses
    engine.from_server(sctp(hosts.server, hosts.client, 3868, 40000));
    REQUIRE(engine.to_client.size() == 1);
    CHECK(Sent(engine.to_client[0]).key() ==
          FlowKey{hosts.virtual_server, hosts.client, 3868, 40000, kProtocolSctp, 0});
    // Another association, and a port that nobody listens on.
    engine.from_client(sctp(hosts.client, hosts.virtual_server, 40001, 3868));
    CHECK(engine.count(Counter::flows_opened) == 2);
    engine.from_client(sctp(hosts.client, hosts.virtual_server, 40001, 3869));
    CHECK(engine.count(Counter::flows_opened) == 2);
    // A node's port in the place of its own would make the CRC wrong.
    engine.decide_with(TestEngine::to_endpoint(hosts.server, kNodePort));
    engine.from_client(sctp(hosts.client, hosts.virtual_server, 40002, 3868));
    CHECK(engine.count(Counter::flows_opened) == 2);
    CHECK(Told<DeleteView>(engine).last().error_code() == SsmbError::nores);
    engine.from_client(sctp(hosts.client, hosts.virtual_server, 0, 3868));
    engine.from_client(raw(hosts.client, hosts.virtual_server, kProtocolSctp, 11));
    CHECK(engine.dropped(DropReason::l4_malformed) == 2);
    CHECK(engine.settle() == "");
  }
}

// Which virtual server a packet is asked for; 0 for none.
uint32_t asked_for(TestEngine& engine, PacketBuilder builder) {
  engine.told.clear();
  engine.from_client(builder);
  const auto told = engine.told_of<QueryView>();
  if (told.empty()) return 0;
  Bytes query = told[0];
  return QueryView(query.data()).vs_id();
}

TEST_CASE("VS-13 VS-14 VS-15 of several the one of the address, then of the protocol, is chosen") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngine engine;
    engine.introduce(hosts);
    const IpAddress& vip = hosts.virtual_server;
    const IpAddress elsewhere = ip(hosts.client.is_v4() ? "203.0.113.7" : "2001:db8:7::7");
    const uint8_t icmp = icmp_protocol(hosts);
    constexpr uint16_t kAnyAddress = VsFlags::wildcard_addr, kAnyPort = VsFlags::wildcard_port;
    const auto add = [&](uint32_t id, L4Port port, uint8_t protocol, uint16_t flags) {
      CHECK(answered(engine, add_vs(id, vip, port, protocol, "", flags)) == CsmbError::none);
    };
    add(1, 0, kAnyProtocol, kAnyAddress | kAnyPort);
    add(2, 0, kProtocolGre, kAnyAddress);
    add(3, 0, kAnyProtocol, kAnyPort);
    add(4, 0, kProtocolGre, 0);
    add(5, 80, kProtocolTcp, 0);
    add(6, 0, kProtocolSctp, kAnyPort);
    const auto tcp = [&](const IpAddress& to, L4Port port) {
      return PacketBuilder().ip(hosts.client, to).tcp(1234, port, kTcpSyn);
    };
    CHECK(asked_for(engine, tcp(vip, 80)) == 5);
    CHECK(asked_for(engine, tcp(vip, 81)) == 3);
    CHECK(asked_for(engine, tcp(elsewhere, 80)) == 1);
    CHECK(asked_for(engine, raw(hosts.client, vip, kProtocolGre)) == 4);
    CHECK(asked_for(engine, raw(hosts.client, elsewhere, kProtocolGre)) == 2);
    CHECK(asked_for(engine, raw(hosts.client, vip, kProtocolEsp)) == 3);
    CHECK(asked_for(engine, raw(hosts.client, elsewhere, kProtocolEsp)) == 1);
    CHECK(asked_for(engine, sctp(hosts.client, vip, 7, 9)) == 6);
    CHECK(asked_for(engine, echo_request(hosts.client, vip, 9)) == 3);
    CHECK(asked_for(engine, echo_request(hosts.client, elsewhere, 9)) == 1);
    // To the engine itself none of any address takes it.
    CHECK(asked_for(engine, echo_request(hosts.client, TestEngine::engine_outside(hosts), 9)) == 0);
    add(7, 0, icmp, 0);
    CHECK(asked_for(engine, echo_request(hosts.client, vip, 10)) == 7);
    CHECK(engine.settle() == "");
  }
}

TEST_CASE("CSMB-27 a virtual server has a port where its protocol has any") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngine engine;
    const auto answer = [&](L4Port port, uint8_t protocol, uint16_t flags) {
      return answered(engine, add_vs(9, hosts.virtual_server, port, protocol, "", flags));
    };
    constexpr uint16_t kAnyPort = VsFlags::wildcard_port;
    CHECK(answer(80, kProtocolGre, 0) == CsmbError::bad_vs);
    CHECK(answer(0, kProtocolGre, kAnyPort) == CsmbError::bad_vs);
    CHECK(answer(0, kProtocolSctp, 0) == CsmbError::bad_vs);
    CHECK(answer(0, kAnyProtocol, 0) == CsmbError::bad_vs);
    CHECK(answer(0, icmp_of(!hosts.client.is_v4()), 0) == CsmbError::bad_vs);
    CHECK(answer(0, kProtocolGre, 0) == CsmbError::none);
    CHECK(answer(7, kProtocolSctp, 0) == CsmbError::none);
    CHECK(answer(0, kAnyProtocol, kAnyPort) == CsmbError::none);
    CHECK(answer(0, icmp_protocol(hosts), 0) == CsmbError::none);
  }
}

TEST_CASE("VS-12 a routed virtual server passes every protocol on as it came") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const IpAddress elsewhere = ip(hosts.client.is_v4() ? "203.0.113.7" : "2001:db8:7::7");
    const IpAddress any = hosts.client.is_v4() ? IpAddress::v4(0) : IpAddress{};
    TestEngine engine;
    engine.introduce(hosts);
    CHECK(answered(engine, add_vs(kService, any, 0, kAnyProtocol, "",
                                  VsFlags::wildcard_addr | VsFlags::wildcard_port)) ==
          CsmbError::none);
    engine.decide_with([&hosts](const QueryView& query, ReplyView reply) {
      reply.xlat().set_next_hop_ipaddr(hosts.server);
      reply.xlat().set_xlat_mask(XlatMask::dec_ttl);
      reply.xlat().set_vs_id(query.vs_id());
      return true;
    });
    const PacketBuilder sent[] = {raw(hosts.client, elsewhere, kProtocolEsp),
                                  sctp(hosts.client, elsewhere, 7, 9),
                                  echo_request(hosts.client, elsewhere, 9),
                                  PacketBuilder().ip(hosts.client, elsewhere).udp(7, 9).payload(9)};
    for (const PacketBuilder& builder : sent) {
      engine.clear_sent();
      engine.from_client(builder);
      REQUIRE(engine.to_server.size() == 1);
      Frame frame = PacketBuilder(builder).build();
      CHECK(Sent(engine.to_server[0]).key() == frame.parsed().key);
      CHECK(MacAddress::load(engine.to_server[0].bytes.data()) == kServerMac);
    }
    CHECK(engine.count(Counter::flows_opened) == 4);
    CHECK(engine.settle() == "");
  }
}

TEST_CASE("TCPX-65 an error about a packet of any protocol reaches whoever sent it") {
  for (const Hosts& hosts : both_families()) {
    for (const uint8_t protocol : {kProtocolGre, kProtocolAh, kProtocolSctp}) {
      CAPTURE(hosts.family);
      CAPTURE(int{protocol});
      const bool v4 = hosts.client.is_v4();
      TestEngine engine;
      const bool ports = carries_ports(protocol);
      engine.add_virtual_server(kService, hosts.virtual_server, ports ? L4Port{9} : L4Port{0},
                                protocol);
      engine.introduce(hosts);
      engine.decide_with(to_address(hosts.server));
      const auto from = [&](const IpAddress& to) {
        const auto builder = ports ? sctp(hosts.client, to, 7, 9) : raw(hosts.client, to, protocol);
        return PacketBuilder(builder).dont_fragment();
      };
      engine.from_client(from(hosts.virtual_server));
      engine.clear_sent();
      engine.from_server(icmp_error(ip(v4 ? "10.1.0.77" : "fd00:1::77"), hosts.client, v4 ? 11 : 3,
                                    0, 0, ip_bytes(from(hosts.server).ttl(1))));
      REQUIRE(engine.to_client.size() == 1);
      const SentError error(engine.to_client[0]);
      CHECK(error.is_one());
      CHECK(error.quote() == ip_bytes(from(hosts.virtual_server).ttl(1)));
      CHECK(checksum_fault(error.packet()) == "");
      CHECK(engine.count(Counter::icmp_relayed) == 1);
      CHECK(engine.settle() == "");
    }
  }
}

TEST_CASE("TCPX-68 fragments of any protocol follow their first one") {
  for (const Hosts& hosts : both_families()) {
    for (const uint8_t protocol : {kProtocolEsp, kProtocolSctp}) {
      CAPTURE(hosts.family);
      CAPTURE(int{protocol});
      TestEngine engine;
      engine.introduce(hosts);
      CHECK(answered(engine, add_vs(kService, hosts.virtual_server, 0, kAnyProtocol, "",
                                    VsFlags::wildcard_port)) == CsmbError::none);
      engine.decide_with(to_address(hosts.server));
      const auto whole =
          raw(hosts.client, hosts.virtual_server, protocol, 4000).eth(kClientMac, kOutsideMac);
      auto pieces = fragments_of(PacketBuilder(whole).build(), 1400, 9);
      for (const size_t i : {2u, 0u, 1u}) engine.inject(0, pieces[i]);
      REQUIRE(engine.to_server.size() == 3);
      Frame joined = rejoined(engine.to_server);
      CHECK(joined.parsed().key.dst == hosts.server);
      CHECK(joined.parsed().key.src_port ==
            (carries_ports(protocol) ? load_be16(&payload_of(whole)[0]) : 0));
      CHECK(engine.count(Counter::queries) == 1);
      // One that overlaps is dropped, as of UDP (RFC 5722).
      engine.clear_sent();
      auto again = fragments_of(PacketBuilder(whole).build(), 1400, 10);
      engine.inject(0, again[0]);
      engine.inject(0, fragments_of(PacketBuilder(whole).build(), 1392, 10)[1]);
      engine.inject(0, again[2]);
      CHECK(engine.to_server.size() == 1);
      CHECK(engine.dropped(DropReason::fragment_overlap) == 2);
      CHECK(engine.settle() == "");
    }
  }
}

TEST_CASE("FLOWLIFE-16 a tunnel whose server is heard of first goes on when its client is") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with(hosts, kProtocolGre);
    engine->decide_with([&hosts](const QueryView& query, ReplyView reply) {
      return to_address(query.vs_id() == 0 ? hosts.client : hosts.server)(query, reply);
    });
    for (int i = 0; i < 2; ++i) engine->from_server(raw(hosts.server, hosts.client, kProtocolGre));
    CHECK(engine->to_client.size() == 2);  // as a router would
    engine->clear_sent();
    engine->from_client(raw(hosts.client, hosts.virtual_server, kProtocolGre));
    REQUIRE(engine->to_server.size() == 1);
    engine->from_server(raw(hosts.server, hosts.client, kProtocolGre));
    REQUIRE(engine->to_client.size() == 1);
    CHECK(Sent(engine->to_client[0]).key().src == hosts.virtual_server);
    // One that is answered is a flow as any other, and stays.
    engine->add_virtual_server(kService + 1, hosts.virtual_server, 0, kProtocolEsp);
    engine->from_server(raw(hosts.server, hosts.client, kProtocolEsp));
    engine->from_client(raw(hosts.client, hosts.server, kProtocolEsp));
    engine->clear_sent();
    engine->from_client(raw(hosts.client, hosts.virtual_server, kProtocolEsp));
    CHECK(engine->to_server.empty());
    CHECK(engine->dropped(DropReason::tuple_in_use) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-04 a flood of pings takes no place of a tunnel that is in use") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with(hosts, icmp_protocol(hosts), table_of(16));
    engine->add_virtual_server(kService + 1, hosts.virtual_server, 0, kProtocolGre);
    engine->from_client(raw(hosts.client, hosts.virtual_server, kProtocolGre));
    for (uint16_t identifier = 1; identifier <= 100; ++identifier) {
      engine->from_client(echo_request(hosts.client, hosts.virtual_server, identifier));
      if (identifier % 10 == 0) engine->run(Duration::seconds(1));
    }
    CHECK(engine->count(Counter::flows) == 16);
    CHECK(engine->count(Counter::flows_evicted) == 85);
    for (const L4Port port : evicted(*engine)) CHECK(port != 0);
    engine->clear_sent();
    engine->from_server(raw(hosts.server, hosts.client, kProtocolGre));
    CHECK(engine->to_client.size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("RFC 1122 4.1.3.1: a datagram to a UDP port of ours that nobody has opened is told so") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const bool v4 = hosts.client.is_v4();
    auto engine = engine_for(hosts);
    for (const IpAddress& own : {TestEngine::engine_outside(hosts), hosts.virtual_server}) {
      engine->clear_sent();
      const auto datagram = PacketBuilder().ip(hosts.client, own).udp(40000, 33434).payload(12);
      engine->from_client(datagram);
      REQUIRE(engine->to_client.size() == 1);
      const SentError error(engine->to_client[0]);
      CHECK(int{error.type()} == (v4 ? kIcmpUnreachable : kIcmpv6Unreachable));
      CHECK(int{error.code()} == (v4 ? kIcmpPortUnreachable : kIcmpv6PortUnreachable));
      CHECK(error.key().src == own);  // as traceroute wants to hear it
      CHECK(error.quote() == ip_bytes(datagram));
      CHECK(checksum_fault(error.packet()) == "");
    }
    CHECK(engine->dropped(DropReason::own_address) == 2);
    // Its first fragment stands for one in fragments; a wrong checksum says nothing.
    engine->clear_sent();
    for (Frame& piece : fragments_of(PacketBuilder()
                                         .ip(hosts.client, hosts.virtual_server)
                                         .eth(kClientMac, kOutsideMac)
                                         .udp(40000, 33434)
                                         .payload(4000)
                                         .build(),
                                     1400, 9)) {
      engine->inject(0, piece);
    }
    CHECK(engine->to_client.size() == 1);
    CHECK(engine->dropped(DropReason::ip_fragment) == 3);
    Frame wrong = PacketBuilder()
                      .eth(kClientMac, kOutsideMac)
                      .ip(hosts.client, hosts.virtual_server)
                      .udp(40000, 33434)
                      .payload(12)
                      .build();
    wrong.put16(wrong.size() - 2, 0xbad0);
    engine->inject(0, wrong);
    CHECK(engine->dropped(DropReason::l4_checksum) == 1);
    // No more than anybody may be told (SSMB-37).
    for (L4Port port = 1; port < 1000; ++port) {
      engine->from_client(
          PacketBuilder().ip(hosts.client, hosts.virtual_server).udp(40000, port).payload(12));
    }
    CHECK(engine->to_client.size() <= 51);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
