// What is counted of a flow, and when it is told.
#include <doctest/doctest.h>

#include "support/dialogue.h"

namespace sluice {
namespace {

using namespace test;

struct Totals {
  uint64_t packets = 0;
  uint64_t bytes = 0;  // of IP, as on the wire

  void add(const Hosts& hosts, uint64_t payload, uint64_t segments = 1, uint64_t l4_header = 20) {
    packets += segments;
    bytes += payload + segments * (l4_header + (hosts.client.is_v4() ? 20 : 40));
  }
};

void check_totals(const CntView& told, const Totals& in, const Totals& out) {
  CHECK(told.pkts_in() == in.packets);
  CHECK(told.bytes_in() == in.bytes);
  CHECK(told.pkts_out() == out.packets);
  CHECK(told.bytes_out() == out.bytes);
}

TEST_CASE(
    "STAT-01 STAT-02 STAT-05 HS-26 DFS-16 a DELETE has the exact totals and times of its flow") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    engine->run(Duration::milliseconds(777));
    const uint64_t opened = engine->wall_us();
    tcp.open();
    Totals in, out;
    for (int i = 0; i < 2; ++i) in.add(hosts, 0);
    out.add(hosts, 0);
    for (const size_t payload : {1, 100, 1400}) {
      engine->run(Duration::milliseconds(50));
      tcp.client_sends(kTcpAck, payload);
      in.add(hosts, payload);
      tcp.server_sends(kTcpAck, payload * 2 % 1400);
      out.add(hosts, payload * 2 % 1400);
    }
    engine->run(Duration::milliseconds(50));
    const uint64_t last = engine->wall_us();
    tcp.close();
    for (int i = 0; i < 2; ++i) in.add(hosts, 0);
    out.add(hosts, 0);
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    check_totals(told.last().cnt(), in, out);
    CHECK(told.last().cnt().t_open() == opened);
    CHECK(told.last().cnt().t_last() == last);
    CHECK(told.last().node_hint() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("STAT-07 a super-packet counts as the segments that it stands for, headers included") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    for (const uint64_t payload : {1u, 1000u, 1001u, 5000u, 60'001u}) {
      CAPTURE(payload);
      auto engine = engine_for(hosts);
      Dialogue tcp(*engine, hosts);
      tcp.open();
      const uint64_t segments = (payload + 999) / 1000;
      engine->from_client(tcp.client(kTcpAck).payload(payload).gso(1000));
      tcp.client_next += static_cast<uint32_t>(payload);
      engine->from_server(tcp.server(kTcpAck).payload(payload).timestamps(1, 2).gso(1000));
      tcp.server_next += static_cast<uint32_t>(payload);
      tcp.close();
      Totals in, out;
      for (int i = 0; i < 4; ++i) in.add(hosts, 0);
      for (int i = 0; i < 2; ++i) out.add(hosts, 0);
      in.add(hosts, payload, segments);
      out.add(hosts, payload, segments, 32);
      Told<DeleteView> told(*engine);
      REQUIRE(told.count() == 1);
      check_totals(told.last().cnt(), in, out);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("STAT-01 TCPX-77 padding of Ethernet is not counted, UDP headers are") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->from_client(client_datagram(hosts).payload(3).padding(15));
    engine->from_server(server_datagram(hosts).payload(5).padding(13));
    engine->settle();
    Totals in, out;
    in.add(hosts, 3, 1, 8);
    out.add(hosts, 5, 1, 8);
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    check_totals(told.last().cnt(), in, out);
  }
}

TEST_CASE("STAT-01 what is not sent on is not counted as the flow's") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->from_client(tcp.client(kTcpAck).ttl(1));
    engine->from_client(tcp.client(kTcpAck).dont_fragment().payload(2000));
    CHECK(engine->dropped(DropReason::ttl_expired) == 1);
    CHECK(engine->dropped(DropReason::mtu_exceeded) == 1);
    tcp.close();
    CHECK(Told<DeleteView>(*engine).last().cnt().pkts_in() == 4);
    CHECK(engine->settle() == "");
  }
}

TestEngineOptions with_statistics(int seconds) {
  TestEngineOptions options;
  options.timeouts.stats_interval = Duration::seconds(seconds);
  return options;
}

TEST_CASE("STAT-03 FLOWLIFE-08 a flow with traffic is told once in each interval, totals so far") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, with_statistics(10));
    Dialogue tcp(*engine, hosts);
    tcp.open();
    Totals in, out;
    for (int i = 0; i < 2; ++i) in.add(hosts, 0);
    out.add(hosts, 0);
    engine->told.clear();
    for (int second = 0; second < 60; ++second) {
      tcp.client_sends(kTcpAck, 100);
      in.add(hosts, 100);
      tcp.server_sends(kTcpAck, 200);
      out.add(hosts, 200);
      engine->run(Duration::seconds(1));
    }
    Told<StatsView> told(*engine);
    CHECK(told.count() >= 5);
    CHECK(told.count() <= 6);
    for (size_t i = 1; i < told.count(); ++i) {
      CHECK(told.view(i).cnt().pkts_in() > told.view(i - 1).cnt().pkts_in());
    }
    CHECK(told.last().tcp_state() == TcpState::established);
    CHECK(told.last().reason() == 0);
    CHECK(told.last().error_code() == SsmbError::none);
    engine->told.clear();
    engine->run(Duration::seconds(11));
    Told<StatsView> final(*engine);
    REQUIRE(final.count() == 1);  // the last traffic is told, then silence is not
    check_totals(final.last().cnt(), in, out);
    engine->told.clear();
    engine->run(Duration::seconds(60));
    CHECK(engine->told.empty());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("STAT-03 of many flows each is told once in an interval, the table spread over it") {
  for (const uint32_t flows : {1u, 63u, 64u, 65u, 500u}) {
    CAPTURE(flows);
    const Hosts& hosts = both_families()[0];
    TestEngineOptions options = with_statistics(10);
    options.limits.flows = 500;
    options.limits.bus_bytes = 1 << 20;
    auto engine = engine_for(hosts, options);
    for (uint32_t i = 0; i < flows; ++i) {
      engine->from_client(client_datagram(hosts, static_cast<L4Port>(i + 1)));
    }
    engine->run(Duration::seconds(11));  // the rounds after this one know of all of them
    engine->told.clear();
    for (int interval = 0; interval < 3; ++interval) {
      for (uint32_t i = 0; i < flows; ++i) {
        engine->from_client(client_datagram(hosts, static_cast<L4Port>(i + 1)));
      }
      std::vector<int> told_of(flows);
      size_t most_at_once = 0;
      for (int ms = 0; ms < 10'048; ms += 157) {  // one interval is 64 pauses of 157 ms
        engine->run(Duration::milliseconds(157));
        Told<StatsView> told(*engine);
        for (size_t i = 0; i < told.count(); ++i) ++told_of[told.view(i).sig().src_port() - 1u];
        most_at_once = std::max(most_at_once, told.count());
        engine->told.clear();
      }
      CHECK(told_of == std::vector<int>(flows, 1));
      CHECK(most_at_once <= flows / 64 + 1);
    }
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("STAT-03 without an interval no statistics are told before the end") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    for (int i = 0; i < 200; ++i) {
      tcp.client_sends(kTcpAck, 1);
      engine->run(Duration::seconds(1));
    }
    CHECK(engine->told.size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("STAT-03 statistics that find the ring full go on where they stopped") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options = with_statistics(1);
    options.limits.flows = 200;
    options.limits.bus_bytes = 4096;
    auto engine = engine_for(hosts, options);
    for (L4Port port = 1; port <= 200; ++port) engine->from_client(client_datagram(hosts, port));
    engine->told.clear();
    engine->read_messages(false);
    engine->run(Duration::seconds(2));
    engine->read_messages(true);
    for (L4Port port = 1; port <= 200; ++port) engine->from_client(client_datagram(hosts, port));
    engine->run(Duration::seconds(2));
    std::vector<int> told_of(200);
    Told<StatsView> told(*engine);
    for (size_t i = 0; i < told.count(); ++i) ++told_of[told.view(i).sig().src_port() - 1u];
    CHECK(*std::min_element(told_of.begin(), told_of.end()) >= 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-80 a step of the host's wall clock moves no timer and no time that is told") {
  const TimeBase time(Instant::from_nanoseconds(5'000'000), Duration::seconds(1'700'000'000));
  const Instant later = Instant::from_nanoseconds(5'000'000 + 1'234'567'890);
  CHECK(time.tick(later) == 1234);
  CHECK(time.wall_us(later) == 1'700'000'001'239'567);
  CHECK(time.wall_us(later, 1000) == 1'700'000'001'005'000);
  CHECK(time.wall_us(later + Duration::microseconds(77'777), 1000) == 1'700'000'001'005'000);
}

}  // namespace
}  // namespace sluice
