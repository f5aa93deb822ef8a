#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "port/frame_buffers.h"
#include "port/port.h"

namespace sluice {

struct MemoryPortOptions {
  std::string name;
  MacAddress mac;
  PortCapabilities capabilities;
  static constexpr size_t kQueueFrames = 256;
  // That wait to be received here; more are refused to the sender.
  size_t queue_frames = kQueueFrames;
  size_t largest_frame = kMaxFrame;  // longer ones count as truncated here
};

// A frame outside any port, as tests and benches hold it.
struct MemoryFrame {
  std::vector<uint8_t> bytes;
  Offload offload;
};

// One of two ports joined in the process: what one transmits, the other receives, at once, copied
// once. Time does not matter to it. Not thread-safe: the two sides, though they are two ports,
// belong to one thread. Either may go first; what is sent to one that is gone is refused.
class MemoryPort : public Port {
 public:
  // What a pair of the default options maps.
  static constexpr size_t kPairMemory =
      2 * FrameBuffers::memory(MemoryPortOptions::kQueueFrames, kMaxFrame);

  using Pair = std::pair<std::unique_ptr<MemoryPort>, std::unique_ptr<MemoryPort>>;
  static Pair make_pair(const MemoryPortOptions& a, const MemoryPortOptions& b);
  ~MemoryPort() override;

  size_t receive(Instant now, Batch& batch) override;
  void release() override;
  size_t transmit(Instant now, std::span<Packet* const> packets) override;
  const PortCapabilities& capabilities() const override { return options_.capabilities; }
  const PortCounters& counters() const override { return counters_; }
  MacAddress mac() const override { return options_.mac; }
  const std::string& name() const override { return options_.name; }
  std::span<const IpAddress> host_addresses() const override { return {}; }
  const std::string& description() const override { return description_; }
  bool restores_settings() const override { return false; }

  // Puts a frame into this port's queue, as if the other side had transmitted it. Returns false
  // where the queue is full.
  bool inject(ConstByteSpan frame, const Offload& offload = {});
  // Takes the oldest frame that waits here to be received. Not between receive() and release().
  std::optional<MemoryFrame> take();
  // Forgets the frames that wait here and returns how many.
  size_t discard();

 private:
  struct Waiting {
    uint32_t length = 0;
    Offload offload;
  };

  explicit MemoryPort(const MemoryPortOptions& options);

  // Index of the nth waiting frame; a division would cost more than the rest of receive().
  size_t slot(size_t nth) const {
    const size_t at = first_ + nth;
    return at < options_.queue_frames ? at : at - options_.queue_frames;
  }
  void forget(size_t count);

  MemoryPortOptions options_;
  std::string description_ = "memory";
  PortCounters counters_;
  MemoryPort* peer_ = nullptr;
  FrameBuffers buffers_;
  std::vector<Waiting> waiting_;  // ring: `count_` frames from `first_`, buffer i with entry i
  size_t first_ = 0;
  size_t count_ = 0;
  size_t handed_out_ = 0;  // of those, by the last receive()
};

}  // namespace sluice
