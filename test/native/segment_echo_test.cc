// ICMP echo as flows (RFC 5508): by identifier, through virtual servers and source NAT.
#include <doctest/doctest.h>

#include "support/fragments.h"
#include "support/icmp_error.h"
#include "support/packet_check.h"
#include "support/protocols.h"
#include "support/virtual_server_messages.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

constexpr uint16_t kIdentifier = 0x4711;

FlowKey only(const std::vector<MemoryFrame>& frames) {
  REQUIRE(frames.size() == 1);
  Sent sent(frames[0]);
  CHECK(checksum_fault(sent.packet()) == "");
  return sent.key();
}

TEST_CASE("SOCK-32 TCPX-65 an echo goes to the node and its reply comes from the virtual server") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const uint8_t icmp = icmp_protocol(hosts);
    auto engine = engine_with(hosts, icmp);
    for (uint16_t sequence = 1; sequence <= 3; ++sequence) {
      engine->clear_sent();
      engine->from_client(echo_request(hosts.client, hosts.virtual_server, kIdentifier, sequence));
      CHECK(only(engine->to_server) ==
            FlowKey{hosts.client, hosts.server, kIdentifier, 0, icmp, 0});
      CHECK(int{Sent(engine->to_server[0]).ttl()} == 63);
      engine->from_server(echo_reply(hosts.server, hosts.client, kIdentifier, sequence));
      CHECK(only(engine->to_client) ==
            FlowKey{hosts.virtual_server, hosts.client, 0, kIdentifier, icmp, 0});
      CHECK(load_be16(&l4_bytes(engine->to_client[0])[6]) == sequence);
    }
    Told<QueryView> asked(*engine);
    CHECK(asked.count() == 1);
    CHECK(asked.last().reason() == QueryReason::other);
    CHECK(int{asked.last().sig().protocol()} == icmp);
    CHECK(asked.last().sig().src_port() == kIdentifier);
    CHECK(asked.last().sig().dst_port() == 0);
    // RFC 5508 REQ-1: another identifier is another session.
    engine->from_client(echo_request(hosts.client, hosts.virtual_server, kIdentifier + 1));
    CHECK(Told<QueryView>(*engine).count() == 2);
    CHECK(engine->count(Counter::flows) == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("CSMB-27 without a virtual server for it the engine answers an echo itself") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with(hosts, kProtocolGre);
    engine->from_client(echo_request(hosts.client, hosts.virtual_server, kIdentifier));
    CHECK(only(engine->to_client).src == hosts.virtual_server);
    CHECK(engine->to_server.empty());
    CHECK(engine->told.empty());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("ARCH-08 source NAT maps the identifier like a port, both ways and in the checksum") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const uint8_t icmp = icmp_protocol(hosts);
    auto engine = engine_with(hosts, icmp);
    const IpAddress source = ip(hosts.client.is_v4() ? "10.1.0.200" : "fd00:1::200");
    Bytes bytes(AddSourceView::kSize);
    AddSourceView add(bytes.data());
    add.set_msg_type(AddSourceView::kCode);
    add.set_msg_length(AddSourceView::kSize);
    add.set_source_ipaddr(source);
    CHECK(answered(*engine, bytes) == CsmbError::none);
    engine->run(Duration::seconds(3));
    engine->clear_sent();
    engine->decide_with(to_address(hosts.server, source, 5001));
    engine->from_client(echo_request(hosts.client, hosts.virtual_server, kIdentifier));
    CHECK(only(engine->to_server) == FlowKey{source, hosts.server, 5001, 0, icmp, 0});
    engine->from_server(echo_reply(hosts.server, source, 5001));
    CHECK(only(engine->to_client) ==
          FlowKey{hosts.virtual_server, hosts.client, 0, kIdentifier, icmp, 0});
    // An error about it says to the client what it sent (RFC 5508 REQ-4, REQ-5).
    const Bytes sent = ip_bytes(echo_request(source, hosts.server, 5001).ttl(63));
    engine->clear_sent();
    engine->from_server(icmp_error(ip(hosts.client.is_v4() ? "10.1.0.77" : "fd00:1::77"), source,
                                   hosts.client.is_v4() ? 3 : 1, hosts.client.is_v4() ? 1 : 3, 0,
                                   sent));
    REQUIRE(engine->to_client.size() == 1);
    const SentError error(engine->to_client[0]);
    CHECK(error.is_one());
    CHECK(error.quote() ==
          ip_bytes(echo_request(hosts.client, hosts.virtual_server, kIdentifier).ttl(63)));
    CHECK(checksum_fault(error.packet()) == "");
    // A reply whose flow nobody knows may go on with one that was (FLOWLIFE-16); a request opens
    // nothing there, and is answered.
    engine->told.clear();
    engine->clear_sent();
    engine->from_server(echo_reply(hosts.server, source, 5002));
    CHECK(Told<QueryView>(*engine).count() == 1);
    engine->from_server(echo_request(hosts.server, source, 5002));
    CHECK(Told<QueryView>(*engine).count() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFSMSG-03 what cannot be translated is not entered") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with(hosts, icmp_protocol(hosts));
    engine->decide_with(TestEngine::to_endpoint(hosts.server, kNodePort));
    engine->from_client(echo_request(hosts.client, hosts.virtual_server, kIdentifier));
    CHECK(engine->to_server.empty());
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().error_code() == SsmbError::nores);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-07 an echo's flow ends after its own time-out, 60 seconds (RFC 5508 REQ-2)") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with(hosts, icmp_protocol(hosts));
    engine->from_client(echo_request(hosts.client, hosts.virtual_server, kIdentifier));
    engine->run(Duration::milliseconds(59'999));
    CHECK(engine->count(Counter::flows) == 1);
    engine->run(Duration::milliseconds(1));
    CHECK(engine->count(Counter::flows) == 0);
    CHECK(Told<DeleteView>(*engine).last().reason() == EndReason::idle);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-26 what is no echo request opens no flow") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const bool v4 = hosts.client.is_v4();
    TestEngineOptions options;
    options.forwarding = Forwarding::none;
    auto engine = engine_with(hosts, icmp_protocol(hosts), options);
    const auto from = [&](uint8_t type) {
      return PacketBuilder().ip(hosts.client, hosts.virtual_server).icmp(type, 0, 7).payload(12);
    };
    engine->from_client(echo_reply(hosts.client, hosts.virtual_server, kIdentifier));
    CHECK(engine->dropped(DropReason::own_address) == 1);
    // Timestamp and address mask, or node information: no business of anybody's but a host's.
    for (const uint8_t type :
         v4 ? std::vector<uint8_t>{13, 14, 15, 17, 42} : std::vector<uint8_t>{133, 139, 140, 200}) {
      engine->from_client(from(type));
    }
    CHECK(engine->dropped(DropReason::own_address) == (v4 ? 6u : 5u));
    // Wrong by its checksum.
    Frame wrong =
        echo_request(hosts.client, hosts.virtual_server, 1).eth(kClientMac, kOutsideMac).build();
    wrong.put16(wrong.size() - 4, 0xdead);
    engine->inject(0, wrong);
    CHECK(engine->dropped(DropReason::l4_checksum) == 1);
    // The ICMP of the other IP version is no protocol, and too little is no message.
    engine->from_client(raw(hosts.client, hosts.virtual_server, icmp_of(!v4)));
    engine->from_client(raw(hosts.client, hosts.virtual_server, icmp_of(v4), 7));
    CHECK(engine->dropped(DropReason::l4_malformed) == 1);
    CHECK(engine->told.empty());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("SSMB-37 a refused echo is told that its host cannot be reached") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const bool v4 = hosts.client.is_v4();
    auto engine = engine_with(hosts, icmp_protocol(hosts));
    engine->decide_with([](const QueryView&, ReplyView reply) {
      reply.xlat().set_xlat_mask(XlatMask::reset);
      return true;
    });
    engine->from_client(echo_request(hosts.client, hosts.virtual_server, kIdentifier));
    REQUIRE(engine->to_client.size() == 1);
    const SentError error(engine->to_client[0]);
    CHECK(int{error.type()} == (v4 ? kIcmpUnreachable : kIcmpv6Unreachable));
    CHECK(int{error.code()} == (v4 ? kIcmpHostUnreachable : kIcmpv6AddressUnreachable));
    CHECK(engine->dropped(DropReason::refused) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-68 an echo in fragments is translated, in any order") {
  for (const Hosts& hosts : both_families()) {
    for (const bool reversed : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(reversed);
      const uint8_t icmp = icmp_protocol(hosts);
      auto engine = engine_with(hosts, icmp);
      const auto pass = [&](PortId port, PacketBuilder builder) {
        auto pieces = fragments_of(builder.payload(4000).build(), 1400, 9);
        if (reversed) std::reverse(pieces.begin(), pieces.end());
        for (Frame& piece : pieces) engine->inject(port, piece);
      };
      pass(0, echo_request(hosts.client, hosts.virtual_server, kIdentifier)
                  .eth(kClientMac, kOutsideMac));
      REQUIRE(engine->to_server.size() == 3);
      Frame request = rejoined(engine->to_server);
      CHECK(request.parsed().key == FlowKey{hosts.client, hosts.server, kIdentifier, 0, icmp, 0});
      CHECK(checksum_fault(request.parsed()) == "");
      pass(1, echo_reply(hosts.server, hosts.client, kIdentifier).eth(kServerMac, kInsideMac));
      REQUIRE(engine->to_client.size() == 3);
      Frame reply = rejoined(engine->to_client);
      CHECK(reply.parsed().key ==
            FlowKey{hosts.virtual_server, hosts.client, 0, kIdentifier, icmp, 0});
      CHECK(checksum_fault(reply.parsed()) == "");
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("TCPX-68 an echo request in fragments to the engine itself has a reply in fragments") {
  for (const Hosts& hosts : both_families()) {
    for (const bool reversed : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(reversed);
      auto engine = engine_for(hosts);
      const IpAddress own = TestEngine::engine_outside(hosts);
      for (const uint16_t identifier : {kIdentifier, uint16_t{0}}) {
        engine->clear_sent();
        const auto whole =
            echo_request(hosts.client, own, identifier).eth(kClientMac, kOutsideMac).payload(4000);
        auto pieces = fragments_of(PacketBuilder(whole).build(), 1400, 9);
        if (reversed) std::reverse(pieces.begin(), pieces.end());
        for (Frame& piece : pieces) engine->inject(0, piece);
        REQUIRE(engine->to_client.size() == 3);
        Frame reply = rejoined(engine->to_client);
        CHECK(checksum_fault(reply.parsed()) == "");
        CHECK(reply.bytes() == echo_reply(own, hosts.client, identifier)
                                   .eth(kOutsideMac, kClientMac)
                                   .id(9)
                                   .payload(4000)
                                   .build()
                                   .bytes());
      }
      // A reply in fragments is nobody's, whatever its identifier.
      engine->clear_sent();
      for (Frame& piece : fragments_of(
               echo_reply(hosts.client, own, 0).eth(kClientMac, kOutsideMac).payload(4000).build(),
               1400, 10)) {
        engine->inject(0, piece);
      }
      CHECK(engine->to_client.empty());
      CHECK(engine->dropped(DropReason::ip_fragment) == 3);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("SOCK-32 a ping from inside is a flow, whose replies no virtual server takes") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const IpAddress any = hosts.client.is_v4() ? IpAddress::v4(0) : IpAddress{};
    const uint8_t icmp = icmp_protocol(hosts);
    TestEngine engine;
    engine.introduce(hosts);
    CHECK(answered(engine, add_vs(kService, any, 0, icmp, "", VsFlags::wildcard_addr)) ==
          CsmbError::none);
    engine.decide_with(to_address(hosts.client));
    engine.from_server(echo_request(hosts.server, hosts.client, kIdentifier));
    CHECK(only(engine.to_client) == FlowKey{hosts.server, hosts.client, kIdentifier, 0, icmp, 0});
    CHECK(Told<QueryView>(engine).last().vs_id() == 0);
    engine.from_client(echo_reply(hosts.client, hosts.server, kIdentifier));
    CHECK(only(engine.to_server) == FlowKey{hosts.client, hosts.server, 0, kIdentifier, icmp, 0});
    // One to what nobody asked.
    engine.from_client(echo_reply(hosts.client, hosts.server, kIdentifier + 1));
    CHECK(engine.dropped(DropReason::no_flow) == 1);
    CHECK(engine.settle() == "");
  }
}

}  // namespace
}  // namespace sluice
