#pragma once

#include <cstdint>

#include "base/instant.h"
#include "packet/packet.h"
#include "stack/error_limit.h"
#include "stack/frame_sink.h"
#include "stack/local_addresses.h"

namespace sluice {

// Why a packet goes no further, as its sender is told. Each family has its own type and code for
// it (RFC 792, RFC 1812 5.2.7, RFC 4443 3).
struct IcmpError {
  enum class Kind : uint8_t {
    no_route,
    host_unreachable,  // its neighbour does not answer
    port_unreachable,
    prohibited,  // by whoever runs the network
    packet_too_big,
    time_exceeded,  // of hops
  };
  Kind kind;
  uint16_t mtu = 0;  // packet_too_big: bytes of IP that the next link takes
};

// Writes ICMP errors about packets that came to us, back the way they came. Nothing is allocated.
class IcmpErrors {
 public:
  IcmpErrors(uint64_t seed, const LocalAddresses& addresses, FrameSink& sink)
      : addresses_(addresses), sink_(sink), limit_(seed) {}

  // About a packet that passed parse(), as its sender sent it. Sends nothing where the RFCs forbid
  // an error about such a packet, where too many were sent, or without an address of ours.
  void send(Instant now, const Packet& about, const IcmpError& error);

  uint64_t sent() const { return sent_; }
  uint64_t limited() const { return limited_; }  // for the rate

 private:
  bool may_be_told(const Packet& about, IcmpError::Kind kind) const;
  const IpAddress* speaker_about(const Packet& about, const Link& link, IcmpError::Kind kind) const;

  const LocalAddresses& addresses_;
  FrameSink& sink_;
  ErrorLimit limit_;
  uint64_t sent_ = 0;
  uint64_t limited_ = 0;
};

}  // namespace sluice
