// Floods that aim at the neighbour table: hosts that are not there, as destinations and as clients.
#include <doctest/doctest.h>

#include "support/dialogue.h"

namespace sluice {
namespace {

using namespace test;

// A table of 64 next hops, as the engine of a test has it, is overrun by this many.
constexpr int kFlood = 140;

IpAddress numbered(const IpAddress& host, int number) {
  IpAddress address = host;
  address.bytes[15] = static_cast<uint8_t>(110 + number);
  return address;
}

TestEngineOptions many_flows() {
  TestEngineOptions options;
  options.limits = {.flows = 1000,
                    .waiting_flows = 1000,
                    .waiting_packets = 8,
                    .packet_buffers = 1000,
                    .fragmented_datagrams = 64,
                    .waiting_fragments = 32,
                    .bus_bytes = 1 << 20};
  return options;
}

TEST_CASE("TCPX-76 a scan of absent hosts behind the engine stops no new client") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, many_flows());
    for (int i = 0; i < kFlood; ++i) {
      const IpAddress absent = numbered(hosts.server, i);
      engine->from_client(PacketBuilder().ip(hosts.client, absent).udp(1, 2));
    }
    Dialogue tcp(*engine, hosts);
    tcp.open();
    CHECK(engine->to_server.size() == 2);
    CHECK(engine->to_client.size() == 1);
    CHECK(engine->balanced());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-04 SYNs of absent clients on the link stop neither a new client nor an old") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, many_flows());
    Dialogue old(*engine, hosts, 1);
    old.open();
    for (int i = 0; i < kFlood; ++i) {
      Hosts claimed = hosts;
      claimed.client = numbered(hosts.client, i);
      Dialogue absent(*engine, claimed);
      absent.client_sends(kTcpSyn);
      absent.server_sends(kTcpSyn | kTcpAck);
    }
    CHECK(engine->dropped(DropReason::neighbor_table_full) > 0);  // SYN+ACKs for those evicted
    CHECK(engine->count(Counter::flows_opened) == kFlood + 1);
    engine->clear_sent();
    Dialogue another(*engine, hosts, 2);
    another.open();
    old.client_sends(kTcpAck, 10);
    old.server_sends(kTcpAck, 10);
    CHECK(engine->to_server.size() == 3);
    CHECK(engine->to_client.size() == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-04 datagrams of absent clients on the link stop no new client") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, many_flows());
    for (int i = 0; i < kFlood; ++i) {
      Hosts claimed = hosts;
      claimed.client = numbered(hosts.client, i);
      engine->from_client(client_datagram(claimed));
    }
    CHECK(engine->count(Counter::flows_opened) == kFlood);
    CHECK(engine->count(Counter::flows_evicted) > 0);
    Dialogue tcp(*engine, hosts, 2);
    engine->clear_sent();
    tcp.open();
    CHECK(engine->to_server.size() == 2);
    CHECK(engine->to_client.size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("FLOWLIFE-03 established flows keep their next hops, and a new client is refused") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts, many_flows());
    for (int i = 0; i < 64; ++i) {
      Hosts present = hosts;
      present.client = numbered(hosts.client, i);
      engine->add_host({0, kClientMac, present.client});
      Dialogue tcp(*engine, present);
      // The node has the 64th next hop, and hears nothing of the last client.
      i < 63 ? tcp.open() : tcp.client_sends(kTcpSyn);
    }
    CHECK(engine->count(Counter::flows_opened) == 63);
    CHECK(engine->count(Counter::flows_evicted) == 0);
    CHECK(engine->dropped(DropReason::neighbor_table_full) > 0);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
