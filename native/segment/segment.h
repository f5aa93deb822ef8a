// segment/: the data flow segment. The only folder that knows all the others: the pipeline is the
// path of a packet, the worker the only loop, Segment owns everything and is what the addon talks
// to. JavaScript's thread calls Segment; all else here belongs to the worker's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "bus/message_ring.h"
#include "segment/counters.h"
#include "segment/segment_options.h"
#include "segment/worker.h"

namespace sluice {

// A running data flow segment in this process. All calls come from one thread, which is not the
// worker's.
class Segment {
 public:
  // Opens the ports, reserves all memory, starts the worker. `notify` is called from the worker's
  // thread when messages wait to be drained, once until the next drain().
  static Result<std::unique_ptr<Segment>> start(const SegmentOptions& options,
                                                std::function<void()> notify);
  // Stops the worker and closes the ports.
  ~Segment();

  // Hands over whole messages, back to back. Returns the bytes taken: fewer when the ring is full.
  // What does not begin with a message is taken as one invalid message.
  size_t submit(ConstByteSpan messages);
  // Fills `into` with as many whole messages as fit; returns the bytes.
  size_t drain(ByteSpan into);

  // Counters, gauges, drop counters, then seven figures of each port; returns how many there are.
  size_t read_counters(std::span<uint64_t> into) const;
  // Port::description() of each port.
  const std::vector<std::string>& port_descriptions() const { return port_descriptions_; }

 private:
  Segment(const SegmentOptions& options, std::function<void()> notify);
  Status configure(const SegmentOptions& options);
  void run();

  MessageRing from_control_;
  MessageRing to_control_;
  Counters counters_;
  PortFigures port_figures_;
  std::unique_ptr<Worker> worker_;
  size_t port_count_ = 0;
  std::vector<std::string> port_descriptions_;
  std::function<void()> notify_;
  std::atomic<bool> notified_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace sluice
