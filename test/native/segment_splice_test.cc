// Pairs that the hosts at their ends run for a while: let go, taken back, ended.
#include <doctest/doctest.h>

#include "support/socket_lab.h"
#include "support/splice_walk.h"
#include "support/spliced_pair.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE("SOCK-12 MEM-17 an idle pair is spliced at once, and no connection block is left") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const Joined pair(lab, hosts);
    lab.splice(pair.inbound, pair.outbound);
    CHECK(lab.sockets[pair.inbound].spliced);
    CHECK(lab.sockets[pair.outbound].splice_block == SpliceBlock::none);
    lab.pass(Duration::milliseconds(10));
    CHECK(lab.engine.count(Counter::connections) == 0);
    const uint64_t pushed = lab.engine.count(Counter::pushed_bytes);
    send_from(lab.client, lab.engine.now(), numbered(50'000));
    send_from(lab.server, lab.engine.now(), numbered(70'000, 7));
    lab.pass(Duration::milliseconds(300));
    CHECK(receive_at(lab.server, lab.engine.now()) == numbered(50'000));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(70'000, 7));
    CHECK(lab.engine.count(Counter::pushed_bytes) == pushed);
    CHECK(lab.engine.count(Counter::connections) == 0);
    shut_at(lab.client, lab.engine.now());
    lab.pass(Duration::milliseconds(50));
    CHECK(at_end(*lab.server.connection()));
    CHECK_FALSE(lab.sockets[pair.inbound].closed);
    send_from(lab.server, lab.engine.now(), numbered(1000));
    shut_at(lab.server, lab.engine.now());
    lab.pass(Duration::milliseconds(50));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(1000));
    for (const uint32_t socket : {pair.inbound, pair.outbound}) {
      CHECK(lab.sockets[socket].closed);
      CHECK(lab.sockets[socket].end == StreamEnd::finished);
    }
    CHECK(lab.sockets[pair.inbound].relayed == 50'000);
    CHECK(lab.sockets[pair.outbound].relayed == 71'000);
    lab.engine.run(Duration::seconds(300));
    CHECK(lab.left() == "");
  }
}

TEST_CASE(
    "SOCK-20 TCPX-13 TCPX-14 TCPX-18 TCPX-21 TCPX-22 TCPX-24 TCPX-62 let go and taken back at "
    "random, "
    "no byte is lost and no packet breaks a rule") {
  constexpr uint64_t kRuns = 60;
  uint64_t splices = 0, returns = 0, wrapped = 0;
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    CAPTURE(seed);
    SpliceWalk walk(seed);
    CHECK(walk.run() == "");
    splices += walk.splices();
    returns += walk.returns();
    wrapped += walk.wrapped();
  }
  CHECK(splices > kRuns);
  CHECK(returns > kRuns);
  CHECK(wrapped > kRuns * 9 / 10);
}

}  // namespace
}  // namespace sluice
