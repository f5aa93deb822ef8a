// Floods of first packets: what is in use feels nothing of them.
#include <doctest/doctest.h>

#include <vector>

#include "support/dialogue.h"
#include "support/evictions.h"

namespace sluice {
namespace {

using namespace test;

// A table with 500 established connections, then 100 000 SYNs from as many endpoints.
void flood(const Hosts& hosts, Duration reply_delay, bool server_answers) {
  auto engine = engine_for(hosts, table_of(1000));
  std::vector<Dialogue> established;
  for (L4Port port = 1; port <= 500; ++port) established.emplace_back(*engine, hosts, port);
  for (Dialogue& tcp : established) tcp.open();
  const auto forward = go_on_at(hosts);
  engine->decide_with(forward);
  if (reply_delay > Duration()) engine->decide_with(nullptr);
  engine->told.clear();
  // They come through a gateway, as floods do.
  const IpAddress gateway = ip(hosts.client.is_v4() ? "192.0.2.254" : "2001:db8::fe");
  const IpAddress anywhere = hosts.client.is_v4() ? IpAddress::v4(0) : IpAddress{};
  engine->add_host({0, kClientMac, gateway});
  CHECK(engine->stack().add_route(anywhere, 0, gateway).ok());
  const auto attacker =
      [first = ip(hosts.client.is_v4() ? "198.18.0.9" : "2001:db8:9::9")](uint32_t i) {
        IpAddress address = first;
        address.bytes[14] = static_cast<uint8_t>(i >> 8);
        address.bytes[13] = static_cast<uint8_t>(i >> 16);
        return address;
      };
  const auto port = [](uint32_t i) { return static_cast<L4Port>(1000 + (i & 0xff)); };
  for (uint32_t i = 0; i < 100'000; ++i) {
    Frame syn = PacketBuilder()
                    .eth(kClientMac, kOutsideMac)
                    .ip(attacker(i), hosts.virtual_server)
                    .tcp(port(i), kServicePort, kTcpSyn)
                    .build();
    engine->feed(0, syn);
    if (i % 64 == 63) engine->poll();
    if (server_answers && i % 3 == 0) {
      engine->poll();
      // The last one, and once more one whose flow gave way since.
      for (const uint32_t to : {i, i < 3000 ? i : i - 3000}) {
        engine->from_server(PacketBuilder()
                                .ip(hosts.server, attacker(to))
                                .tcp(kNodePort, port(to), kTcpSyn | kTcpAck)
                                .ack(1001));
      }
    }
    if (i % 2048 == 2047) {
      engine->run(Duration::milliseconds(20));
      if (reply_delay > Duration()) engine->answer_all(forward);
      engine->told.clear();
    }
    engine->clear_sent();
  }
  engine->poll();
  CHECK(engine->count(Counter::flow_entries) == 2 * (1000 + 63));
  engine->told.clear();
  engine->clear_sent();
  engine->decide_with(forward);
  for (Dialogue& tcp : established) {
    tcp.client_sends(kTcpAck, 10);
    tcp.server_sends(kTcpAck, 10);
  }
  CHECK(engine->to_client.size() >= 500);
  CHECK(engine->to_server.size() == 500);
  CHECK(engine->told_of<QueryView>().empty());  // none of them had to come back
  CHECK(engine->settle() == "");
}

TEST_CASE("FLOWLIFE-05 a flood of 100 000 SYNs evicts no established flow") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    flood(hosts, Duration(), false);
  }
}

TEST_CASE("FLOWLIFE-05 nor does it where decisions are late, or where servers answer") {
  flood(both_families()[0], Duration::milliseconds(20), false);
  flood(both_families()[1], Duration(), true);
}

TEST_CASE("FLOWLIFE-05 a flood meets a table full of established flows: none gives way") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, table_of(100));
    std::vector<Dialogue> established;
    for (L4Port port = 1; port <= 100; ++port) established.emplace_back(*engine, hosts, port);
    for (Dialogue& tcp : established) tcp.open();
    engine->decide_with(nullptr);
    for (L4Port port = 1000; port < 6000; ++port) {
      Dialogue(*engine, hosts, port).client_sends(kTcpSyn);
    }
    CHECK(engine->count(Counter::flows_evicted) == 0);
    CHECK(engine->dropped(DropReason::flow_table_full) == 4993);
    engine->answer_all(TestEngine::to_endpoint(hosts.server, kNodePort));
    engine->decide_with(TestEngine::to_endpoint(hosts.server, kNodePort));
    for (L4Port port = 1000; port < 6000; ++port) {
      Dialogue(*engine, hosts, port).client_sends(kTcpSyn);
    }
    CHECK(evicted(*engine).size() == 4993);  // each takes the place of another
    engine->told.clear();
    for (Dialogue& tcp : established) tcp.client_sends(kTcpAck, 10);
    CHECK(engine->told_of<QueryView>().empty());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-05 a flood of datagrams leaves handshakes and connections alone") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, table_of(100));
    std::vector<Dialogue> established;
    for (L4Port port = 1; port <= 60; ++port) established.emplace_back(*engine, hosts, port);
    for (Dialogue& tcp : established) tcp.open();
    Dialogue opening(*engine, hosts, 500);
    opening.client_sends(kTcpSyn);
    for (L4Port port = 1000; port < 6000; ++port) {
      engine->from_client(client_datagram(hosts, port));
    }
    engine->told.clear();
    opening.server_sends(kTcpSyn | kTcpAck);
    opening.client_sends(kTcpAck);
    for (Dialogue& tcp : established) tcp.client_sends(kTcpAck, 10);
    CHECK(engine->told_of<QueryView>().empty());
    CHECK(engine->count(Counter::flows_evicted) == 5000 - 40 + 1);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
