// What the senders of packets that go no further are told.
#include <doctest/doctest.h>

#include "support/dialogue.h"
#include "support/icmp_error.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

using Bytes = std::vector<uint8_t>;

// As much of a packet as an error of its family quotes.
Bytes quoted(const PacketBuilder& builder) {
  Bytes bytes = ip_bytes(builder);
  const bool v4 = bytes[0] >> 4 == 4;
  bytes.resize(std::min<size_t>(bytes.size(), v4 ? 576 - 28 : 1280 - 48));
  return bytes;
}

struct Expected {
  uint8_t type, code, type6, code6;
};
constexpr Expected kTimeExceeded{11, 0, 3, 0}, kTooBig{3, 4, 2, 0}, kNoRoute{3, 0, 1, 0},
    kHostUnreachable{3, 1, 1, 3};

// The one error among what was sent.
void check_told(const Hosts& hosts, const std::vector<MemoryFrame>& frames,
                const Expected& expected, const IpAddress& from, const PacketBuilder& about) {
  std::vector<const MemoryFrame*> errors;
  for (const MemoryFrame& frame : frames) {
    if (SentError(frame).is_one()) errors.push_back(&frame);
  }
  REQUIRE(errors.size() == 1);
  const SentError error(*errors[0]);
  const bool v4 = hosts.client.is_v4();
  CHECK(error.type() == (v4 ? expected.type : expected.type6));
  CHECK(error.code() == (v4 ? expected.code : expected.code6));
  CHECK(error.key().src == from);
  CHECK(error.quote() == quoted(about));
  CHECK(checksum_fault(error.packet()) == "");
}

TEST_CASE("DFS-25 TCPX-70 whose TTL runs out learns it, of a flow and of a routed packet") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    const auto about = tcp.client(kTcpAck).payload(10).ttl(1);
    engine->from_client(about);
    check_told(hosts, engine->to_client, kTimeExceeded, TestEngine::engine_outside(hosts), about);
    engine->clear_sent();
    const auto back = tcp.server(kTcpAck).payload(10).ttl(1);
    engine->from_server(back);
    check_told(hosts, engine->to_server, kTimeExceeded, hosts.engine, back);
    engine->clear_sent();
    const auto routed = PacketBuilder().ip(hosts.client, hosts.server).udp(1, 33434).ttl(1);
    engine->from_client(routed);
    check_told(hosts, engine->to_client, kTimeExceeded, TestEngine::engine_outside(hosts), routed);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-67 TCPX-34 whose packet does not fit the next link learns its MTU") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.inside.mtu = 1400;
    auto engine = engine_for(hosts, options);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    const IpAddress self = TestEngine::engine_outside(hosts);
    const auto routed = PacketBuilder().ip(hosts.client, hosts.server);
    for (const auto& about : {tcp.client(kTcpAck).dont_fragment().payload(1400),
                              PacketBuilder(routed).tcp(1000, 2000).dont_fragment().payload(1400),
                              PacketBuilder(routed)
                                  .icmp(hosts.client.is_v4() ? 8 : 128)
                                  .dont_fragment()
                                  .payload(1400)}) {
      engine->clear_sent();
      engine->from_client(about);
      check_told(hosts, engine->to_client, kTooBig, self, about);
      CHECK(SentError(engine->to_client[0]).mtu() == 1400);
      CHECK(engine->to_server.empty());
    }
    engine->clear_sent();
    engine->from_client(tcp.client(kTcpAck).dont_fragment().payload(14000).gso(1448));
    REQUIRE(engine->to_client.size() == 1);
    CHECK(SentError(engine->to_client[0]).mtu() == 1400);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("ARCH-09 who sends where there is no route learns it, from outside and from inside") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const IpAddress nowhere = ip(hosts.client.is_v4() ? "203.0.113.9" : "2001:db8:99::9");
    auto engine = engine_for(hosts);
    const auto about = PacketBuilder().ip(hosts.client, nowhere).udp(1, 2).payload(9);
    engine->from_client(about);
    check_told(hosts, engine->to_client, kNoRoute, TestEngine::engine_outside(hosts), about);
    // A flow that begins inside is decided first.
    engine->decide_with([](const QueryView&, ReplyView reply) {
      reply.xlat().set_xlat_mask(XlatMask::dec_ttl);
      reply.set_flags(reply.flags() | SsmbFlags::route_by_dst);
      return true;
    });
    const auto outbound = PacketBuilder().ip(hosts.server, nowhere).tcp(1, 2, kTcpSyn);
    engine->from_server(outbound);
    check_told(hosts, engine->to_server, kNoRoute, hosts.engine, outbound);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-76 whose node does not answer learns it, in the words that it sent") {
  for (const Hosts& hosts : both_families()) {
    for (const bool translated : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(translated);
      auto engine = engine_for(hosts);
      engine->silence_hosts();
      engine->run(Duration::seconds(200));  // what is known of the server expires
      engine->clear_sent();
      const IpAddress nobody = ip(hosts.client.is_v4() ? "10.1.0.99" : "fd00:1::99");
      engine->decide_with([&](const QueryView& query, ReplyView reply) {
        TestEngine::to_endpoint(nobody, kNodePort)(query, reply);
        reply.set_flags(reply.flags() | SsmbFlags::add_tcp_offsets);
        reply.xlat().set_seq_offset(12345);
        return true;
      });
      Dialogue tcp(*engine, hosts);
      const auto about = translated ? tcp.client(kTcpSyn)
                                    : PacketBuilder().ip(hosts.client, nobody).udp(1, 2).payload(5);
      engine->from_client(about);
      CHECK(engine->to_client.empty());
      engine->run(Duration::seconds(4));
      check_told(hosts, engine->to_client, kHostUnreachable, TestEngine::engine_outside(hosts),
                 about);
      // And so does the next one, at once.
      engine->clear_sent();
      engine->from_client(about);
      check_told(hosts, engine->to_client, kHostUnreachable, TestEngine::engine_outside(hosts),
                 about);
      CHECK(engine->settle() == "");
    }
  }
}

}  // namespace
}  // namespace sluice
