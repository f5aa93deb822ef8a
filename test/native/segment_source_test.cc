// Flows that leave from an address of the engine (source NAT), towards servers that see only that.
#include <doctest/doctest.h>

#include "support/packet_check.h"
#include "support/virtual_server_messages.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

constexpr L4Port kLeft = 5001;

Bytes source_message(uint16_t type, const IpAddress& address) {
  Bytes bytes(AddSourceView::kSize);
  AddSourceView message(bytes.data());
  message.set_msg_type(type);
  message.set_msg_length(AddSourceView::kSize);
  message.set_source_ipaddr(address);
  return bytes;
}

IpAddress extra(const Hosts& hosts) {
  return ip(hosts.client.is_v4() ? "10.1.0.200" : "fd00:1::200");
}

TestEngine::Decider from(const IpAddress& source, const Hosts& hosts) {
  return [source, hosts](const QueryView& query, ReplyView reply) {
    if (!TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply)) return false;
    XlatView xlat = reply.xlat();
    xlat.set_xlat_src_ipaddr(source);
    xlat.set_xlat_src_port(kLeft);
    xlat.set_xlat_mask(xlat.xlat_mask() | XlatMask::src_addr | XlatMask::src_port);
    return true;
  };
}

std::unique_ptr<TestEngine> engine_from(const IpAddress& source, const Hosts& hosts) {
  auto engine = engine_for(hosts);
  CHECK(answered(*engine, source_message(AddSourceView::kCode, source)) == CsmbError::none);
  engine->decide_with(from(source, hosts));
  engine->run(Duration::seconds(3));
  engine->clear_sent();
  engine->told.clear();
  return engine;
}

PacketBuilder to_source(const IpAddress& source, const Hosts& hosts, uint8_t flags) {
  return PacketBuilder().ip(hosts.server, source).tcp(kNodePort, kLeft, flags);
}

}  // namespace

TEST_CASE("ARCH-08 a flow leaves from an address of ours, and its answers find it there") {
  for (const Hosts& hosts : both_families()) {
    for (const IpAddress& source : {extra(hosts), hosts.engine}) {
      CAPTURE(hosts.family);
      auto engine = engine_from(source, hosts);
      engine->from_client(Dialogue(*engine, hosts).client(kTcpSyn));
      REQUIRE(engine->to_server.size() == 1);
      Sent left(engine->to_server[0]);
      CHECK(left.packet().key.src == source);
      CHECK(left.packet().key.src_port == kLeft);
      CHECK(left.packet().key.dst == hosts.server);
      engine->from_server(to_source(source, hosts, kTcpSyn | kTcpAck).seq(5000).ack(1001));
      REQUIRE(engine->to_client.size() == 1);
      Sent back(engine->to_client[0]);
      CHECK(back.packet().key.src == hosts.virtual_server);
      CHECK(back.packet().key.dst == hosts.client);
      CHECK(back.packet().key.dst_port == 40000);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("ARCH-08 the address is announced and answered for until it is taken away") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->clear_sent();
    const IpAddress source = extra(hosts);
    CHECK(answered(*engine, source_message(AddSourceView::kCode, source)) == CsmbError::none);
    engine->run(Duration::seconds(3));
    CHECK_FALSE(engine->neighbor_messages.empty());
    const auto owned = [&] {
      engine->neighbor_messages.clear();
      const MacAddress all = source.is_v4() ? MacAddress::broadcast() : kInsideMac;
      engine->inject(1, neighbor_request({1, kServerMac, hosts.server}, all, source));
      return !engine->neighbor_messages.empty();
    };
    CHECK(owned());
    CHECK(answered(*engine, source_message(DeleteSourceView::kCode, source)) == CsmbError::none);
    CHECK_FALSE(owned());
    CHECK(answered(*engine, source_message(DeleteSourceView::kCode, source)) == CsmbError::bad_msg);
    CHECK(answered(*engine, source_message(AddSourceView::kCode, {})) == CsmbError::bad_msg);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-16 what goes on at such an address is asked for, and nothing opens there") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const IpAddress source = extra(hosts);
    auto engine = engine_from(source, hosts);
    engine->decide_with([](const QueryView&, ReplyView) { return false; });
    engine->from_server(to_source(source, hosts, kTcpSyn));
    engine->from_server(to_source(source, hosts, kTcpRst));
    engine->from_server(
        PacketBuilder().ip(hosts.server, source).tcp(kNodePort, 1023, kTcpAck).payload(3));
    CHECK(engine->told_of<QueryView>().empty());
    // From outside neither.
    engine->from_client(
        PacketBuilder().ip(hosts.client, source).tcp(kNodePort, kLeft, kTcpAck).payload(3));
    CHECK(engine->told_of<QueryView>().empty());
    // The answer to a SYN goes on with something as well as what follows.
    L4Port port = kLeft;
    for (const uint8_t flags : {uint8_t{kTcpAck}, uint8_t{kTcpSyn | kTcpAck}}) {
      engine->told.clear();
      engine->from_server(PacketBuilder().ip(hosts.server, source).tcp(kNodePort, port++, flags));
      Told<QueryView> query(*engine);
      REQUIRE(query.count() == 1);
      CHECK(query.last().reason() == QueryReason::mid_session);
      CHECK(query.last().vs_id() == 0);
      CHECK((query.last().flags() & SsmbFlags::outbound) != 0);
    }
  }
}

TEST_CASE("trap 3 TCPX-36 a DELETE says whether the server keeps TIME-WAIT") {
  struct Close {
    const char* name;
    std::vector<bool> from_client;  // the order of the FINs
    bool acknowledges;              // the second FIN acknowledges the first
    bool server_waits;
  };
  for (const Close& close : {Close{"client first", {true, false}, true, false},
                             Close{"server first", {false, true}, true, true},
                             Close{"both at once", {true, false}, false, true}}) {
    for (const Hosts& hosts : both_families()) {
      CAPTURE(hosts.family);
      CAPTURE(close.name);
      auto engine = engine_for(hosts);
      Dialogue tcp(*engine, hosts);
      tcp.open();
      engine->told.clear();
      const uint32_t client_fin = tcp.client_next, server_fin = tcp.server_next;
      for (const bool from_client : close.from_client) {
        if (from_client) {
          tcp.client_sends(kTcpFin | kTcpAck);
        } else if (close.acknowledges) {
          tcp.server_sends(kTcpFin | kTcpAck);
        } else {
          engine->from_server(tcp.server(kTcpFin | kTcpAck).ack(client_fin));
          tcp.server_next = server_fin + 1;
        }
      }
      tcp.client_sends(kTcpAck);
      tcp.server_sends(kTcpAck);
      Told<DeleteView> ended(*engine);
      REQUIRE(ended.count() == 1);
      CHECK(ended.last().reason() == EndReason::fin);
      CHECK(((ended.last().flags() & SsmbFlags::server_waits) != 0) == close.server_waits);
    }
  }
}

}  // namespace sluice
