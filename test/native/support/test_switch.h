// A segment whose ports are bridged, in a test: workers over memory ports, on virtual time, with a
// control segment that lets every flow pass and sends those of virtual servers to one node. The
// engine is 192.0.2.254 and 2001:db8::fe; station n is behind whichever port its frames come in by.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "support/packet_balance.h"
#include "support/test_engine.h"

namespace sluice::test {

struct TestSwitchOptions {
  uint32_t workers = 1;
  // One for each port.
  std::vector<PortCapabilities> ports = std::vector<PortCapabilities>(3, kAble);
  PortId internal = kNoPort;  // the one that is
  SegmentLimits limits = kSmallLimits;
  uint64_t seed = 1;

  static constexpr PortCapabilities kAble{
      .checksum = true, .tso4 = true, .tso6 = true, .uso = true};
};

constexpr MacAddress station_mac(uint8_t number) { return {{2, 0, 0, 0, 0x10, number}}; }
// Of the engine on a port; that of the first one is on all.
constexpr MacAddress bridge_mac(PortId port = 0) { return {{2, 0, 0, 0, 0, port}}; }
inline IpAddress station_ip(const Hosts& hosts, uint8_t number) {
  IpAddress address = hosts.client;
  address.bytes[15] = number;
  return address;
}
inline IpAddress engine_ip(const Hosts& hosts) { return station_ip(hosts, 254); }
inline LinkHost station(const Hosts& hosts, uint8_t number) {
  return {0, station_mac(number), station_ip(hosts, number)};
}
// From one station to another, the rest to be added.
inline PacketBuilder between(const Hosts& hosts, uint8_t from, uint8_t to) {
  return PacketBuilder()
      .eth(station_mac(from), station_mac(to))
      .ip(station_ip(hosts, from), station_ip(hosts, to));
}

class TestSwitch {
 public:
  explicit TestSwitch(const TestSwitchOptions& options = {})
      : options_(options), team_(Steering(options.seed, options.workers)) {
    for (uint32_t i = 0; i < options.workers; ++i) {
      members_.push_back(std::make_unique<Member>(*this, i));
    }
    run(Duration::seconds(3));  // announcements
    for (PortId port = 0; port < options.ports.size(); ++port) left(port);
  }

  // A frame comes in by a port, where it comes to the queue of one worker.
  void arrive(PortId port, Frame frame, uint32_t worker = 0) {
    const Packet packet = frame.packet();
    REQUIRE(members_[worker]->near[port]->inject({packet.data, packet.length}, packet.offload));
    poll();
  }
  void arrive(PortId port, const PacketBuilder& builder, uint32_t worker = 0) {
    arrive(port, builder.build(), worker);
  }
  // All that left by a port since the last call, by whichever worker.
  std::vector<MemoryFrame> left(PortId port) {
    std::vector<MemoryFrame> frames;
    for (const auto& member : members_) {
      while (auto frame = member->far[port]->take()) frames.push_back(std::move(*frame));
    }
    return frames;
  }
  size_t count_left(PortId port) { return left(port).size(); }
  // Says that a station is behind a port, and no more.
  void introduce(uint8_t station, PortId port, uint16_t vlan = 0) {
    PacketBuilder hello;
    hello.eth(station_mac(station), bridge_mac()).ether_type(0x88b5).payload(46);
    if (vlan != 0) hello.vlan(vlan);
    arrive(port, hello);
  }

  void poll() {
    for (bool worked = true; worked;) {
      worked = false;
      for (const auto& member : members_) worked |= member->worker.poll(now_);
      for (const auto& member : members_) worked |= answer(*member);
    }
  }
  void run(Duration span) {
    for (const Instant end = now_ + span; now_ < end; now_ = now_ + Duration::milliseconds(100)) {
      poll();
    }
  }
  // Time passes, and nobody looks meanwhile.
  void skip(Duration span) { now_ = now_ + span; }

  void add_virtual_server(uint16_t id, const IpAddress& address, L4Port port, const IpAddress& node,
                          uint8_t protocol = kProtocolTcp, uint16_t flags = 0) {
    node_ = node;
    uint8_t bytes[AddVsView::kSize] = {};
    AddVsView add(bytes);
    add.set_msg_type(AddVsView::kCode);
    add.set_msg_length(AddVsView::kSize);
    add.set_flags(flags);
    add.set_vs_id(id);
    add.set_virt_ipaddr(address);
    add.set_virt_port(port);
    add.set_protocol(protocol);
    for (const auto& member : members_) REQUIRE(member->from_control.push(bytes));
    run(Duration::seconds(3));
    for (PortId port_id = 0; port_id < options_.ports.size(); ++port_id) left(port_id);
  }
  void answers(bool answers) { answers_ = answers; }
  static constexpr L4Port kNodePort = 8080;

  // What the segment told, each kind in order.
  std::vector<TestEngine::Bytes> queries, deletes;

  uint64_t sum(Counter counter) const {
    uint64_t all = 0;
    for (const auto& member : members_) all += member->counters.read(counter);
    return all;
  }
  uint64_t sum(DropReason reason) const {
    uint64_t all = 0;
    for (const auto& member : members_) all += member->counters.read(reason);
    return all;
  }
  bool balanced() const {
    uint64_t dropped = 0;
    for (const auto& member : members_) dropped += member->counters.dropped();
    return every_packet_has_one_fate([this](Counter counter) { return sum(counter); }, dropped);
  }
  const Steering& steering() const { return team_.steering(); }

 private:
  // What one worker has: its own side of each device, and its rings.
  struct Member {
    Member(TestSwitch& of, uint32_t index)
        : worker(options(of.options_, index),
                 {from_control, to_control, from_sockets, to_sockets, counters, figures, of.team_},
                 of.now_, Duration()) {
      for (PortId id = 0; id < of.options_.ports.size(); ++id) {
        MemoryPortOptions side{
            .name = "port", .mac = bridge_mac(id), .capabilities = of.options_.ports[id]};
        side.largest_frame = kMaxFrame;
        auto [engine_side, wire] = MemoryPort::make_pair(side, side);
        near.push_back(engine_side.get());
        far.push_back(std::move(wire));
        worker.add_port(std::move(engine_side), id == of.options_.internal);
      }
      worker.stack().add_address(1, ip("192.0.2.254"), 24);
      worker.stack().add_address(1, ip("2001:db8::fe"), 64);
    }

    static Worker::Options options(const TestSwitchOptions& of, uint32_t index) {
      Worker::Options options;
      options.index = index;
      options.seed = of.seed + index;
      options.forwarding = Forwarding::bridge;
      options.flows = {of.limits, kTimeouts, static_cast<uint8_t>(1 + index), of.seed + index};
      options.flows.bridges = true;
      options.stack = {.neighbors = 64, .packets_per_neighbor = 16, .held_packets = 32};
      return options;
    }

    MessageRing from_control{1 << 16}, to_control{1 << 16};
    MessageRing from_sockets{1 << 16}, to_sockets{1 << 16};
    Counters counters;
    PortFigures figures;
    Worker worker;
    std::vector<MemoryPort*> near;
    std::vector<std::unique_ptr<MemoryPort>> far;
  };

  bool answer(Member& member) {
    bool some = false;
    while (answers_ && !member.to_control.empty()) {
      const ByteSpan message = member.to_control.front();
      TestEngine::Bytes told(message.begin(), message.end());
      member.to_control.pop();
      some = true;
      if (told[0] == DeleteView::kCode)
        deletes.push_back(std::move(told));
      else if (told[0] == QueryView::kCode) {
        REQUIRE(member.from_control.push(TestEngine::reply_to(
            told,
            [this](const QueryView& query, ReplyView reply) { return decide(query, reply); })));
        queries.push_back(std::move(told));
      }
    }
    return some;
  }
  bool decide(const QueryView& query, ReplyView reply) const {
    if (query.vs_id() != 0) return TestEngine::to_endpoint(node_, kNodePort)(query, reply);
    reply.set_flags(query.flags());
    return true;
  }

  TestSwitchOptions options_;
  Instant now_;
  WorkerTeam team_;
  IpAddress node_;
  bool answers_ = true;
  std::vector<std::unique_ptr<Member>> members_;
};

// Makes a station known to the engine, by its MAC and IP address.
inline void greet(TestSwitch& bridge, const Hosts& hosts, uint8_t number, PortId port) {
  bridge.arrive(port, neighbor_request(station(hosts, number), bridge_mac(), engine_ip(hosts)));
  bridge.left(port);
}

}  // namespace sluice::test
