// A device that the host uses, too: the engine leaves the host's packets to the host.
#include <doctest/doctest.h>

#include "support/dialogue.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE("DFS-22 what is for the host opens no flow, is routed nowhere and answered by nobody") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    const IpAddress outside = ip(hosts.client.is_v4() ? "192.0.2.2" : "2001:db8:1::2");
    const IpAddress inside = ip(hosts.client.is_v4() ? "10.1.0.2" : "2001:db8:2::2");
    const IpAddress addresses[] = {outside, inside};
    engine->stack().leave_to_host(addresses);
    engine->told.clear();
    const uint64_t originated = engine->count(Counter::originated);
    engine->from_client(PacketBuilder().ip(hosts.client, outside).tcp(40000, 22, kTcpSyn));
    engine->from_client(PacketBuilder().ip(hosts.client, outside).udp(40000, 53));
    engine->from_client(PacketBuilder().ip(hosts.client, outside).tcp(40000, 22).ttl(1));
    // A server that answers a check of the host's.
    engine->from_server(PacketBuilder().ip(hosts.server, inside).tcp(80, 50000).payload(10));
    CHECK(engine->dropped(DropReason::host_address) == 4);
    CHECK(engine->told.empty());
    CHECK(engine->to_client.empty());
    CHECK(engine->to_server.empty());
    CHECK(engine->count(Counter::originated) == originated);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
