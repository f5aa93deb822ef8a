// Limits and time-outs for tests that do not care: small tables, the time-outs of the RFCs.
#pragma once

#include "segment/segment_options.h"

namespace sluice::test {

inline constexpr SegmentLimits kSmallLimits{.flows = 64,
                                            .waiting_flows = 32,
                                            .waiting_packets = 8,
                                            .packet_buffers = 256,
                                            .fragmented_datagrams = 64,
                                            .waiting_fragments = 32,
                                            .neighbors = 64,
                                            .bus_bytes = 1 << 16,
                                            .connections = 32,
                                            .time_waits = 32,
                                            .buffer_bytes = 1 << 20,
                                            .stream_bytes = 1 << 18};

// No periodic STATS.
inline constexpr FlowTimeouts kTimeouts{.established = Duration::seconds(7440),
                                        .opening = Duration::seconds(30),
                                        .closing = Duration::seconds(240),
                                        .udp = Duration::seconds(120),
                                        .icmp = Duration::seconds(60),
                                        .other = Duration::seconds(600),
                                        .linger = Duration::seconds(5),
                                        .refused = Duration::seconds(2),
                                        .stats_interval = Duration(),
                                        .time_wait = Duration::seconds(60)};

}  // namespace sluice::test
