// Fragments that come to several workers of one segment, wherever their flow is.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "support/fragments.h"
#include "support/packet_check.h"
#include "support/worker_team.h"

namespace sluice {

using namespace test;

TEST_CASE(
    "TCPX-68 TCPX-79 fragments meet at one worker and go on to that of their flow, in order") {
  Team team;
  introduce(team, 0);
  team.listen(kService + 1, kProtocolUdp, kServicePort);
  const auto pass = [&](PortId in, PacketBuilder whole, const std::vector<size_t>& order,
                        uint32_t first_at, const FlowKey& expected, uint32_t home) {
    const auto pieces = fragments_of(whole.payload(4000).build(), 1400, 77);
    for (const size_t i : order) {
      Frame piece = pieces[i];
      const Packet packet = piece.packet();
      auto& port = *team.members[(first_at + i) % kWorkers]->near[in];
      REQUIRE(port.inject({packet.data, packet.length}, packet.offload));
      team.poll();
    }
    std::vector<MemoryFrame> frames;
    for (auto& [worker, frame] : team.sent(in == 0 ? 1 : 0)) {
      CHECK(worker == home);
      frames.push_back(std::move(frame));
    }
    Frame joined = rejoined(frames);
    CHECK(joined.parsed().key == expected);
    CHECK(checksum_fault(joined.parsed()) == "");
  };
  std::set<uint32_t> homes;
  std::vector<size_t> order = {0, 1, 2};
  for (L4Port port = 40000; port < 40018; ++port) {
    CAPTURE(port);
    std::next_permutation(order.begin(), order.end());
    const uint32_t home = team.steering.worker_of(kClient, port);
    homes.insert(home);
    pass(0,
         PacketBuilder().eth(kClientMac, kOutsideMac).ip(kClient, kVirtual).udp(port, kServicePort),
         order, port, {kClient, kNode, port, kNodePort, kProtocolUdp, 0}, home);
    pass(1, PacketBuilder().eth(kServerMac, kInsideMac).ip(kNode, kClient).udp(kNodePort, port),
         order, port + 1u, {kVirtual, kClient, kServicePort, port, kProtocolUdp, 0}, home);
  }
  CHECK(homes.size() == kWorkers);
  CHECK(team.sum(Counter::flows_opened) == 18);
  CHECK(team.sum(Counter::fragmented_datagrams) == 0);
  CHECK(team.sum(Counter::waiting_fragments) == 0);
  CHECK(team.sum(Counter::pool_buffers) == 0);
  CHECK(team.balanced());
}

}  // namespace sluice
