#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/instant.h"
#include "base/random.h"
#include "packet/packet.h"
#include "port/frame_buffers.h"

namespace sluice {

// What happens to frames in one direction. Probabilities are of each frame by itself; a GSO
// super-packet is one frame.
struct FaultOptions {
  double loss = 0;
  double duplicate = 0;
  double corrupt = 0;
  double reorder = 0;
  Duration delay;   // of every frame
  Duration jitter;  // up to this much more, evenly spread; does not change the order
  Duration reorder_delay = Duration::milliseconds(1);  // more for a frame that others overtake
  size_t capacity = 256;                               // frames held at a time

  bool any() const {
    return loss > 0 || duplicate > 0 || corrupt > 0 || reorder > 0 || delay > Duration() ||
           jitter > Duration();
  }
};

struct FaultCounters {
  uint64_t lost = 0;
  uint64_t duplicated = 0;
  uint64_t corrupted = 0;
  uint64_t reordered = 0;
};

// Turns one bit of the frame. Where the checksum is still partial, a changed payload would be
// summed up as it is and pass as good; so the bit is then one of the checksum field, which stays
// wrong through any completion, segmentation or rewriting. The frame no longer counts as verified.
void corrupt_frame(uint8_t* data, size_t length, Offload& offload, Random& random);

// The frames of one direction that are on their way, in copies. Which faults a frame meets depends
// on the seed and on how many frames came before it, on nothing else.
class FaultQueue {
 public:
  struct Held {
    Instant due;
    uint64_t order = 0;  // of arrival, among frames due at the same instant
    uint32_t buffer = 0;
    uint32_t length = 0;
    Offload offload;
  };

  FaultQueue(const FaultOptions& options, uint64_t seed);

  // Whether a frame, and its duplicate, can be admitted.
  bool has_room() const { return free_.size() >= 2; }
  // Decides what becomes of the frame and holds what is left of it.
  void admit(Instant now, const Packet& packet);

  Instant next_due() const { return held_.empty() ? Instant::never() : held_.front().due; }
  // Takes out the frame that is due first. Its bytes stay until give_back().
  Held take();
  // Puts back what was taken and could not be delivered, in its old place.
  void put_back(const Held& held);
  void give_back(const Held& held) { free_.push_back(held.buffer); }

  // The held frame as a packet, to hand on.
  Packet packet_of(const Held& held);

  const FaultOptions& options() const { return options_; }
  const FaultCounters& counters() const { return counters_; }

 private:
  struct Fate {
    bool lost, duplicated, corrupted, reordered;
    uint64_t bits;  // seed of what corruption turns
    Duration jitter;
  };

  Fate draw_fate();
  void hold(Instant due, const Packet& packet, const Fate* corrupting);

  FaultOptions options_;
  Random random_;
  FaultCounters counters_;
  FrameBuffers buffers_;
  std::vector<uint32_t> free_;
  std::vector<Held> held_;  // a heap, the first due in front
  uint64_t arrivals_ = 0;
  Instant latest_due_;  // of frames that keep their order
};

}  // namespace sluice
