#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/instant.h"
#include "port/port_options.h"
#include "wire/address.h"

namespace sluice {

// Zero throughout here: the default values are in src/config/defaults.ts, and nowhere else.

// All memory is stated here and reserved at start (law 4). Workers share flows, packets and buffers
// evenly; each has all the neighbours, and rings of its own.
struct SegmentLimits {
  uint32_t flows = 0;  // that are established, in their close, or not of TCP
  uint32_t waiting_flows = 0;
  uint32_t waiting_packets = 0;  // of one flow
  uint32_t packet_buffers = 0;   // of 2 KB; one of 64 KB for each hundred
  uint32_t fragmented_datagrams = 0;
  uint32_t waiting_fragments = 0;  // of all of them
  uint32_t neighbors = 0;          // next hops, and hosts on our links that speak to us
  size_t bus_bytes = 0;            // each way
  uint32_t connections = 0;        // that we end ourselves, at a time
  uint32_t time_waits = 0;         // of those, when they are over
  size_t buffer_bytes = 0;         // of those, both ways
  uint32_t windows_for = 0;        // of so many; 0: they follow those that are active
  size_t stream_bytes = 0;         // of messages about sockets, each way

  // Places that `flows` leave to those that wait, open, were refused or linger: what is over or may
  // never come to be takes none from what is in use.
  uint32_t passing_flows() const { return flows / 16 + 1; }
  uint32_t all_flows() const { return flows + passing_flows(); }
  // The compactor keeps to `time_waits`, some time after the fact: beyond it the oldest goes by
  // itself.
  uint32_t all_time_waits() const { return time_waits + time_waits / 16 + 1; }
};

// What becomes of packets that no virtual server takes.
enum class Forwarding : uint8_t {
  none,    // they are dropped
  route,   // as a router does, by their IP addresses
  bridge,  // as a switch does: all ports are one link
};

// Which SYNs of clients are answered by a cookie and forgotten (RFC 4987 3.6).
enum class SynCookiePolicy : uint8_t {
  never,
  automatic,  // those beyond many half-open connections
  always,
};

struct FlowTimeouts {
  Duration established;
  Duration opening;
  Duration closing;
  Duration udp;
  Duration icmp;
  Duration other;  // protocols
  Duration linger;
  Duration refused;
  Duration stats_interval;  // zero: no periodic STATS
  Duration time_wait;       // 2MSL of our own connections
};

struct SegmentPort {
  PortOptions options;
  bool internal = false;
};

struct SegmentRoute {
  InterfaceAddress to;
  IpAddress via;
};

struct SegmentOptions {
  uint8_t node = 0;  // of the first worker; each further one has the next
  uint32_t workers = 1;
  std::vector<uint32_t> cpus;  // of each worker, in order; none: the scheduler chooses
  std::vector<SegmentPort> ports;
  std::vector<SegmentRoute> routes;
  Forwarding forwarding = Forwarding::none;
  SynCookiePolicy syn_cookies = SynCookiePolicy::never;
  SegmentLimits limits;
  FlowTimeouts timeouts;
};

}  // namespace sluice
