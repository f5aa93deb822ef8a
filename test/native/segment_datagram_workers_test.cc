// Flows of UDP that the engine ends, with several workers: who has them.
#include <doctest/doctest.h>

#include <string>

#include "bus/streams.h"
#include "support/worker_team.h"

namespace sluice {
namespace {

using namespace test;
using Texts = std::vector<std::string>;

constexpr uint16_t kNameId = 9;
constexpr L4Port kNamePort = 53;

// A socket of one of several workers, as it was told of.
struct Begun {
  uint32_t worker = kWorkers;
  uint32_t socket = 0;
  Texts datagrams;
};

Begun begun_in(Team& team) {
  Begun begun;
  for (uint32_t i = 0; i < kWorkers; ++i) {
    MessageRing& ring = team.members[i]->to_sockets;
    for (; !ring.empty(); ring.pop()) {
      const ByteSpan message = ring.front();
      const uint32_t socket = StreamHeader(message.data()).socket();
      if (message[0] == AcceptedView::kCode) begun.worker = i;
      if (message[0] == AcceptedView::kCode || message[0] == ConnectedView::kCode) {
        begun.socket = socket;
      }
      if (message[0] != DataView::kCode) continue;
      const ByteSpan bytes = DataView(message.data()).bytes();
      begun.datagrams.emplace_back(bytes.begin(), bytes.end());
    }
  }
  return begun;
}

TEST_CASE("SOCK-32 both sides of a pair are with one worker, whichever their packets come to") {
  for (uint32_t at = 0; at < kWorkers; ++at) {
    Team team;
    team.listen(kNameId, kProtocolUdp, kNamePort, VsFlags::terminate);
    const auto question = [](const char* text) {
      return PacketBuilder()
          .eth(kClientMac, kOutsideMac)
          .ip(kClient, kVirtual)
          .udp(40000, kNamePort)
          .text(text);
    };
    team.arrive(at, 0, question("question"));
    const Begun inbound = begun_in(team);
    REQUIRE(inbound.worker < kWorkers);
    CHECK(inbound.datagrams == Texts{"question"});
    CHECK(SocketTable::worker_of(inbound.socket) == inbound.worker);
    CHECK(inbound.worker == team.steering.worker_of(kClient, 40000));

    uint8_t bytes[OpenSocketView::kSize] = {};
    OpenSocketView open(bytes);
    open.set_msg_type(OpenSocketView::kCode);
    open.set_length(OpenSocketView::kSize);
    open.set_socket(inbound.socket);
    open.set_protocol(kProtocolUdp);
    open.set_src_ipaddr(kClient);
    open.set_src_port(40000);
    open.set_dst_ipaddr(kNode);
    open.set_dst_port(8053);
    REQUIRE(team.members[inbound.worker]->from_sockets.push(bytes));
    team.poll();
    REQUIRE(begun_in(team).socket != 0);
    team.arrive((at + 1) % kWorkers, 1,
                PacketBuilder()
                    .eth(kServerMac, kInsideMac)
                    .ip(kNode, kClient)
                    .udp(8053, 40000)
                    .text("answer"));
    CHECK(begun_in(team).datagrams == Texts{"answer"});
    team.run(Duration::seconds(150));
    CHECK(team.sum(Counter::flow_entries) == 0);
    CHECK(team.balanced());
  }
}

}  // namespace
}  // namespace sluice
