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
#include "segment/hand_over.h"
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

  // Hands over whole messages, back to back. Returns the bytes taken: fewer when a ring is full.
  // What does not begin with a message is taken as one invalid message. A message about a flow
  // reaches the worker that has the flow; CSMB messages reach all, and each acknowledges.
  size_t submit(ConstByteSpan messages);
  // Fills `into` with as many whole messages as fit; returns the bytes.
  size_t drain(ByteSpan into);

  // The same of messages about sockets (bus/streams.def), each for the worker that it names.
  size_t write_streams(ConstByteSpan messages);
  size_t read_streams(ByteSpan into);

  // What the bytes of a socket that move in the engine have come to; nullptr where it cannot be.
  const RelayProgress* relay_progress(uint32_t socket) const;

  // Lets somebody see what passes the ports, one at a time. False while a worker is still at the
  // last one: ask again.
  bool start_capture(const CaptureOrder& order);
  // Blocks of a capture file: those that it begins with, as many frames as fit, and after
  // stop_capture() those that it ends with.
  std::vector<uint8_t> capture_head(uint32_t most_bytes) const;
  size_t drain_capture(ByteSpan into);
  void stop_capture();
  std::vector<uint8_t> capture_tail() const;

  // The worker to which packets to each L4 port of an address come that are steered by where they
  // go: from `first` on, as many as `into` has room for.
  void homes_of(const IpAddress& address, L4Port first, std::span<uint8_t> into) const;

  // Counters, gauges, drop counters, then seven figures of each port, summed over all workers;
  // returns how many there are.
  size_t read_counters(std::span<uint64_t> into) const;
  // Port::description() of each port.
  const std::vector<std::string>& port_descriptions() const { return port_descriptions_; }
  // Port::restores_settings() of any port.
  bool restores_settings() const { return restores_settings_; }

 private:
  // A worker, and what it shares with the control side.
  struct Member {
    Member(const SegmentOptions& options, uint32_t index, uint64_t seed, WorkerTeam& team);

    MessageRing from_control;
    MessageRing to_control;
    MessageRing from_sockets;
    MessageRing to_sockets;
    Counters counters;
    PortFigures port_figures;
    Worker worker;
    std::thread thread;
  };

  Segment(const SegmentOptions& options, std::function<void()> notify);
  Status configure(const SegmentOptions& options);
  Status add_port(const SegmentPort& wanted, SteerBy others);
  Status run(const SegmentOptions& options);
  bool deliver(ConstByteSpan message, uint64_t& reached);
  uint32_t worker_for(ConstByteSpan message) const;
  uint32_t worker_of_socket(ConstByteSpan message) const;
  size_t drain(MessageRing Member::*ring, uint32_t& first, ByteSpan into);
  void wake(uint64_t workers);

  const uint8_t node_;
  WorkerTeam team_;
  std::vector<std::unique_ptr<Member>> members_;
  // The workers whose messages come first with the next drain() and the next read_streams().
  uint32_t drain_first_ = 0;
  uint32_t read_first_ = 0;
  std::vector<std::string> port_names_;
  std::vector<std::string> port_descriptions_;
  bool restores_settings_ = false;
  std::function<void()> notify_;
  std::atomic<bool> notified_{false};
  std::atomic<bool> stop_{false};
};

}  // namespace sluice
