// Messages of a control segment: right, late, wrong and damaged ones.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/dialogue.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

TestEngine::Decider forward(const Hosts& hosts) {
  return TestEngine::to_endpoint(hosts.server, kNodePort);
}

// A QUERY as the engine would have sent it for the first SYN of a Dialogue.
Bytes query_for(const Hosts& hosts, uint32_t serial, L4Port client_port = 40000) {
  Bytes bytes(QueryView::kSize);
  QueryView query(bytes.data());
  query.set_msg_type(QueryView::kCode);
  query.set_serial(serial);
  store_signature(query.sig(),
                  {hosts.client, hosts.virtual_server, client_port, kServicePort, kProtocolTcp, 0});
  query.set_vs_id(kService);
  return bytes;
}

TEST_CASE("SSMB-10 a REPLY that nothing waits for opens its flow: it has all that is needed") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->tell(TestEngine::reply_to(query_for(hosts, 0x81000099), forward(hosts)));
    CHECK(engine->count(Counter::flows_opened) == 1);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    CHECK(engine->to_server.size() == 2);
    CHECK(engine->to_client.size() == 1);
    tcp.close();
    CHECK(engine->told_of<QueryView>().empty());
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().serial() == 0x81000099);
    CHECK(told.last().cnt().pkts_in() == 4);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("SSMB-10 SSMB-29 such a flow is outbound where the REPLY says so") {
  for (const Hosts& hosts : both_families()) {
    for (const bool outbound : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(outbound);
      auto engine = engine_for(hosts);
      Bytes reply = TestEngine::reply_to(query_for(hosts, 0x81000099), forward(hosts));
      if (outbound) ReplyView(reply.data()).set_flags(SsmbFlags::outbound);
      engine->tell(reply);
      CHECK(engine->settle() == "");
      Told<DeleteView> told(*engine);
      REQUIRE(told.count() == 1);
      CHECK(told.last().flags() == (outbound ? SsmbFlags::outbound : 0));
    }
  }
}

TEST_CASE("SSMB-10 a REPLY that comes after all repetitions still opens the flow, if half-open") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.timeouts.opening = Duration::seconds(10);
    auto engine = engine_for(hosts, options);
    engine->decide_with(nullptr);
    Dialogue(*engine, hosts).client_sends(kTcpSyn);
    engine->run(Duration::milliseconds(500));
    CHECK(engine->count(Counter::flow_entries) == 0);
    engine->tell(TestEngine::reply_to(engine->told.at(0), forward(hosts)));
    CHECK(engine->count(Counter::flows) == 1);
    engine->run(Duration::seconds(10));  // nobody came back
    CHECK(engine->told_of<DeleteView>().size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE(
    "SSMB-10 SSMB-13 of two answers to a repeated question the second opens nothing any more") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.timeouts.opening = Duration::seconds(10);
    auto engine = engine_for(hosts, options);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    engine->run(Duration::milliseconds(60));
    const auto queries = engine->told_of<QueryView>();
    REQUIRE(queries.size() == 2);
    engine->tell(TestEngine::reply_to(queries[0], forward(hosts)));
    engine->run(Duration::seconds(10));  // it is half-open, and ends
    CHECK(engine->told_of<DeleteView>().size() == 1);
    engine->tell(TestEngine::reply_to(queries[1], forward(hosts)));
    CHECK(engine->count(Counter::messages_stale) == 1);
    CHECK(engine->count(Counter::flow_entries) == 0);
    tcp.client_sends(kTcpSyn);  // which asks for itself
    CHECK(engine->told_of<QueryView>().size() == 3);
    engine->answer_all(forward(hosts));
    CHECK(engine->count(Counter::flows_opened) == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("SSMB-13 a REPLY with the serial of another flow is stale: counted, and harmless") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    const IpAddress other = ip(hosts.client.is_v4() ? "10.1.0.12" : "fd00:1::12");
    const auto elsewhere = TestEngine::to_endpoint(other, 9);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    engine->tell(TestEngine::reply_to(query_for(hosts, 0x81000777), elsewhere));
    CHECK(engine->count(Counter::messages_stale) == 1);
    CHECK(engine->count(Counter::waiting_flows) == 1);
    engine->answer_all(forward(hosts));
    engine->tell(TestEngine::reply_to(query_for(hosts, 0x81000777), elsewhere));
    CHECK(engine->count(Counter::messages_stale) == 2);
    tcp.client_sends(kTcpAck);
    REQUIRE(engine->to_server.size() == 2);
    CHECK(Sent(engine->to_server[1]).key().dst == hosts.server);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("SSMB-11 SSMB-12 all messages of a flow have its serial, no two flows share one") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.timeouts.stats_interval = Duration::seconds(1);
    auto engine = engine_for(hosts, options);
    std::vector<uint32_t> serials;
    for (int i = 0; i < 5; ++i) {
      engine->told.clear();
      Dialogue tcp(*engine, hosts);
      tcp.open();
      for (int second = 0; second < 3; ++second) {
        tcp.client_sends(kTcpAck, 1);
        engine->run(Duration::seconds(1));
      }
      tcp.close();
      CHECK(engine->told_of<QueryView>().size() == 1);
      CHECK(engine->told_of<StatsView>().size() >= 2);
      CHECK(engine->told_of<DeleteView>().size() == 1);
      serials.push_back(SsmbHeader(engine->told[0].data()).serial());
      for (Bytes& message : engine->told) {
        CHECK(SsmbHeader(message.data()).serial() == serials.back());
      }
    }
    std::sort(serials.begin(), serials.end());
    CHECK(std::unique(serials.begin(), serials.end()) == serials.end());
    CHECK(engine->settle() == "");
  }
}

// What is wrong with a message, one thing each.
std::vector<std::pair<std::string, Bytes>> wrong_messages(const Hosts& hosts) {
  const Bytes reply = TestEngine::reply_to(query_for(hosts, 0x81000001), forward(hosts));
  std::vector<std::pair<std::string, Bytes>> wrong;
  const auto add = [&wrong](const std::string& what, Bytes bytes, auto change) {
    change(bytes);
    wrong.push_back({what, std::move(bytes)});
  };
  for (const int code : {0xee, 0x0f, 0xff}) {
    add("unknown type " + std::to_string(code), reply,
        [code](Bytes& b) { b[0] = static_cast<uint8_t>(code); });
  }
  for (const uint8_t code :
       {QueryView::kCode, DeleteView::kCode, StatsView::kCode, StateView::kCode}) {
    add("only a data flow segment sends type " + std::to_string(code), Bytes(256),
        [code](Bytes& b) { b[0] = code; });
  }
  add("a REPLY one byte short", reply, [](Bytes& b) { b.pop_back(); });
  add("a REPLY one byte long", reply, [](Bytes& b) { b.push_back(0); });
  add("a REPLY of one byte", reply, [](Bytes& b) { b.resize(1); });
  add("a STATE_REQ one byte short", Bytes(StateReqView::kSize - 1),
      [](Bytes& b) { b[0] = StateReqView::kCode; });
  add("a REPLY about ICMP", reply, [](Bytes& b) { ReplyView(b.data()).sig().set_protocol(1); });
  add("a REPLY from IPv6 to IPv4", reply, [](Bytes& b) {
    ReplyView(b.data()).sig().set_src_ipaddr(ip("2001:db8::1"));
    ReplyView(b.data()).sig().set_dst_ipaddr(ip("192.0.2.1"));
  });
  add("a REPLY from IPv4 to IPv6", reply, [](Bytes& b) {
    ReplyView(b.data()).sig().set_src_ipaddr(ip("192.0.2.1"));
    ReplyView(b.data()).sig().set_dst_ipaddr(ip("2001:db8::1"));
  });
  add("half a CSMB header", Bytes(6), [](Bytes&) {});
  add("a CSMB length of 0", Bytes(20), [](Bytes&) {});
  add("a CSMB length beyond the end", Bytes(20),
      [](Bytes& b) { CsmbHeader(b.data()).set_msg_length(21); });
  return wrong;
}

TEST_CASE("CS-14 SSMB-17 SSMB-25 SSMB-27 a wrong message is counted, the next one is processed") {
  for (const Hosts& hosts : both_families()) {
    for (const auto& [what, message] : wrong_messages(hosts)) {
      CAPTURE(hosts.family);
      CAPTURE(what);
      auto engine = engine_for(hosts);
      engine->decide_with(nullptr);
      Dialogue tcp(*engine, hosts);
      tcp.client_sends(kTcpSyn);
      engine->tell(message);
      CHECK(engine->count(Counter::messages_invalid) == 1);
      CHECK(engine->told.size() == 1);  // nothing is answered
      CHECK(engine->count(Counter::flow_entries) == 2);
      engine->answer_all(forward(hosts));
      CHECK(engine->to_server.size() == 1);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("SSMB-25 a REPLY cut or extended at every byte is never taken for one") {
  const Hosts& hosts = both_families()[0];
  auto engine = engine_for(hosts);
  const Bytes reply = TestEngine::reply_to(query_for(hosts, 0x81000001), forward(hosts));
  uint64_t wrong = 0;
  for (size_t size = 1; size < 2 * reply.size(); ++size) {
    if (size == reply.size()) continue;
    Bytes message = reply;
    message.resize(size);
    engine->tell(message);
    ++wrong;
  }
  CHECK(engine->count(Counter::messages_invalid) == wrong);
  CHECK(engine->count(Counter::flow_entries) == 0);
  CHECK(engine->settle() == "");
}

// Decisions that cannot be carried out.
struct Impossible {
  const char* what;
  DropReason reason;
  void (*change)(const Hosts&, ReplyView);
};
const Impossible kImpossible[] = {
    {"no route to the node", DropReason::no_route,
     [](const Hosts& hosts, ReplyView reply) {
       reply.xlat().set_xlat_dst_ipaddr(ip(hosts.client.is_v4() ? "203.0.113.1" : "2001:db8:f::1"));
     }},
    {"the node is the engine itself", DropReason::own_address,
     [](const Hosts& hosts, ReplyView reply) { reply.xlat().set_xlat_dst_ipaddr(hosts.engine); }},
    {"the node is a multicast group", DropReason::multicast,
     [](const Hosts& hosts, ReplyView reply) {
       reply.xlat().set_xlat_dst_ipaddr(ip(hosts.client.is_v4() ? "224.0.0.9" : "ff02::9"));
     }},
    {"the node is of the other IP version", DropReason::flow_table_full,
     [](const Hosts& hosts, ReplyView reply) {
       reply.xlat().set_xlat_dst_ipaddr(ip(hosts.client.is_v4() ? "fd00:1::11" : "10.1.0.11"));
     }},
};

TEST_CASE(
    "SSMB-24 TCPX-74 what cannot be entered is told as NORES, its packets are accounted for") {
  for (const Hosts& hosts : both_families()) {
    for (const Impossible& each : kImpossible) {
      for (const bool waits : {true, false}) {
        CAPTURE(hosts.family);
        CAPTURE(each.what);
        CAPTURE(waits);
        auto engine = engine_for(hosts);
        const TestEngine::Decider impossible = [&](const QueryView& query, ReplyView reply) {
          forward(hosts)(query, reply);
          each.change(hosts, reply);
          return true;
        };
        engine->decide_with(nullptr);
        Bytes query = query_for(hosts, 0x81000001);
        if (waits) {
          engine->from_client(client_datagram(hosts));
          engine->from_client(client_datagram(hosts));
          query = engine->told.at(0);
          engine->told.clear();
        }
        engine->tell(TestEngine::reply_to(query, impossible));
        Told<DeleteView> told(*engine);
        REQUIRE(told.count() == 1);
        CHECK(told.last().error_code() == SsmbError::nores);
        CHECK(told.last().serial() == QueryView(query.data()).serial());
        CHECK(told.last().sig().src_port() == 40000);
        CHECK(told.last().cnt().pkts_in() == 0);
        CHECK(told.last().node_hint() == 1);
        CHECK(engine->dropped(each.reason) == (waits ? 2u : 0u));
        CHECK(engine->count(Counter::flows_opened) == 0);
        CHECK(engine->count(Counter::flow_entries) == 0);
        CHECK(engine->settle() == "");
      }
    }
  }
}

TEST_CASE("SSMB-24 a NORES that finds the ring full is told later, and meanwhile nothing passes") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.bus_bytes = 4096;
    auto engine = engine_for(hosts, options);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    const Bytes reply =
        TestEngine::reply_to(engine->told.at(0), [&](const QueryView& query, ReplyView reply) {
          forward(hosts)(query, reply);
          reply.xlat().set_xlat_dst_ipaddr(hosts.engine);
          return true;
        });
    engine->told.clear();
    engine->read_messages(false);
    fill_ring(*engine);
    engine->tell(reply);
    tcp.client_sends(kTcpSyn);
    CHECK(engine->dropped(DropReason::refused) == 1);
    engine->run(Duration::seconds(1));
    engine->read_messages(true);
    engine->run(Duration::seconds(1));
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().error_code() == SsmbError::nores);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE(
    "SSMB-10 SSMB-24 a REPLY that finds a full table of flows in their close is told as NORES") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.flows = 1;
    auto engine = engine_for(hosts, options);
    for (const L4Port port : {L4Port{1}, L4Port{2}}) {
      Dialogue tcp(*engine, hosts, port);
      tcp.open();
      tcp.client_sends(kTcpFin | kTcpAck);
    }
    engine->told.clear();
    engine->tell(TestEngine::reply_to(query_for(hosts, 0x81000099), forward(hosts)));
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().error_code() == SsmbError::nores);
    CHECK(told.last().serial() == 0x81000099);
    CHECK(load_signature(told.last().sig()).src_port == 40000);
    engine->tell(TestEngine::reply_to(query_for(hosts, 0x81000099), forward(hosts)));
    CHECK(engine->told_of<DeleteView>().size() == 1);  // an answer once more, and it was told
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
