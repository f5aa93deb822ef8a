// SYN cookies of several workers.
#include <doctest/doctest.h>

#include "support/worker_team.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE("TCPX-01 the ACK comes to the worker that sent the cookie, wherever it arrives") {
  Team team;
  constexpr L4Port kTerminated = 8443;
  team.listen(9, kProtocolTcp, kTerminated, VsFlags::terminate);
  for (L4Port port = 40000; port < 40012; ++port) {
    CAPTURE(port);
    const auto from_client = [&](uint8_t flags) {
      return PacketBuilder()
          .eth(kClientMac, kOutsideMac)
          .ip(kClient, kVirtual)
          .tcp(port, kTerminated, flags);
    };
    team.arrive(port % kWorkers, 0, from_client(kTcpSyn).seq(70).mss(1460));
    const auto sent = team.sent(0);
    REQUIRE(sent.size() == 1);
    const uint32_t cookie = Sent(sent[0].second).tcp().seq().raw();
    team.arrive((port + 1) % kWorkers, 0, from_client(kTcpAck).seq(71).ack(cookie + 1));
    const uint32_t home = team.steering.worker_of(kClient, port);
    CHECK(sent[0].first == home);
    CHECK(team.members[home]->counters.read(Counter::connections) > 0);
    CHECK(team.sum(Counter::syn_cookies_accepted) == port - 39999U);
    CHECK(team.sum(Counter::syn_cookies_refused) == 0);
  }
  CHECK(team.balanced());
}

}  // namespace
}  // namespace sluice
