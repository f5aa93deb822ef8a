#include "segment/bridge.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "wire/ethernet.h"

namespace sluice {

namespace {

constexpr Duration kFloodInterval = Duration::milliseconds(100);
constexpr Duration kAgeingInterval = Duration::seconds(1);

// What the frame takes of the MTU of a link, on the wire.
uint32_t payload_on_wire(const Packet& packet) {
  if (packet.wire_segments() > 1) {
    return uint32_t{packet.headers.payload} - packet.headers.l3 + packet.offload.gso_size;
  }
  // Padding is as long as the shortest frame needs, and so never too long.
  return packet.length - EthernetHeader(packet.data).payload().offset;
}

}  // namespace

Bridge::Bridge(uint64_t seed, Transmitter& transmitter, Counters& counters, HandOver& hand_over)
    : transmitter_(transmitter), counters_(counters), hand_over_(hand_over), stations_(seed) {}

void Bridge::add_port(PortId port, const MacAddress& mac, uint16_t mtu) {
  SLUICE_CHECK(port == count_ && count_ < kMaxPorts);
  members_[count_++] = {mac, mtu};
  mtu_ = std::min(mtu_, mtu);
}

bool Bridge::owns(const MacAddress& mac) const {
  return std::any_of(members_.begin(), members_.begin() + count_,
                     [&](const Member& member) { return member.mac == mac; });
}

// -- learning

bool Bridge::admit(Instant now, Packet& packet) {
  const EthernetHeader ethernet(packet.data);
  const MacAddress source = ethernet.src();
  DropReason why = DropReason::count;
  if (source.is_multicast() || source == MacAddress{}) {
    why = DropReason::ethernet_malformed;
  } else if (owns(source)) {
    why = DropReason::bridge_loop;
  } else {
    learn(now, packet, !hand_over_.alone() && packet.origin == PacketOrigin::port);
    if (is_for_next_bridge(ethernet.dst())) why = DropReason::bridge_reserved;
  }
  if (why != DropReason::count) packet.drop(why);
  return why == DropReason::count;
}

void Bridge::overhear(Instant now, const Packet& packet) { learn(now, packet, false); }

void Bridge::learn(Instant now, const Packet& packet, bool tell) {
  using News = StationTable::News;
  const News news = stations_.learn(now, Station::source_of(packet.data), packet.in_port);
  if (news == News::none) return;
  if (news == News::moved) counters_.raise(Counter::station_moves);
  if (tell) hand_over_.tell_of_sender(packet);
}

void Bridge::poll(Instant now) {
  counters_.set(Counter::stations, stations_.size());
  counters_.set(Counter::stations_evicted, stations_.evicted());
  if (now < next_ageing_) return;
  next_ageing_ = now + kAgeingInterval;
  stations_.age(now);
}

// -- forwarding

PortId Bridge::port_towards(Instant now, const Packet& packet) const {
  if (EthernetHeader(packet.data).dst().is_multicast()) return kNoPort;
  return stations_.find(now, Station::destination_of(packet.data));
}

Bridge::PortSet Bridge::targets_of(Instant now, const Packet& packet) const {
  const PortId port = port_towards(now, packet);
  return port == kNoPort ? set_of(count_) - 1 : set_of(port);
}

Bridge::PortSet Bridge::those_that_fit(PortSet targets, const Packet& packet) const {
  const uint32_t size = payload_on_wire(packet);
  if (size <= mtu_) return targets;
  for (PortId port = 0; port < count_; ++port) {
    if (size > members_[port].mtu) targets &= ~set_of(port);
  }
  return targets;
}

void Bridge::pass(Instant now, Packet& packet) {
  const PortSet named = targets_of(now, packet);
  const PortSet others = named & ~set_of(packet.in_port);
  if (others == 0) return drop(packet, DropReason::bridge_same_side);
  const PortSet targets = those_that_fit(others, packet);
  if (targets == 0) return drop(packet, DropReason::mtu_exceeded);
  const bool floods = !std::has_single_bit(named);
  if (floods && !may_flood(now)) return drop(packet, DropReason::bridge_flood);
  if (floods) counters_.raise(Counter::flooded);
  counters_.raise(Counter::bridged);
  transmitter_.queue_for_all(now, targets, packet);
}

void Bridge::forward(Instant now, Packet& packet) {
  transmitter_.queue_for_all(now, targets_of(now, packet), packet);
}

bool Bridge::send(Instant now, Packet& packet) {
  return transmitter_.send_to_all(now, those_that_fit(targets_of(now, packet), packet), packet);
}

bool Bridge::may_flood(Instant now) {
  if (now >= floods_renewed_ + kFloodInterval) {
    floods_renewed_ = now;
    floods_left_ = kFloodsPerSecond / 10;
  }
  if (floods_left_ == 0) return false;
  --floods_left_;
  return true;
}

void Bridge::drop(Packet& packet, DropReason why) {
  packet.drop(why);
  counters_.raise(why);
}

}  // namespace sluice
