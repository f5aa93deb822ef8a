// Any frames at any time to a stack with both families, virtual addresses and flows that hold
// packets. Whatever comes: every packet gets a verdict, every frame of the stack's own is sound,
// what the limits say holds, and in the end nothing is left behind.
//
// Input: steps of an operation U8, a size U8 and that many bytes (fewer at the end). Operation 0 to
// 3: those bytes are a HostilePacket for port (operation & 1). 4: time passes. 5: a packet for
// neighbour (first byte) is held. 6: one flow ends. 7: a virtual address comes or goes.
#include "stack/stack.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "packet/parse.h"
#include "support/hostile_packet.h"

namespace {

using namespace sluice;

constexpr StackLimits kLimits{.neighbors = 8, .packets_per_neighbor = 3, .held_packets = 8};
constexpr MacAddress kMacs[2] = {{{2, 0, 0, 0, 0, 0xa0}}, {{2, 0, 0, 0, 0, 0xa1}}};

// 2001:db8:<link>::<last>
IpAddress v6(uint8_t link, uint8_t last) {
  return {{0x20, 1, 0xd, 0xb8, 0, link, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}};
}
IpAddress v4(uint8_t link, uint8_t last) {
  return IpAddress::v4(0xc0000000u | uint32_t{link} << 8 | last);
}

struct CheckingSink final : FrameSink {
  void originate(PortId port, Packet& frame) override {
    SLUICE_CHECK(port < 2 && frame.verdict == Verdict::none);
    parse(frame);
    SLUICE_CHECK(frame.verdict == Verdict::none);
    SLUICE_CHECK(MacAddress::load(frame.data + 6) == kMacs[port]);
  }
  void resume(PortId port, std::span<Packet* const> packets) override {
    SLUICE_CHECK(!packets.empty() && packets.size() <= kBatchCapacity);
    for (const Packet* packet : packets) {
      SLUICE_CHECK(packet->verdict == Verdict::forward);
      SLUICE_CHECK(MacAddress::load(packet->data + 6) == kMacs[port]);
      SLUICE_CHECK(!MacAddress::load(packet->data).is_multicast());
    }
    held -= packets.size();
  }
  void give_up(const Packet& packet) override {
    SLUICE_CHECK(packet.verdict == Verdict::drop);
    --held;
  }
  size_t held = 0;
};

class Campaign {
 public:
  Campaign() : stack_(kLimits, 1, pool_, sink_) {
    for (uint8_t port = 0; port < 2; ++port) {
      stack_.add_port(port, kMacs[port], 1500);
      stack_.add_address(port, v4(port, 1), 24);
      stack_.add_address(port, v6(port, 1), 64);
    }
    SLUICE_CHECK(stack_.add_route(IpAddress::v4(0), 0, v4(0, 254)).ok());
    SLUICE_CHECK(stack_.add_route(IpAddress{}, 0, v6(0, 254)).ok());
  }

  void step(uint8_t operation, const uint8_t* data, size_t size) {
    const uint8_t first = size > 0 ? data[0] : 0;
    switch (operation % 8) {
      case 4: pass(Duration::milliseconds(first * 100)); break;
      case 5: hold(first); break;
      case 6: end_flow(first); break;
      case 7: toggle_virtual_address(first); break;
      default: receive(operation & 1, data, size);
    }
    SLUICE_CHECK(stack_.counters().held_packets == sink_.held);
    SLUICE_CHECK(sink_.held <= kLimits.held_packets && pool_.used() == sink_.held);
  }

  void finish() {
    while (!flows_.empty()) end_flow(0);
    while (stack_.deadline() != Instant::never()) pass(Duration::seconds(60));
    SLUICE_CHECK(sink_.held == 0 && pool_.used() == 0);
    for (uint8_t i = 0; i < kLimits.neighbors; ++i) {
      DropReason why = DropReason::count;
      const NextHop hop = stack_.acquire_neighbor(now_, 0, v4(0, 200 + i), why);
      SLUICE_CHECK(hop != kNoNextHop && !stack_.next_hop(hop).resolved);
    }
  }

 private:
  void receive(PortId port, const uint8_t* data, size_t size) {
    if (size < test::HostilePacket::kPrefix) return;
    test::HostilePacket hostile(data, size);
    Packet& packet = hostile.packet();
    packet.in_port = port;
    parse(packet);
    if (packet.verdict != Verdict::none) return;
    const bool is_for_us = stack_.is_for_us(packet);
    stack_.deliver(now_, packet);
    SLUICE_CHECK(packet.verdict == Verdict::drop || packet.verdict == Verdict::deliver);
    SLUICE_CHECK((packet.drop_reason == DropReason::count) == (packet.verdict == Verdict::deliver));
    SLUICE_CHECK(is_for_us || packet.verdict == Verdict::drop);
  }

  void pass(Duration span) {
    const Instant end = now_ + span;
    while (stack_.deadline() <= end) {
      now_ = std::max(now_, stack_.deadline());
      stack_.poll(now_);
    }
    now_ = end;
  }

  void hold(uint8_t choice) {
    const uint8_t last = choice >> 2;
    const IpAddress destination =
        (choice & 1) != 0 ? v4(choice >> 1 & 1, last) : v6(choice >> 1 & 1, last);
    DropReason why = DropReason::count;
    const NextHop hop = stack_.acquire_next_hop(now_, destination, why);
    SLUICE_CHECK((hop == kNoNextHop) == (why != DropReason::count));
    if (hop == kNoNextHop) return;
    flows_.push_back(hop);
    if (stack_.next_hop(hop).resolved) return;
    uint8_t frame[60] = {};
    Packet packet;
    packet.data = frame;
    packet.length = sizeof frame;
    ++sink_.held;
    if (!stack_.hold(now_, hop, packet, why)) --sink_.held;
  }

  void end_flow(uint8_t choice) {
    if (flows_.empty()) return;
    const size_t index = choice % flows_.size();
    stack_.release_next_hop(flows_[index]);
    flows_.erase(flows_.begin() + static_cast<ptrdiff_t>(index));
  }

  void toggle_virtual_address(uint8_t choice) {
    const IpAddress address =
        (choice & 1) != 0 ? v4(choice >> 1 & 3, 100) : v6(choice >> 1 & 3, 100);
    if (stack_.owns(address)) {
      stack_.remove_virtual_address(address);
    } else {
      stack_.add_virtual_address(address);
    }
  }

  PacketPool pool_{16, 1};
  CheckingSink sink_;
  Stack stack_;
  std::vector<NextHop> flows_;
  Instant now_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Campaign campaign;
  while (size > 2) {
    const size_t taken = std::min<size_t>(data[1], size - 2);
    campaign.step(data[0], data + 2, taken);
    data += 2 + taken;
    size -= 2 + taken;
  }
  campaign.finish();
  return 0;
}
