// Datagrams in fragments through bridged ports: between stations, and to virtual servers.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "support/fragments.h"
#include "support/packet_check.h"
#include "support/test_switch.h"

namespace sluice {
namespace {

using namespace test;

constexpr uint16_t kService = 7;
constexpr uint32_t kWorkers = 3;

const std::vector<uint8_t>& bytes_of(const MemoryFrame& frame) { return frame.bytes; }
std::vector<uint8_t> bytes_of(const Frame& frame) { return frame.bytes(); }

// Bytes of frames, in whatever order they came.
template <class Frames>
std::multiset<std::string> all_of(Frames frames) {
  std::multiset<std::string> all;
  for (auto& frame : frames) {
    const std::vector<uint8_t> bytes = bytes_of(frame);
    all.emplace(bytes.begin(), bytes.end());
  }
  return all;
}

// In that order, each to another worker's queue.
void arrive_in_parts(TestSwitch& bridge, PortId port, const std::vector<Frame>& pieces,
                     const std::vector<size_t>& order, uint32_t first_at) {
  for (const size_t i : order) {
    bridge.arrive(port, pieces[i], (first_at + static_cast<uint32_t>(i)) % kWorkers);
  }
}

void check_nothing_is_kept(const TestSwitch& bridge) {
  CHECK(bridge.sum(Counter::fragmented_datagrams) == 0);
  CHECK(bridge.sum(Counter::waiting_fragments) == 0);
  CHECK(bridge.sum(Counter::handed_packets) == 0);
  CHECK(bridge.sum(Counter::pool_buffers) == 0);
  CHECK(bridge.balanced());
}

TEST_CASE(
    "TCPX-68 TCPX-79 DFS-25 fragments between stations pass as they came, and are of their flow") {
  for (const Hosts& hosts : both_families()) {
    for (const PortId internal : {PortId{1}, PortId{2}, kNoPort}) {
      CAPTURE(hosts.family);
      CAPTURE(internal);
      TestSwitchOptions options;
      options.workers = kWorkers;
      options.internal = internal;
      TestSwitch bridge(options);
      bridge.introduce(1, 0);
      bridge.introduce(2, 1);
      std::vector<size_t> order = {0, 1, 2};
      for (L4Port port = 40000; port < 40012; ++port) {
        CAPTURE(port);
        std::next_permutation(order.begin(), order.end());
        const auto question = fragments_of(
            between(hosts, 1, 2).ttl(1).udp(port, 53).payload(4000).build(), 1400, port);
        arrive_in_parts(bridge, 0, question, order, port);
        CHECK(all_of(bridge.left(1)) == all_of(question));
        const auto answer = fragments_of(
            between(hosts, 2, 1).ttl(1).udp(53, port).payload(4000).build(), 1400, port);
        arrive_in_parts(bridge, 1, answer, order, port + 1u);
        CHECK(all_of(bridge.left(0)) == all_of(answer));
        CHECK(bridge.count_left(2) == 0);
      }
      CHECK(bridge.queries.size() == 12);
      CHECK(bridge.sum(Counter::bridged) == 12 * 6);
      check_nothing_is_kept(bridge);
      bridge.run(kTimeouts.udp + Duration::seconds(1));
      REQUIRE(bridge.deletes.size() == 12);
      for (const auto& end : bridge.deletes) {
        CHECK(DeleteView(const_cast<uint8_t*>(end.data())).cnt().pkts_in() == 3);
        CHECK(DeleteView(const_cast<uint8_t*>(end.data())).cnt().pkts_out() == 3);
      }
    }
  }
}

TEST_CASE(
    "TCPX-68 TCPX-79 DFS-24 fragments to a virtual server between stations are translated, and so "
    "are those of its node on their way") {
  for (const Hosts& hosts : both_families()) {
    for (const PortId internal : {PortId{1}, kNoPort}) {
      CAPTURE(hosts.family);
      CAPTURE(internal);
      TestSwitchOptions options;
      options.workers = kWorkers;
      options.internal = internal;
      TestSwitch bridge(options);
      bridge.add_virtual_server(kService, hosts.virtual_server, 80, station_ip(hosts, 20),
                                kProtocolUdp);
      greet(bridge, hosts, 10, 0);
      greet(bridge, hosts, 20, 1);
      std::set<uint32_t> homes;
      std::vector<size_t> order = {0, 1, 2};
      for (L4Port port = 40000; port < 40012; ++port) {
        CAPTURE(port);
        homes.insert(bridge.steering().worker_of(station_ip(hosts, 10), port));
        std::next_permutation(order.begin(), order.end());
        const PacketBuilder question = PacketBuilder()
                                           .eth(station_mac(10), bridge_mac())
                                           .ip(station_ip(hosts, 10), hosts.virtual_server)
                                           .udp(port, 80)
                                           .payload(4000);
        arrive_in_parts(bridge, 0, fragments_of(question.build(), 1400, port), order, port);
        Frame there = rejoined(bridge.left(1));
        CHECK(there.parsed().key == FlowKey{station_ip(hosts, 10), station_ip(hosts, 20), port,
                                            TestSwitch::kNodePort, kProtocolUdp, 0});
        CHECK(checksum_fault(there.parsed()) == "");
        const PacketBuilder answer =
            between(hosts, 20, 10).udp(TestSwitch::kNodePort, port).payload(4000);
        arrive_in_parts(bridge, 1, fragments_of(answer.build(), 1400, port), order, port + 1u);
        Frame back = rejoined(bridge.left(0));
        CHECK(back.parsed().key ==
              FlowKey{hosts.virtual_server, station_ip(hosts, 10), 80, port, kProtocolUdp, 0});
        CHECK(checksum_fault(back.parsed()) == "");
        CHECK(bridge.count_left(2) == 0);
      }
      CHECK(homes.size() == kWorkers);
      CHECK(bridge.queries.size() == 12);
      check_nothing_is_kept(bridge);
    }
  }
}

TEST_CASE("TCPX-68 TCPX-78 fragments to a group wait for nothing") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestSwitch bridge;
    const IpAddress group = ip(hosts.client.is_v4() ? "224.0.0.251" : "ff02::fb");
    const PacketBuilder whole = PacketBuilder()
                                    .eth(station_mac(1), {{1, 0, 0x5e, 0, 0, 9}})
                                    .ip(station_ip(hosts, 1), group)
                                    .udp(5353, 5353)
                                    .payload(4000);
    const auto pieces = fragments_of(whole.build(), 1400, 7);
    for (const size_t i : {2, 1, 0}) {
      bridge.arrive(0, pieces[i]);
      const auto left = bridge.left(1);
      REQUIRE(left.size() == 1);
      CHECK(left[0].bytes == pieces[i].bytes());
    }
    CHECK(bridge.count_left(2) == 3);
    CHECK(bridge.queries.empty());
    // Nobody can complete a checksum that is spread over fragments.
    bridge.arrive(0, PacketBuilder(whole).fragment(0, true).partial());
    CHECK(bridge.count_left(1) == 0);
    CHECK(bridge.sum(DropReason::l4_malformed) == 1);
    check_nothing_is_kept(bridge);
  }
}

}  // namespace
}  // namespace sluice
