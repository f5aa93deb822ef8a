// Segments of real frames, as scripts write them.
#pragma once

#include <string>

#include "support/frame.h"
#include "support/script.h"
#include "support/tcp_host.h"

namespace sluice::test {

// Where each side's numbers begin; known once it has sent a SYN.
struct NumberBase {
  uint32_t ours = 0;
  uint32_t theirs = 0;
  uint32_t our_clock = 0;  // our first TSval
};

// The byte of a stream at this offset, the same in both directions and for both players.
inline uint8_t stream_byte(uint32_t offset) {
  return static_cast<uint8_t>(offset * 7 + (offset >> 8) * 13 + 1);
}

// A frame to us with what the script says in it.
Frame build_frame(const FlowKey& key, const ScriptSegment& segment, const NumberBase& base);
// What one of our frames says; an error instead where it is none that a TCP may send.
struct ReadSegment {
  ScriptSegment segment;
  std::string error;
};
ReadSegment read_frame(Frame& frame, const FlowKey& key, const NumberBase& base);
std::string to_text(const ScriptSegment& segment);
// Whether what was sent is what the script asks for; what it leaves out does not matter, but for
// options, of which there are none then.
bool fits(const ScriptSegment& wanted, const ScriptSegment& sent);

}  // namespace sluice::test
