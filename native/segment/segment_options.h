#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/instant.h"

namespace sluice {

// All memory is stated here and reserved at start (law 4).
struct SegmentLimits {
  uint32_t flows = 1'000'000;
  uint32_t waiting_flows = 16'384;
  uint32_t waiting_packets = 32;     // of one flow
  uint32_t packet_buffers = 16'384;  // of 2 KB; one of 64 KB for each hundred
  size_t bus_bytes = 16 << 20;       // each way
};

struct FlowTimeouts {
  Duration established = Duration::seconds(7440);  // RFC 5382 REQ-5: not below 2 h 4 min
  Duration opening = Duration::seconds(30);
  Duration closing = Duration::seconds(240);  // RFC 5382 REQ-5
  Duration udp = Duration::seconds(120);      // RFC 4787 REQ-5
  Duration linger = Duration::seconds(5);
  Duration refused = Duration::seconds(2);
  Duration stats_interval = Duration::seconds(10);  // zero: no periodic STATS
};

}  // namespace sluice
