#pragma once

#include <array>

#include "base/instant.h"
#include "packet/packet.h"
#include "stack/frame_sink.h"
#include "stack/local_addresses.h"

namespace sluice {

// MLDv2 (RFC 3810) for the solicited-node groups of our addresses: a switch that snoops sends
// solicitations to those only who said that they listen. Of other groups we have none.
class MulticastReports {
 public:
  MulticastReports(const LocalAddresses& addresses, FrameSink& sink)
      : addresses_(addresses), sink_(sink) {}

  // A parsed packet that is a query (RFC 3810 5.1).
  static bool takes(const Packet& packet);
  // Answers it at once, the next one on that link a second later at the earliest. Sets the verdict.
  void input(Instant now, Packet& packet);
  // From now on we listen (RFC 3810 6.1), or have done so.
  void report(PortId port, const IpAddress& address);

 private:
  void send(PortId port, const IpAddress& group, uint8_t record_type);

  const LocalAddresses& addresses_;
  FrameSink& sink_;
  std::array<Instant, kMaxPorts> next_answer_;
};

}  // namespace sluice
