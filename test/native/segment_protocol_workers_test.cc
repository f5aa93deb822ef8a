// Echoes and tunnels through several workers of one segment, wherever their packets come.
#include <doctest/doctest.h>

#include <set>

#include "support/fragments.h"
#include "support/packet_check.h"
#include "support/protocols.h"
#include "support/worker_team.h"

namespace sluice {

using namespace test;

namespace {

// Takes the one frame that the home of a flow has sent by a port.
FlowKey sent_by(Team& team, PortId port, uint32_t home) {
  const auto frames = team.sent(port);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].first == home);
  Sent sent(frames[0].second);
  CHECK(checksum_fault(sent.packet()) == "");
  return sent.key();
}

PacketBuilder from_client(PacketBuilder builder) { return builder.eth(kClientMac, kOutsideMac); }
PacketBuilder from_node(PacketBuilder builder) { return builder.eth(kServerMac, kInsideMac); }

}  // namespace

TEST_CASE("TCPX-79 SOCK-32 an echo is at home where its identifier says, both ways") {
  Team team;
  introduce(team, 0);
  team.listen(kService + 1, kProtocolIcmp);
  std::set<uint32_t> homes;
  for (uint16_t identifier = 1; identifier <= 30; ++identifier) {
    CAPTURE(identifier);
    const uint32_t home = team.steering.worker_of(kClient, identifier);
    homes.insert(home);
    team.arrive(identifier % kWorkers, 0, from_client(echo_request(kClient, kVirtual, identifier)));
    CHECK(sent_by(team, 1, home) == FlowKey{kClient, kNode, identifier, 0, kProtocolIcmp, 0});
    team.arrive((identifier + 1) % kWorkers, 1, from_node(echo_reply(kNode, kClient, identifier)));
    CHECK(sent_by(team, 0, home) == FlowKey{kVirtual, kClient, 0, identifier, kProtocolIcmp, 0});
  }
  CHECK(homes.size() == kWorkers);
  CHECK(team.sum(Counter::flows_opened) == 30);
  CHECK(team.sum(Counter::queries_repeated) == 0);
  CHECK(team.balanced());
}

TEST_CASE("ARCH-08 TCPX-79 a translated identifier brings the reply home") {
  const IpAddress source = ip("10.1.0.200");
  Team team(WorkerTeam::kRingBytes, source);
  introduce(team, 0);
  team.listen(kService + 1, kProtocolIcmp);
  for (uint16_t identifier = 1; identifier <= 12; ++identifier) {
    CAPTURE(identifier);
    const uint32_t home = team.steering.worker_of(kClient, identifier);
    team.arrive(identifier % kWorkers, 0, from_client(echo_request(kClient, kVirtual, identifier)));
    const FlowKey left = sent_by(team, 1, home);
    CHECK(left.src == source);
    CHECK(team.steering.worker_of(left.reversed(), SteerBy::destination) == home);
    // Where the kernel brings it: nobody hands it over.
    const uint64_t handed = team.sum(Counter::handed_over);
    team.arrive(home, 1, from_node(echo_reply(kNode, source, left.src_port)));
    CHECK(sent_by(team, 0, home) == FlowKey{kVirtual, kClient, 0, identifier, kProtocolIcmp, 0});
    CHECK(team.sum(Counter::handed_over) == handed);
  }
  CHECK(team.balanced());
}

TEST_CASE("TCPX-79 SOCK-32 a tunnel is at home where the client's address says") {
  Team team;
  introduce(team, 0);
  team.listen(kService + 1, kProtocolGre);
  const uint32_t home = team.steering.worker_of(kClient, 0);
  for (uint32_t at = 0; at < 2 * kWorkers; ++at) {
    team.arrive(at % kWorkers, 0, from_client(raw(kClient, kVirtual, kProtocolGre)));
    CHECK(sent_by(team, 1, home) == FlowKey{kClient, kNode, 0, 0, kProtocolGre, 0});
    team.arrive((at + 1) % kWorkers, 1, from_node(raw(kNode, kClient, kProtocolGre)));
    CHECK(sent_by(team, 0, home) == FlowKey{kVirtual, kClient, 0, 0, kProtocolGre, 0});
  }
  CHECK(team.sum(Counter::flows_opened) == 1);
  CHECK(team.balanced());
}

TEST_CASE("TCPX-68 TCPX-79 an echo's fragments meet and go on to its home") {
  Team team;
  introduce(team, 0);
  team.listen(kService + 1, kProtocolIcmp);
  for (uint16_t identifier = 1; identifier <= 12; ++identifier) {
    CAPTURE(identifier);
    const uint32_t home = team.steering.worker_of(kClient, identifier);
    const auto pieces = fragments_of(
        from_client(echo_request(kClient, kVirtual, identifier)).payload(4000).build(), 1400, 77);
    for (const size_t i : {1u, 0u, 2u}) {
      Frame piece = pieces[i];
      const Packet packet = piece.packet();
      REQUIRE(team.members[(identifier + i) % kWorkers]->near[0]->inject(
          {packet.data, packet.length}, packet.offload));
      team.poll();
    }
    std::vector<MemoryFrame> frames;
    for (auto& [worker, frame] : team.sent(1)) {
      CHECK(worker == home);
      frames.push_back(std::move(frame));
    }
    Frame joined = rejoined(frames);
    CHECK(joined.parsed().key == FlowKey{kClient, kNode, identifier, 0, kProtocolIcmp, 0});
    CHECK(checksum_fault(joined.parsed()) == "");
  }
  // To the engine itself: answered where they meet.
  for (Frame piece :
       fragments_of(from_client(echo_request(kClient, ip("192.0.2.1"), 7)).payload(4000).build(),
                    1400, 78)) {
    const Packet packet = piece.packet();
    REQUIRE(team.members[0]->near[0]->inject({packet.data, packet.length}, packet.offload));
  }
  team.poll();
  CHECK(team.sent(0).size() == 3);
  CHECK(team.sum(Counter::fragmented_datagrams) == 0);
  CHECK(team.sum(Counter::pool_buffers) == 0);
  CHECK(team.balanced());
}

}  // namespace sluice
