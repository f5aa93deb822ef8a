// Flows that begin inside and leave from an address of ours: what servers outside answer there.
#include <doctest/doctest.h>

#include "support/packet_check.h"
#include "support/virtual_server_messages.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

constexpr L4Port kLeft = 5001;
constexpr L4Port kInside = 40000;
constexpr L4Port kFar = 443;

IpAddress source_of(const Hosts& hosts) {
  return ip(hosts.client.is_v4() ? "192.0.2.200" : "2001:db8::200");
}

Bytes add_source(const IpAddress& address, uint16_t flags) {
  Bytes bytes(AddSourceView::kSize);
  AddSourceView message(bytes.data());
  message.set_msg_type(AddSourceView::kCode);
  message.set_msg_length(AddSourceView::kSize);
  message.set_flags(flags);
  message.set_source_ipaddr(address);
  return bytes;
}

// The host inside is the node of the other tests, the server outside their client.
std::unique_ptr<TestEngine> engine_with_source(const Hosts& hosts) {
  auto engine = engine_for(hosts);
  CHECK(answered(*engine, add_source(source_of(hosts), SourceFlags::outbound)) == CsmbError::none);
  engine->decide_with([hosts](const QueryView&, ReplyView reply) {
    XlatView xlat = reply.xlat();
    xlat.set_xlat_src_ipaddr(source_of(hosts));
    xlat.set_xlat_src_port(kLeft);
    xlat.set_xlat_mask(XlatMask::src_addr | XlatMask::src_port | XlatMask::dec_ttl);
    reply.set_flags(reply.flags() | SsmbFlags::route_by_dst);
    return true;
  });
  engine->run(Duration::seconds(3));
  engine->clear_sent();
  engine->told.clear();
  return engine;
}

PacketBuilder from_inside(const Hosts& hosts, uint8_t flags) {
  return PacketBuilder().ip(hosts.server, hosts.client).tcp(kInside, kFar, flags).seq(1000);
}
PacketBuilder from_outside(const Hosts& hosts, uint8_t flags) {
  return PacketBuilder().ip(hosts.client, source_of(hosts)).tcp(kFar, kLeft, flags).seq(5000);
}

}  // namespace

TEST_CASE("ARCH-09 a flow that begins inside leaves from an address of ours, and is answered") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with_source(hosts);
    engine->from_server(from_inside(hosts, kTcpSyn));
    REQUIRE(engine->to_client.size() == 1);
    Sent left(engine->to_client[0]);
    CHECK(left.key().src == source_of(hosts));
    CHECK(left.key().src_port == kLeft);
    CHECK(left.key().dst == hosts.client);
    engine->from_client(from_outside(hosts, kTcpSyn | kTcpAck).ack(1001));
    REQUIRE(engine->to_server.size() == 1);
    Sent back(engine->to_server[0]);
    CHECK(back.key().src == hosts.client);
    CHECK(back.key().dst == hosts.server);
    CHECK(back.key().dst_port == kInside);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-16 what goes on there is asked for from outside, and nothing opens there") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with_source(hosts);
    engine->decide_with(nullptr);
    engine->from_client(from_outside(hosts, kTcpSyn));
    engine->from_client(from_outside(hosts, kTcpRst));
    // Nobody inside answers there.
    engine->from_server(PacketBuilder()
                            .ip(hosts.server, source_of(hosts))
                            .tcp(kNodePort, kLeft, kTcpAck)
                            .payload(3));
    CHECK(engine->told_of<QueryView>().empty());
    CHECK(engine->to_client.empty());  // RFC 5382 REQ-4: an unexpected SYN is met by silence
    engine->from_client(from_outside(hosts, kTcpAck).payload(3));
    Told<QueryView> query(*engine);
    REQUIRE(query.count() == 1);
    CHECK(query.last().reason() == QueryReason::mid_session);
    CHECK(query.last().vs_id() == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("ARCH-08 an address may come to be of another use, and has no use that nobody knows") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with_source(hosts);
    engine->decide_with(nullptr);
    CHECK(answered(*engine, add_source(source_of(hosts), 0)) == CsmbError::none);
    CHECK(answered(*engine, add_source(source_of(hosts), 2)) == CsmbError::bad_msg);
    engine->told.clear();
    engine->from_client(from_outside(hosts, kTcpAck).payload(3));
    CHECK(engine->told_of<QueryView>().empty());
    engine->from_server(PacketBuilder()
                            .ip(hosts.server, source_of(hosts))
                            .tcp(kNodePort, kLeft, kTcpAck)
                            .payload(3));
    CHECK(engine->told_of<QueryView>().size() == 1);
    Bytes remove = add_source(source_of(hosts), 0);
    DeleteSourceView(remove.data()).set_msg_type(DeleteSourceView::kCode);
    CHECK(answered(*engine, remove) == CsmbError::none);
    CHECK_FALSE(owns(*engine, hosts, source_of(hosts)));
    CHECK(engine->settle() == "");
  }
}

}  // namespace sluice
