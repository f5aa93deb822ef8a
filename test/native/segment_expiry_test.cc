// Flows that end by silence.
#include <doctest/doctest.h>

#include "support/dialogue.h"

namespace sluice {
namespace {

using namespace test;

TestEngineOptions short_timeouts() {
  TestEngineOptions options;
  options.timeouts.established = Duration::seconds(100);
  options.timeouts.opening = Duration::seconds(10);
  options.timeouts.closing = Duration::seconds(40);
  options.timeouts.udp = Duration::seconds(20);
  return options;
}

// Brings a flow into a class of time-outs.
struct Stage {
  const char* what;
  int seconds;
  uint8_t tcp_state;
  void (*reach)(TestEngine&, const Hosts&, Dialogue&);
};

constexpr Stage kStages[] = {
    {"a SYN alone", 10, TcpState::opening,
     [](TestEngine&, const Hosts&, Dialogue& tcp) { tcp.client_sends(kTcpSyn); }},
    {"a SYN and its answer", 10, TcpState::opening,
     [](TestEngine&, const Hosts&, Dialogue& tcp) {
       tcp.client_sends(kTcpSyn);
       tcp.server_sends(kTcpSyn | kTcpAck);
     }},
    {"established", 100, TcpState::established,
     [](TestEngine&, const Hosts&, Dialogue& tcp) { tcp.open(); }},
    {"the client has closed", 40, TcpState::client_closed,
     [](TestEngine&, const Hosts&, Dialogue& tcp) {
       tcp.open();
       tcp.client_sends(kTcpFin | kTcpAck);
     }},
    {"the server has closed", 40, TcpState::server_closed,
     [](TestEngine&, const Hosts&, Dialogue& tcp) {
       tcp.open();
       tcp.server_sends(kTcpFin | kTcpAck);
     }},
    {"both have closed", 40, TcpState::both_closed,
     [](TestEngine&, const Hosts&, Dialogue& tcp) {
       tcp.open();
       tcp.client_sends(kTcpFin | kTcpAck);
       tcp.server_sends(kTcpFin | kTcpAck);
     }},
    {"UDP", 20, TcpState::none,
     [](TestEngine& engine, const Hosts& hosts, Dialogue&) {
       engine.from_client(client_datagram(hosts));
     }},
};

void wait_and_expect_end(TestEngine& engine, const Stage& stage) {
  engine.run(Duration::milliseconds(stage.seconds * 1000 - 1));
  CHECK(engine.told_of<DeleteView>().empty());
  CHECK(engine.count(Counter::flows) == 1);
  engine.run(Duration::milliseconds(1));
  Told<DeleteView> told(engine);
  REQUIRE(told.count() == 1);
  CHECK(told.last().reason() == EndReason::idle);
  CHECK(told.last().tcp_state() == stage.tcp_state);
  CHECK(engine.count(Counter::flow_entries) == 0);
  CHECK(engine.settle() == "");
}

TEST_CASE("FLOWLIFE-07 FLOWLIFE-19 silence ends a flow after the time of its class, to the tick") {
  for (const Hosts& hosts : both_families()) {
    for (const Stage& stage : kStages) {
      CAPTURE(hosts.family);
      CAPTURE(stage.what);
      auto engine = engine_for(hosts, short_timeouts());
      Dialogue tcp(*engine, hosts);
      stage.reach(*engine, hosts, tcp);
      wait_and_expect_end(*engine, stage);
    }
  }
}

TEST_CASE("FLOWLIFE-07 traffic of either side begins the time anew") {
  for (const Hosts& hosts : both_families()) {
    for (const Stage& stage : kStages) {
      CAPTURE(hosts.family);
      CAPTURE(stage.what);
      auto engine = engine_for(hosts, short_timeouts());
      Dialogue tcp(*engine, hosts);
      stage.reach(*engine, hosts, tcp);
      const bool udp = stage.tcp_state == TcpState::none;
      for (int i = 0; i < 6; ++i) {
        engine->run(Duration::milliseconds(stage.seconds * 900));
        if (i % 2 == 0) {
          udp ? engine->from_client(client_datagram(hosts))
              : engine->from_client(tcp.client(kTcpSyn).seq(1000));
        } else {
          udp ? engine->from_server(server_datagram(hosts))
              : engine->from_server(tcp.server(kTcpAck).ack(0));  // changes no state
        }
        CHECK(engine->told_of<DeleteView>().empty());
      }
      wait_and_expect_end(*engine, stage);
    }
  }
}

TEST_CASE("FLOWLIFE-07 a REPLY may give an established or UDP flow an idle time of its own") {
  for (const Hosts& hosts : both_families()) {
    for (const bool udp : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(udp);
      auto engine = engine_for(hosts, short_timeouts());
      engine->decide_with([&](const QueryView& query, ReplyView reply) {
        reply.xlat().set_idle_timeout(2);
        return TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply);
      });
      Dialogue tcp(*engine, hosts);
      udp ? engine->from_client(client_datagram(hosts)) : tcp.open();
      engine->run(Duration::milliseconds(1'999));
      CHECK(engine->count(Counter::flows) == 1);
      engine->run(Duration::milliseconds(1));
      CHECK(engine->count(Counter::flows) == 0);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("FLOWLIFE-19 20 000 flows that were opened over a minute expire each in its own tick") {
  const Hosts& hosts = both_families()[0];
  TestEngineOptions options = short_timeouts();
  options.limits = {.flows = 20'000,
                    .waiting_flows = 64,
                    .waiting_packets = 8,
                    .packet_buffers = 256,
                    .fragmented_datagrams = 64,
                    .waiting_fragments = 32,
                    .bus_bytes = 1 << 22};
  auto engine = engine_for(hosts, options);
  std::vector<uint64_t> opened_us(20'000);
  for (uint32_t i = 0; i < opened_us.size(); ++i) {
    opened_us[i] = engine->wall_us();
    engine->from_client(client_datagram(hosts, static_cast<L4Port>(1 + i)));
    if (i % 10 == 0) engine->run(Duration::milliseconds(1));
    engine->clear_sent();
  }
  CHECK(engine->count(Counter::flows) == 20'000);
  engine->told.clear();
  uint32_t late = 0;
  uint32_t ended = 0;
  while (ended < opened_us.size() && engine->wall_us() < opened_us.back() + 30'000'000) {
    engine->run(Duration::milliseconds(1));
    Told<DeleteView> told(*engine);
    for (size_t i = 0; i < told.count(); ++i) {
      const uint64_t due = opened_us[told.view(i).sig().src_port() - 1] + 20'000'000;
      late += engine->wall_us() != due;
    }
    ended += static_cast<uint32_t>(told.count());
    engine->told.clear();
  }
  CHECK(ended == 20'000);
  CHECK(late == 0);
  CHECK(engine->settle() == "");
}

}  // namespace
}  // namespace sluice
