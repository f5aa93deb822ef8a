#pragma once

#include <cstdint>

namespace sluice {

// What a listener offers less than it could: no more than the nodes behind it can honour, as far
// as their own handshakes have told (TCPX-06, TCPX-07).
struct OfferLimits {
  uint16_t mss = UINT16_MAX;  // no larger one is told
  uint8_t options = 0xff;     // of TcpFlow: no other is agreed on
};

}  // namespace sluice
