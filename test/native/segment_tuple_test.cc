// One node behind two virtual servers: the connections of one client port that it could not tell
// apart (trap 4), and the old ones that are none to it any more (trap 3).
#include <doctest/doctest.h>

#include <utility>

#include "support/packet_check.h"
#include "support/virtual_server_messages.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

constexpr L4Port kClientPort = 40000;
constexpr L4Port kOtherPort = 50000;

IpAddress other_vip(const Hosts& hosts) {
  return ip(hosts.client.is_v4() ? "192.0.2.101" : "2001:db8::101");
}

// With a second virtual server of the same node for each protocol.
std::unique_ptr<TestEngine> engine_with_two(const Hosts& hosts) {
  auto engine = engine_for(hosts);
  engine->add_virtual_server(20, other_vip(hosts), kServicePort);
  engine->add_virtual_server(21, other_vip(hosts), kServicePort, kProtocolUdp);
  engine->told.clear();
  return engine;
}

PacketBuilder second_syn(const Hosts& hosts) {
  return PacketBuilder()
      .ip(hosts.client, other_vip(hosts))
      .tcp(kClientPort, kServicePort, kTcpSyn)
      .seq(1000);
}

PacketBuilder second_datagram(const Hosts& hosts) {
  return PacketBuilder()
      .ip(hosts.client, other_vip(hosts))
      .udp(kClientPort, kServicePort)
      .payload(10);
}

// To the node, and from another port of the client where that is asked for.
TestEngine::Decider decide(const Hosts& hosts) {
  return [hosts](const QueryView& query, ReplyView reply) {
    TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply);
    if (query.flags() & SsmbFlags::another) {
      reply.xlat().set_xlat_src_port(kOtherPort);
      reply.xlat().set_xlat_mask(reply.xlat().xlat_mask() | XlatMask::src_port);
    }
    return true;
  };
}

}  // namespace

TEST_CASE("trap 4 SOCK-10 a flow that its node could not tell from another is decided again") {
  for (const Hosts& hosts : both_families()) {
    for (const bool udp : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(udp);
      auto engine = engine_with_two(hosts);
      engine->decide_with(decide(hosts));
      engine->from_client(udp ? client_datagram(hosts) : Dialogue(*engine, hosts).client(kTcpSyn));
      engine->clear_sent();
      engine->told.clear();
      engine->from_client(udp ? second_datagram(hosts) : second_syn(hosts));
      Told<QueryView> asked(*engine);
      REQUIRE(asked.count() == 2);
      CHECK((asked.view(0).flags() & SsmbFlags::another) == 0);
      CHECK((asked.view(1).flags() & SsmbFlags::another) != 0);
      CHECK(asked.view(1).serial() == asked.view(0).serial());
      CHECK(engine->count(Counter::flows_asked_again) == 1);
      CHECK(engine->told_of<DeleteView>().empty());
      REQUIRE(engine->to_server.size() == 1);
      const FlowKey left = Sent(engine->to_server[0]).key();
      CHECK(left.src == hosts.client);
      CHECK(left.src_port == kOtherPort);
      // Each answer finds its own.
      for (const auto& [port, virtual_server] : {std::pair{kClientPort, hosts.virtual_server},
                                                 std::pair{kOtherPort, other_vip(hosts)}}) {
        PacketBuilder answer = PacketBuilder().ip(hosts.server, hosts.client);
        engine->from_server(udp ? answer.udp(kNodePort, port)
                                : answer.tcp(kNodePort, port, kTcpSyn | kTcpAck).ack(1001));
        REQUIRE(!engine->to_client.empty());
        const FlowKey back = Sent(engine->to_client.back()).key();
        CHECK(back.src == virtual_server);
        CHECK(back.dst_port == kClientPort);
      }
      CHECK(engine->to_client.size() == 2);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("trap 4 SSMB-24 where the second decision is no better the first flow goes on alone") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with_two(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    engine->told.clear();
    engine->from_client(second_syn(hosts));
    CHECK(engine->to_server.empty());
    CHECK(engine->told_of<QueryView>().size() == 2);
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().error_code() == SsmbError::nores);
    CHECK(engine->dropped(DropReason::tuple_in_use) == 1);
    CHECK(engine->dropped(DropReason::flow_table_full) == 0);
    tcp.client_sends(kTcpAck, 10);  // the first goes on
    tcp.server_sends(kTcpAck, 10);
    CHECK(Sent(engine->to_client.back()).key().src == hosts.virtual_server);
    tcp.close();
    engine->from_client(second_syn(hosts));  // and once it is over the second may begin
    CHECK(Sent(engine->to_server.back()).tcp().has(kTcpSyn));
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("trap 4 SSMB-13 an answer to the first question is none to the second") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with_two(hosts);
    Dialogue(*engine, hosts).open();
    engine->decide_with(nullptr);
    engine->clear_sent();
    engine->told.clear();
    engine->from_client(second_syn(hosts));
    const Bytes first = engine->told_of<QueryView>().at(0);
    engine->told.clear();
    engine->tell(TestEngine::reply_to(first, decide(hosts)));
    const Bytes second = engine->told_of<QueryView>().at(0);
    engine->tell(TestEngine::reply_to(first, decide(hosts)));  // to its repetition
    CHECK(engine->told_of<DeleteView>().empty());
    engine->run(Duration::milliseconds(60));
    CHECK(engine->told_of<QueryView>().size() == 2);  // the second question is repeated as it was
    CHECK(engine->told_of<QueryView>().at(1) == second);
    engine->tell(TestEngine::reply_to(second, decide(hosts)));
    REQUIRE(engine->to_server.size() == 1);
    CHECK(Sent(engine->to_server[0]).key().src_port == kOtherPort);
    engine->tell(TestEngine::reply_to(second, decide(hosts)));
    CHECK(engine->count(Counter::flows_opened) == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("trap 4 SSMB-37 a client is told that there is nowhere to go, for its own reason") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with_two(hosts);
    Dialogue(*engine, hosts).open();
    engine->clear_sent();
    engine->decide_with([&](const QueryView& query, ReplyView reply) {
      TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply);
      if (query.flags() & SsmbFlags::another) {
        reply.set_error_code(SsmbError::inuse);
        reply.xlat().set_xlat_mask(XlatMask::reset);
      }
      return true;
    });
    for (int i = 0; i < 3; ++i) engine->from_client(second_syn(hosts));
    REQUIRE(engine->to_client.size() == 3);
    CHECK(Sent(engine->to_client[0]).tcp().has(kTcpRst));
    CHECK(engine->count(Counter::flows_refused) == 1);
    CHECK(engine->dropped(DropReason::tuple_in_use) == 3);
    CHECK(engine->dropped(DropReason::refused) == 0);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("trap 4 what nothing waits for is not asked about again") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_with_two(hosts);
    engine->decide_with(nullptr);
    engine->from_client(second_syn(hosts));
    Bytes late = TestEngine::reply_to(engine->told_of<QueryView>().at(0), decide(hosts));
    engine->run(Duration::seconds(1));
    engine->decide_with(decide(hosts));
    Dialogue(*engine, hosts).open();
    engine->told.clear();
    engine->tell(late);
    CHECK(engine->told_of<QueryView>().empty());
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().error_code() == SsmbError::nores);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE(
    "trap 3 trap 4 a connection that closes, or lingers, makes way for a SYN its node takes") {
  enum class End { client_first, server_first, ack_lost, server_ack_lost, reset };
  struct Case {
    const char* name;
    End end;
    uint32_t seq;  // of the SYN for the other virtual server
    bool makes_way;
    bool timestamp = false;
  };
  // The old connection's numbers end at 1003.
  for (const Case& each : {Case{"the node has forgotten it", End::client_first, 500, true},
                           Case{"it was reset", End::reset, 500, true},
                           Case{"TIME-WAIT, beyond", End::server_first, 1500, true},
                           Case{"TIME-WAIT, not beyond", End::server_first, 500, false},
                           Case{"TIME-WAIT, by timestamps", End::server_first, 1500, false, true},
                           Case{"closing, beyond", End::server_ack_lost, 1500, true},
                           Case{"closing, not beyond", End::server_ack_lost, 500, false},
                           Case{"the node in LAST-ACK", End::ack_lost, 1500, false}}) {
    for (const Hosts& hosts : both_families()) {
      CAPTURE(hosts.family);
      CAPTURE(each.name);
      auto engine = engine_with_two(hosts);
      engine->decide_with(decide(hosts));
      Dialogue tcp(*engine, hosts);
      tcp.open();
      switch (each.end) {
        case End::reset: tcp.client_sends(kTcpRst); break;
        case End::client_first: tcp.close(); break;
        case End::ack_lost:
          tcp.client_sends(kTcpFin | kTcpAck);
          tcp.server_sends(kTcpFin | kTcpAck);
          break;
        case End::server_first:
        case End::server_ack_lost:
          tcp.server_sends(kTcpFin | kTcpAck);
          tcp.client_sends(kTcpFin | kTcpAck);
          if (each.end == End::server_first) tcp.server_sends(kTcpAck);
      }
      engine->clear_sent();
      PacketBuilder syn = second_syn(hosts).seq(each.seq);
      engine->from_client(each.timestamp ? syn.timestamps(1, 0) : syn);
      REQUIRE(engine->to_server.size() == 1);
      CHECK(Sent(engine->to_server[0]).key().src_port ==
            (each.makes_way ? kClientPort : kOtherPort));
      CHECK(engine->count(Counter::flows_asked_again) == (each.makes_way ? 0 : 1));
      CHECK(engine->settle() == "");
    }
  }
}

}  // namespace sluice
