#pragma once

#include "packet/l4_checksum.h"
#include "packet/packet.h"

namespace sluice {

// Whether the engine may end what a packet carries; else it is dropped. What comes in fragments is
// not put together.
inline bool is_whole(Packet& packet) {
  if (packet.headers.fragment) {
    packet.drop(DropReason::ip_fragment);
  } else if (!l4_checksum_is_right(packet)) {
    packet.drop(DropReason::l4_checksum);
  }
  return packet.verdict == Verdict::none;
}

}  // namespace sluice
