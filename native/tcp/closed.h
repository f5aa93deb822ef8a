#pragma once

#include <optional>

#include "tcp/segment_header.h"
#include "tcp/tcp_segment.h"

namespace sluice {

// SEGMENT ARRIVES where there is no connection (RFC 9293 3.10.7.1), or a listener gets what cannot
// open one: the RST that answers it. Nothing for a RST, and nothing for what no TCP sends.
std::optional<SegmentHeader> answer_in_closed(const TcpSegment& segment);

}  // namespace sluice
