#pragma once

#include "base/result.h"
#include "segment/segment_options.h"

namespace sluice {

// What would break an invariant of the parts, refused before any of them is made: the number of
// ports, addresses that cannot be a host's or that are there twice, and limits whose memory the
// machine does not give. TypeScript refuses the same with better words, except for the memory.
Status check_options(const SegmentOptions& options);

}  // namespace sluice
