// Several workers of one segment: a packet is handed to the worker that has its flow, and everybody
// learns of neighbours.
#include <doctest/doctest.h>

#include <set>

#include "support/icmp_error.h"
#include "support/packet_check.h"
#include "support/worker_team.h"

namespace sluice {

using namespace test;

TEST_CASE("a flow has one worker, wherever its packets come in") {
  Team team;
  introduce(team, 2);
  team.sent(0), team.sent(1);
  std::set<uint32_t> homes;
  for (L4Port port = 40000; port < 40032; ++port) {
    const uint32_t home = team.steering.worker_of(kClient, port);
    homes.insert(home);
    CAPTURE(port);
    team.arrive(port % kWorkers, 0, syn(port));
    const auto to_server = team.sent(1);
    REQUIRE(to_server.size() == 1);
    CHECK(to_server[0].first == home);
    CHECK(Sent(to_server[0].second).key() ==
          FlowKey{kClient, kNode, port, kNodePort, kProtocolTcp, 0});
    team.arrive((port + 1) % kWorkers, 1, syn_ack(port));
    const auto to_client = team.sent(0);
    REQUIRE(to_client.size() == 1);
    CHECK(to_client[0].first == home);
    CHECK(Sent(to_client[0].second).key() ==
          FlowKey{kVirtual, kClient, kServicePort, port, kProtocolTcp, 0});
    CHECK(checksum_fault(Sent(to_client[0].second).packet()) == "");
  }
  CHECK(homes.size() == kWorkers);
  CHECK(team.sum(Counter::flows_opened) == 32);
  CHECK(team.sum(Counter::queries) == 32);
  CHECK(team.sum(Counter::handed_over) > 30);
  CHECK(team.sum(Counter::handed_packets) == 0);
  CHECK(team.balanced());
}

TEST_CASE("trap 6 what comes back to where flows left from reaches the worker that has the flow") {
  for (const IpAddress& source : {ip("10.1.0.200"), ip("10.1.0.1")}) {
    Team team(WorkerTeam::kRingBytes, source);
    introduce(team, 2);
    team.sent(0), team.sent(1);
    for (L4Port port = 40000; port < 40032; ++port) {
      CAPTURE(port);
      const uint32_t home = team.steering.worker_of(kClient, port);
      team.arrive(home, 0, syn(port));
      auto to_server = team.sent(1);
      REQUIRE(to_server.size() == 1);
      Sent left(to_server[0].second);
      CHECK(left.packet().key.src == source);
      // By wherever it comes in: the kernel would have brought it home.
      PacketBuilder answer = PacketBuilder()
                                 .eth(kServerMac, kInsideMac)
                                 .ip(kNode, source)
                                 .tcp(kNodePort, left.packet().key.src_port, kTcpSyn | kTcpAck);
      const uint64_t handed = team.sum(Counter::handed_over);
      team.arrive(port % kWorkers, 1, answer);
      CHECK(team.sum(Counter::handed_over) - handed == (port % kWorkers != home));
      const auto to_client = team.sent(0);
      REQUIRE(to_client.size() == 1);
      CHECK(to_client[0].first == home);
      Sent returned(to_client[0].second);
      CHECK(returned.packet().key.src == kVirtual);
      CHECK(returned.packet().key.dst_port == port);
    }
    CHECK(team.balanced());
  }
}

TEST_CASE("a flow that begins inside has one worker, wherever its packets come in") {
  Team team;
  introduce(team, 2);
  team.sent(0), team.sent(1);
  std::set<uint32_t> homes;
  for (L4Port port = 40000; port < 40032; ++port) {
    const uint32_t home = team.steering.worker_of(kClient, port);
    homes.insert(home);
    CAPTURE(port);
    const auto out = [&](uint8_t flags) {
      return PacketBuilder().eth(kServerMac, kInsideMac).ip(kNode, kClient).tcp(7000, port, flags);
    };
    const auto back = [&](uint8_t flags) {
      return PacketBuilder().eth(kClientMac, kOutsideMac).ip(kClient, kNode).tcp(port, 7000, flags);
    };
    team.arrive(port % kWorkers, 1, out(kTcpSyn).seq(100));
    team.arrive((port + 1) % kWorkers, 0, back(kTcpSyn | kTcpAck).seq(500).ack(101));
    team.arrive((port + 2) % kWorkers, 1, out(kTcpAck).seq(101).ack(501));
    for (const PortId side : {0, 1}) {
      for (const auto& [worker, frame] : team.sent(side)) CHECK(worker == home);
    }
  }
  CHECK(homes.size() == kWorkers);
  CHECK(team.sum(Counter::flows_opened) == 32);
  CHECK(team.sum(Counter::queries) == 32);
  team.run(kTimeouts.opening + Duration::seconds(1));
  CHECK(team.sum(Counter::flows) == 32);  // both halves of each handshake were seen
  CHECK(team.balanced());
}

TEST_CASE("trap 6 a server that a policy names outside has its answers translated") {
  for (const IpAddress& source : {IpAddress{}, ip("192.0.2.200")}) {
    CAPTURE(source.is_zero());
    Team team(WorkerTeam::kRingBytes, source);
    team.server = ip("192.0.2.20");
    introduce(team, 0);
    team.arrive(0, 0, arp_request(kServerMac, team.server, ip("192.0.2.1")));
    team.sent(0), team.sent(1);
    for (L4Port port = 40000; port < 40032; ++port) {
      CAPTURE(port);
      team.arrive(0, 0, syn(port));
      const auto to_server = team.sent(0);
      REQUIRE(to_server.size() == 1);
      const FlowKey left = Sent(to_server[0].second).key();
      CHECK(left.src == (source.is_zero() ? kClient : source));
      // Comes from outside as a client's packets do, and so to the worker of its own endpoint.
      team.arrive(port % kWorkers, 0,
                  PacketBuilder()
                      .eth(kServerMac, kOutsideMac)
                      .ip(team.server, left.src)
                      .tcp(kNodePort, left.src_port, kTcpSyn | kTcpAck));
      const auto to_client = team.sent(0);
      REQUIRE(to_client.size() == 1);
      CHECK(to_client[0].first == team.steering.worker_of(kClient, port));
      CHECK(Sent(to_client[0].second).key() ==
            FlowKey{kVirtual, kClient, kServicePort, port, kProtocolTcp, 0});
    }
    CHECK(team.balanced());
  }
}

TEST_CASE("TCPX-65 an ICMP error finds the worker of its flow, wherever it comes in") {
  for (const bool node_outside : {false, true}) {
    CAPTURE(node_outside);
    Team team;
    if (node_outside) team.server = ip("192.0.2.20");
    const PortId side = node_outside ? 0 : 1;
    const MacAddress& mac = node_outside ? kOutsideMac : kInsideMac;
    introduce(team, 0);
    team.arrive(0, side, arp_request(kServerMac, team.server, ip(side ? "10.1.0.1" : "192.0.2.1")));
    team.sent(0), team.sent(1);
    const auto error = [&](const IpAddress& from, const IpAddress& to, const FlowKey& quoted,
                           uint32_t seq, const MacAddress& at) {
      return icmp_error(from, to, kIcmpTimeExceeded, 0, 0,
                        ip_bytes(PacketBuilder()
                                     .ip(quoted.src, quoted.dst)
                                     .tcp(quoted.src_port, quoted.dst_port)
                                     .seq(seq)))
          .eth(kServerMac, at);
    };
    for (L4Port port = 40000; port < 40016; ++port) {
      CAPTURE(port);
      const uint32_t home = team.steering.worker_of(kClient, port);
      team.arrive(port % kWorkers, 0, syn(port).seq(1));
      team.arrive(0, side,
                  syn_ack(port).eth(kServerMac, mac).ip(team.server, kClient).seq(7).ack(2));
      team.sent(0), team.sent(1);
      team.arrive(
          (port + 1) % kWorkers, side,
          error(team.server, kClient, {kClient, team.server, port, kNodePort, 6, 0}, 2, mac));
      auto sent = team.sent(0);
      REQUIRE(sent.size() == 1);
      CHECK(sent[0].first == home);
      CHECK(Sent(sent[0].second).key().src == kVirtual);
      team.arrive(
          (port + 2) % kWorkers, 0,
          error(kClient, kVirtual, {kVirtual, kClient, kServicePort, port, 6, 0}, 7, kOutsideMac));
      sent = team.sent(side);
      REQUIRE(sent.size() == 1);
      CHECK(sent[0].first == home);
      CHECK(Sent(sent[0].second).key().dst == team.server);
    }
    CHECK(team.sum(Counter::icmp_relayed) == 32);
    CHECK(team.balanced());
  }
}

TEST_CASE("super-packets are handed over whole, in order, with their offload state") {
  Team team;
  introduce(team, 0);
  const L4Port port = 40000;
  const uint32_t home = team.steering.worker_of(kClient, port);
  const uint32_t other = (home + 1) % kWorkers;
  team.arrive(other, 0, syn(port));
  team.arrive(other, 1, syn_ack(port));
  team.sent(0), team.sent(1);
  for (uint32_t i = 0; i < 20; ++i) {
    team.feed(other, 0,
              PacketBuilder()
                  .eth(kClientMac, kOutsideMac)
                  .ip(kClient, kVirtual)
                  .tcp(port, kServicePort)
                  .seq(1000 + i)
                  .payload(60000)
                  .gso(1400));
  }
  team.poll();
  const auto sent = team.sent(1);
  REQUIRE(sent.size() == 20);
  for (uint32_t i = 0; i < 20; ++i) {
    Sent each(sent[i].second);
    CHECK(sent[i].first == home);
    CHECK(each.packet().offload.gso_size == 1400);
    CHECK(TcpHeader(each.packet().at(each.packet().headers.l4)).seq().raw() == 1000 + i);
    CHECK(checksum_fault(each.packet()) == "");
  }
  CHECK(team.balanced());
}

TEST_CASE("what a busy worker has no room for is dropped and counted") {
  Team team(64 << 10);
  introduce(team, 0);
  const L4Port port = 40000;
  const uint32_t home = team.steering.worker_of(kClient, port);
  Member& other = *team.members[(home + 1) % kWorkers];
  for (int i = 0; i < 400; ++i) {
    team.feed((home + 1) % kWorkers, 0, syn(port).payload(1000));
    other.worker.poll(Instant() + Duration::seconds(4));
  }
  const uint64_t full = other.counters.read(DropReason::hand_over_full);
  CHECK(full > 300);
  CHECK(other.counters.read(Counter::handed_over) == 400 - full);
  CHECK(team.sum(Counter::handed_packets) == 400 - full);
  CHECK(team.balanced());
  team.poll();
  CHECK(team.sum(Counter::handed_packets) == 0);
  CHECK(team.balanced());
}

TEST_CASE("a poll takes over what a poll of each of the others gives") {
  Team team;
  introduce(team, 0);
  const L4Port port = 40000;
  const uint32_t home = team.steering.worker_of(kClient, port);
  team.arrive(home, 0, syn(port));
  const Instant now = Instant() + Duration::seconds(4);
  for (const uint32_t other : {(home + 1) % kWorkers, (home + 2) % kWorkers}) {
    for (size_t i = 0; i < kBatchCapacity; ++i) team.feed(other, 0, syn(port));
    team.members[other]->worker.poll(now);
  }
  CHECK(team.sum(Counter::handed_packets) == 2 * kBatchCapacity);
  team.members[home]->worker.poll(now);
  CHECK(team.sum(Counter::handed_packets) == 0);
  CHECK(team.balanced());
}

TEST_CASE("neighbour messages without end leave room for packets that are handed over") {
  Team team(64 << 10);
  introduce(team, 0);
  const L4Port port = 40000;
  const uint32_t home = team.steering.worker_of(kClient, port);
  const uint32_t other = (home + 1) % kWorkers;
  for (int i = 0; i < 2000; ++i) {
    team.feed(other, 0, arp_request(kClientMac, kClient, ip("192.0.2.1")));
    team.members[other]->worker.poll(Instant() + Duration::seconds(4));
  }
  for (int i = 0; i < 20; ++i) team.feed(other, 0, syn(port).payload(1000));
  team.members[other]->worker.poll(Instant() + Duration::seconds(4));
  CHECK(team.members[other]->counters.read(Counter::handed_over) == 20);
  CHECK(team.balanced());
  team.poll();
  CHECK(team.balanced());
}

TEST_CASE("DFS-24 what one worker hears of neighbours all know, and one alone answers") {
  Team team;
  CHECK(team.announced == 2 * 3);  // two addresses, probed and announced twice, by the first worker
  team.arrive(1, 0, arp_request(kClientMac, kClient, ip("192.0.2.1")));
  const auto answers = team.sent(0);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].first == 1);
  // Each worker asks for the server when it needs it; the answer comes to another one.
  for (L4Port port = 40000; port < 40016; ++port) team.arrive(0, 0, syn(port));
  std::set<uint32_t> askers;
  for (const auto& [worker, frame] : team.sent(1)) askers.insert(worker);
  CHECK(askers.size() == kWorkers);
  CHECK(team.sum(Counter::neighbor_packets) == 16);
  team.arrive(0, 1,
              PacketBuilder()
                  .eth(kServerMac, kInsideMac)
                  .arp(2, kServerMac, kNode, kInsideMac, ip("10.1.0.1")));
  CHECK(team.sent(1).size() == 16);
  CHECK(team.sum(Counter::neighbor_packets) == 0);
  CHECK(team.balanced());
}

TEST_CASE("DFS-24 a conflict about an address is told once") {
  Team team;
  team.arrive(2, 0, arp_request(kClientMac, ip("192.0.2.1"), ip("192.0.2.1")));
  CHECK(team.sum(Counter::address_conflicts) == 1);
  std::set<uint32_t> defenders;
  for (const auto& [worker, frame] : team.sent(0)) defenders.insert(worker);
  CHECK(defenders == std::set<uint32_t>{0});
}

}  // namespace sluice
