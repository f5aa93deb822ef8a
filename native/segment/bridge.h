#pragma once

#include <array>
#include <cstdint>

#include "bridge/station_table.h"
#include "packet/packet.h"
#include "segment/counters.h"
#include "segment/hand_over.h"
#include "segment/transmitter.h"

namespace sluice {

// The ports of a segment as one link: a learning bridge (IEEE 802.1D) with the engine as one of its
// stations, whose addresses are those of all ports. A frame leaves by the port behind which its
// destination was heard of last, or by every other one. There is no spanning tree: what is sent
// into a loop goes round in it, as many frames as a second's flooding allows.
class Bridge {
 public:
  // What one worker floods in a second, whoever asks for it; with the pauses between, no more than
  // a tenth of it at once.
  static constexpr uint32_t kFloodsPerSecond = 20'000;

  Bridge(uint64_t seed, Transmitter& transmitter, Counters& counters, HandOver& hand_over);

  void add_port(PortId port, const MacAddress& mac, uint16_t mtu);
  bool owns(const MacAddress& mac) const;

  // Learns from a frame where its sender is, and tells the other workers. False, and it is dropped:
  // no bridge forwards it, or there cannot be such a sender.
  bool admit(Instant now, Packet& packet);
  // The same for what another worker tells, in a frame without a payload.
  void overhear(Instant now, const Packet& packet);

  // Behind which port the frame's destination was heard of last; kNoPort for many, and where nobody
  // knows.
  PortId port_towards(Instant now, const Packet& packet) const;

  // A frame between stations, as it came: sent and counted, or dropped and counted.
  void pass(Instant now, Packet& packet);
  // A packet that the engine forwards, its Ethernet addresses written: the same, but that it may be
  // cut where it is sent.
  void forward(Instant now, Packet& packet);
  // A frame of the engine's own. True if a port took it.
  bool send(Instant now, Packet& packet);

  void poll(Instant now);

 private:
  using PortSet = uint32_t;  // a bit for each
  static constexpr PortSet set_of(PortId port) { return PortSet{1} << port; }

  void learn(Instant now, const Packet& packet, bool tell);
  PortSet targets_of(Instant now, const Packet& packet) const;
  PortSet those_that_fit(PortSet targets, const Packet& packet) const;
  bool may_flood(Instant now);
  void drop(Packet& packet, DropReason why);

  struct Member {
    MacAddress mac;
    uint16_t mtu = 0;
  };

  Transmitter& transmitter_;
  Counters& counters_;
  HandOver& hand_over_;
  StationTable stations_;
  std::array<Member, kMaxPorts> members_;
  PortId count_ = 0;
  uint16_t mtu_ = UINT16_MAX;  // the smallest of all
  uint32_t floods_left_ = 0;
  Instant floods_renewed_;
  Instant next_ageing_;
};

}  // namespace sluice
