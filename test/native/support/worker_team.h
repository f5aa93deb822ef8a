// Several workers of one segment, on virtual time, over memory ports, and hosts that come to
// whichever of them.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "bus/signature.h"
#include "support/dialogue.h"
#include "support/packet_balance.h"

namespace sluice::test {

inline constexpr uint32_t kWorkers = 3;

inline const IpAddress kClient = ip("192.0.2.10");
inline const IpAddress kVirtual = ip("192.0.2.100");
inline const IpAddress kNode = ip("10.1.0.11");

// What one worker has: its own side of each device, and its rings.
struct Member {
  Member(WorkerTeam& team, uint32_t index)
      : worker(options(index),
               {from_control, to_control, from_sockets, to_sockets, counters, figures, team},
               Instant(), Duration()) {
    for (PortId id = 0; id < 2; ++id) {
      MemoryPortOptions side{.name = "port",
                             .mac = id == 0 ? kOutsideMac : kInsideMac,
                             .capabilities = {true, true, true, true, 1500}};
      auto [engine_side, wire] = MemoryPort::make_pair(side, side);
      near[id] = engine_side.get();
      far[id] = std::move(wire);
      worker.add_port(std::move(engine_side), id == 1);
    }
    for (const char* own : {"192.0.2.1", "10.1.0.1"}) {
      worker.stack().add_address(own[0] == '1' && own[1] == '9' ? 0 : 1, ip(own), 24);
    }
  }

  static Worker::Options options(uint32_t index) {
    Worker::Options options;
    options.index = index;
    options.seed = 1 + index;
    options.syn_cookies = SynCookiePolicy::always;
    options.cookie_secret = {index, index};
    options.flows = {kSmallLimits, kTimeouts, static_cast<uint8_t>(1 + index), 1 + index};
    options.stack = {.neighbors = 64, .packets_per_neighbor = 16, .held_packets = 32};
    return options;
  }

  MessageRing from_control{1 << 16}, to_control{1 << 16};
  MessageRing from_sockets{1 << 16}, to_sockets{1 << 16};
  Counters counters;
  PortFigures figures;
  Worker worker;
  std::array<MemoryPort*, 2> near;
  std::array<std::unique_ptr<MemoryPort>, 2> far;
};

class Team {
 public:
  explicit Team(size_t ring_bytes = WorkerTeam::kRingBytes, const IpAddress& leaves_from = {})
      : steering(7, kWorkers), source(leaves_from), team_(steering, ring_bytes) {
    for (uint32_t i = 0; i < kWorkers; ++i) members.push_back(std::make_unique<Member>(team_, i));
    run(Duration::seconds(3));  // announcements
    for (auto& member : members) {
      for (const auto& far : member->far) announced += far->discard();
    }
    if (!source.is_zero()) tell_of_source();
    listen(kService, kProtocolTcp, kServicePort);
  }

  // Another virtual server of the same address.
  void listen(uint16_t id, uint8_t protocol, L4Port port = 0, uint16_t flags = 0) {
    uint8_t bytes[AddVsView::kSize] = {};
    AddVsView add(bytes);
    add.set_msg_type(AddVsView::kCode);
    add.set_msg_length(AddVsView::kSize);
    add.set_vs_id(id);
    add.set_virt_ipaddr(kVirtual);
    add.set_virt_port(port);
    add.set_protocol(protocol);
    add.set_flags(flags);
    for (auto& member : members) REQUIRE(member->from_control.push(bytes));
    poll();
    for (auto& member : members) {
      for (const auto& far : member->far) far->discard();
    }
  }

  void poll() {
    for (bool worked = true; worked;) {
      worked = false;
      for (auto& member : members) worked |= member->worker.poll(now_);
      for (auto& member : members) worked |= answer(*member);
    }
  }
  void run(Duration span) {
    for (const Instant end = now_ + span; now_ < end; now_ = now_ + Duration::milliseconds(100)) {
      poll();
    }
  }
  // A frame comes to the queue of one worker.
  void arrive(uint32_t at, PortId port, PacketBuilder builder) {
    feed(at, port, builder);
    poll();
  }
  void feed(uint32_t at, PortId port, PacketBuilder builder) {
    Frame frame = builder.build();
    const Packet packet = frame.packet();
    REQUIRE(members[at]->near[port]->inject({packet.data, packet.length}, packet.offload));
  }
  // All that left by a port, by whichever worker.
  std::vector<std::pair<uint32_t, MemoryFrame>> sent(PortId port) {
    std::vector<std::pair<uint32_t, MemoryFrame>> all;
    for (uint32_t i = 0; i < kWorkers; ++i) {
      while (auto frame = members[i]->far[port]->take()) all.emplace_back(i, std::move(*frame));
    }
    return all;
  }
  uint64_t sum(Counter counter) const {
    uint64_t all = 0;
    for (const auto& member : members) all += member->counters.read(counter);
    return all;
  }
  uint64_t dropped() const {
    uint64_t all = 0;
    for (const auto& member : members) all += member->counters.dropped();
    return all;
  }
  bool balanced() const {
    return every_packet_has_one_fate([this](Counter counter) { return sum(counter); }, dropped());
  }

  Steering steering;
  size_t announced = 0;      // frames at the start
  IpAddress server = kNode;  // where clients' flows go; others pass as they are
  IpAddress source;  // where they leave from, by the port that comes back; zero: as they are

 private:
  WorkerTeam team_;

 public:
  std::vector<std::unique_ptr<Member>> members;

 private:
  // The control segment.
  bool answer(Member& member) {
    bool answered = false;
    while (!member.to_control.empty()) {
      const ByteSpan message = member.to_control.front();
      const TestEngine::Bytes bytes(message.begin(), message.end());
      member.to_control.pop();
      if (bytes[0] != QueryView::kCode) continue;
      const FlowKey key = load_signature(QueryView(const_cast<uint8_t*>(bytes.data())).sig());
      const bool outbound = key.dst != kVirtual;
      answered |= member.from_control.push(
          TestEngine::reply_to(bytes, [&](const QueryView& query, ReplyView reply) {
            const auto decide = TestEngine::to_endpoint(outbound ? key.dst : server,
                                                        outbound ? key.dst_port : kNodePort);
            if (!decide(query, reply)) return false;
            const bool rewritten = key.protocol == kProtocolTcp || key.protocol == kProtocolUdp;
            if (!rewritten) reply.xlat().set_xlat_mask(XlatMask::dst_addr | XlatMask::dec_ttl);
            if (!source.is_zero()) leave_from(reply, port_home(member));
            return true;
          }));
    }
    return answered;
  }

  void tell_of_source() {
    uint8_t bytes[AddSourceView::kSize] = {};
    AddSourceView add(bytes);
    add.set_msg_type(AddSourceView::kCode);
    add.set_msg_length(AddSourceView::kSize);
    add.set_source_ipaddr(source);
    for (auto& member : members) REQUIRE(member->from_control.push(bytes));
  }
  void leave_from(ReplyView reply, L4Port port) const {
    XlatView xlat = reply.xlat();
    xlat.set_xlat_src_ipaddr(source);
    xlat.set_xlat_src_port(port);
    xlat.set_xlat_mask(xlat.xlat_mask() | XlatMask::src_addr | XlatMask::src_port);
  }
  // The next port whose packets come to a worker.
  L4Port port_home(const Member& member) {
    do ++last_port_;
    while (members[steering.worker_of(source, last_port_)].get() != &member);
    return last_port_;
  }

  Instant now_;
  L4Port last_port_ = 5000;
};

inline PacketBuilder arp_request(const MacAddress& mac, const IpAddress& sender,
                                 const IpAddress& target) {
  return PacketBuilder()
      .eth(mac, MacAddress::broadcast())
      .arp(1, mac, sender, MacAddress{}, target);
}

// The hosts make themselves known to whichever worker hears them.
inline void introduce(Team& team, uint32_t at) {
  team.arrive(at, 0, arp_request(kClientMac, kClient, ip("192.0.2.1")));
  team.arrive(at, 1, arp_request(kServerMac, kNode, ip("10.1.0.1")));
}

inline PacketBuilder syn(L4Port port) {
  return PacketBuilder()
      .eth(kClientMac, kOutsideMac)
      .ip(kClient, kVirtual)
      .tcp(port, kServicePort, kTcpSyn);
}
inline PacketBuilder syn_ack(L4Port port) {
  return PacketBuilder()
      .eth(kServerMac, kInsideMac)
      .ip(kNode, kClient)
      .tcp(kNodePort, port, kTcpSyn | kTcpAck);
}

}  // namespace sluice::test
