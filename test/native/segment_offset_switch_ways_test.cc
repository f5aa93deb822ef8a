// A NEWFLOW gives a live flow other TCP offsets: whatever else than its whole packets of one DSCP
// passes, or is told of them, has the same numbers.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/fragments.h"
#include "support/icmp_error.h"
#include "support/packet_check.h"
#include "support/switched_flow.h"

namespace sluice {
namespace {

using namespace test;

constexpr uint8_t kExpedited = 46;
constexpr uint32_t kId = 77;

// The segment in fragments, in the order of `order`.
void send_fragments(Switched& flow, const PacketBuilder& whole, std::vector<size_t> order) {
  flow.engine->clear_sent();
  PacketBuilder copy = whole;
  const auto fragments = fragments_of(copy.eth(kClientMac, kOutsideMac).build(), 40, kId);
  for (const size_t i : order) flow.engine->inject(0, fragments.at(i));
}

// What the server gets of fragments of which none is missing, as the client counted.
uint32_t rejoined_seq(const Switched& flow) {
  Frame whole = rejoined(flow.engine->to_server);
  const Packet packet = whole.parsed();
  REQUIRE(packet.verdict == Verdict::none);
  CHECK(checksum_fault(packet) == "");
  return TcpHeader(packet.at(packet.headers.l4)).seq().raw() - flow.before.seq;
}

template <class Check>
void for_each_order(Check&& check) {
  std::vector<size_t> order = {0, 1, 2};
  do {
    CAPTURE(order[0] * 100 + order[1] * 10 + order[2]);
    for_each_case([&](Switched& flow) { check(flow, order); });
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("TCPX-23 TCPX-68 fragments of a segment on either side of the switch have its numbers") {
  for_each_order([](Switched& flow, const std::vector<size_t>& order) {
    send_fragments(flow, flow.of_client(1001, 5001, 100), order);
    CHECK(rejoined_seq(flow) == 1001);
    send_fragments(flow, flow.of_client(1101, 5001, 100, kTcpAck | kTcpFin), order);
    CHECK(rejoined_seq(flow) == 1101 + 50);
    CHECK(flow.engine->dropped(DropReason::fragment_renumbered) == 0);
  });
}

// Headers behind the fragment header are of the datagram, and of no byte of the segment.
TEST_CASE("TCPX-23 TCPX-68 a segment up to the switch passes with the extension headers of IPv6") {
  for_each_case([](Switched& flow) {
    PacketBuilder whole = flow.of_client(1001, 5001, 100);
    const bool ipv6 = !flow.hosts.client.is_v4();
    if (ipv6) whole.extension(60, {0, 1, 4, 0, 0, 0, 0});
    send_fragments(flow, whole,
                   ipv6 ? std::vector<size_t>{0, 1, 2, 3} : std::vector<size_t>{0, 1, 2});
    CHECK(flow.engine->to_server.size() == (ipv6 ? 4 : 3));
    CHECK(flow.engine->dropped(DropReason::fragment_renumbered) == 0);
  });
}

TEST_CASE("TCPX-23 TCPX-68 of a segment across the switch no fragment passes that is behind it") {
  for_each_order([](Switched& flow, const std::vector<size_t>& order) {
    // 20 bytes of it, then 40 and 40.
    send_fragments(flow, flow.of_client(1051, 5001, 100), order);
    CHECK(flow.engine->to_server.size() == 1);
    CHECK(flow.engine->dropped(DropReason::fragment_renumbered) == 2);
    send_fragments(flow, flow.of_client(1091, 5001, 100), order);
    CHECK(flow.engine->to_server.empty());
    CHECK(flow.engine->dropped(DropReason::fragment_renumbered) == 5);
    // An end alone is behind it, too.
    send_fragments(flow, flow.of_client(1001, 5001, 100, kTcpAck | kTcpFin), order);
    CHECK(flow.engine->to_server.size() == 2);
    CHECK(flow.engine->dropped(DropReason::fragment_renumbered) == 6);
  });
}

// Its window is known, and nothing else of where it ends.
TEST_CASE("TCPX-23 TCPX-68 a segment of which the first fragment was seen keeps its numbers") {
  for (const uint16_t window : {200, 65535}) {
    CAPTURE(window);
    for_each_case([&](Switched& flow) {
      flow.engine->from_server(flow.of_server(5201, 1101 + 50, 0).window(window));
      send_fragments(flow, flow.of_client(1101, 5001, 100), {0});
      const Added present = moved(flow.before);
      flow.engine->tell(new_flow(flow.hosts, flow.hosts.server, moved(present)));
      CHECK(flow.from_client(1101, 5001, 100).seq == 1101 + 50);
    });
  }
}

TEST_CASE("TCPX-23 DFS-03 packets of a session with another DSCP have its numbers, old and new") {
  for_each_case([](Switched& flow) {
    for (const uint8_t dscp : {0, int{kExpedited}, 8}) {
      CAPTURE(dscp);
      flow.client_dscp = dscp;
      const auto again = flow.from_client(1001, 5001, 100);
      CHECK(again.seq == 1001);
      CHECK(again.ack == 5001);
      CHECK(flow.from_client(1101, 5201, 0).ack == 5201);
      CHECK(flow.from_client(1051, 5001, 100).size == 50);
      CHECK(flow.from_client(1101, 5201, 10).seq == 1101 + 50);
    }
    CHECK(flow.engine->told_of<QueryView>().size() == 3);
  });
}

TEST_CASE("TCPX-23 DFS-03 earlier numbers are forgotten for every DSCP of a session") {
  for_each_case([](Switched& flow) {
    flow.client_dscp = kExpedited;
    flow.from_client(1101, 5201, 10);
    flow.from_server(5201, 1111 + 50, 10);
    flow.from_client(1111, 5211 + 30, 0);
    flow.from_server(5211, 1111 + 50, 0);
    CHECK(flow.from_client(1001, 5241, 100).seq == 1001);
    flow.engine->run(Duration::seconds(10));
    flow.from_server(5211, 1111 + 50, 0);
    CHECK(flow.from_client(1001, 5241, 100).seq == 1001 + 50);
    // And of another that begins now.
    flow.client_dscp = 8;
    CHECK(flow.from_client(1001, 5241, 100).seq == 1001 + 50);
  });
}

// What the engine sent back is an error about exactly what was sent to it.
void check_error(const std::vector<MemoryFrame>& frames, const PacketBuilder& about) {
  std::vector<uint8_t> quoted;
  for (const MemoryFrame& frame : frames) {
    if (const SentError error(frame); error.is_one()) quoted = error.quote();
  }
  CHECK(quoted == ip_bytes(about));
}

TEST_CASE("TCPX-23 TCPX-76 whose peer is gone learns it in the numbers that it has sent") {
  for_each_case([](Switched& flow) {
    flow.from_server(5201, 1001, 10);
    flow.engine->silence_hosts();
    flow.engine->run(Duration::seconds(200));  // what is known of them expires
    bool known = false;
    const auto tell = [&](const PacketBuilder& of_client, const PacketBuilder& of_server) {
      flow.engine->clear_sent();
      flow.engine->from_client(of_client);
      flow.engine->from_server(of_server);
      if (!known) flow.engine->run(Duration::seconds(4));
      known = true;
      check_error(flow.engine->to_client, of_client);
      check_error(flow.engine->to_server, of_server);
    };
    PacketBuilder with_gap = flow.of_client(1001, 5001, 100);
    tell(with_gap.sack({5232, 5241, 5101, 5201}), flow.of_server(5001, 1001, 200));
    tell(flow.of_client(1101, 5201, 10), flow.of_server(5211, 1101, 10));
    tell(flow.of_client(1111, 5241, 0), flow.of_server(5221, 1111 + 50, 0));
  });
}

}  // namespace
}  // namespace sluice
