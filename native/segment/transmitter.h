#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "packet/packet.h"
#include "port/port.h"
#include "segment/counters.h"
#include "segment/live_capture.h"

namespace sluice {

// The last step of a packet: collects what leaves by each port, sends whole batches, and raises the
// counters of packets that were sent or that no port took. Towards a port that cannot, it cuts
// super-packets and completes checksums in software (law 6); where the link is too small it cuts
// IPv4 packets that may be cut into fragments (TCPX-67), all in scratch memory of its own.
class Transmitter {
 public:
  Transmitter(Counters& counters, LiveCapture& capture);

  // The transmitter does not own ports; they outlive it.
  void add_port(PortId id, Port* port);

  // Sends a forwarded packet with the next flush. Its bytes stay as they are until then.
  void queue(Instant now, PortId port, Packet& packet);
  // The same by each port of a set, a bit for each: one that was sent by any of them is forwarded.
  void queue_for_all(Instant now, uint32_t ports, Packet& packet);
  void flush(Instant now);

  // Sends one frame at once, after what is queued for that port. True if the port took it.
  bool send(Instant now, PortId port, Packet& packet);
  // The same by each port of a set. True if any of them took it.
  bool send_to_all(Instant now, uint32_t ports, Packet& packet);
  // The same for forwarded packets, which are counted, as few calls of the port as it takes.
  void forward(Instant now, PortId port, std::span<Packet* const> packets);

 private:
  struct Lane {
    Port* port = nullptr;
    std::array<Packet*, kBatchCapacity> packets;
    size_t count = 0;
  };

  void flush(Instant now, Lane& lane);
  size_t transmit(Instant now, const Lane& lane, std::span<Packet* const> packets);
  void forward_alone(Instant now, PortId port, Packet& packet);
  bool send_one(Instant now, Lane& lane, Packet& packet);
  bool send_segmented(Instant now, Lane& lane, const Packet& super);
  bool send_fragmented(Instant now, Lane& lane, Packet& packet);
  void count_sent(const Packet& packet);
  void count_lost(const Packet& packet);

  Counters& counters_;
  LiveCapture& capture_;
  std::array<Lane, kMaxPorts> lanes_;
  std::unique_ptr<uint8_t[]> scratch_;  // room for pieces of a super-packet, and a fragment
};

}  // namespace sluice
