#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "bus/message_ring.h"
#include "packet/packet_pool.h"
#include "port/port.h"
#include "segment/bridge.h"
#include "segment/connections.h"
#include "segment/control_link.h"
#include "segment/counters.h"
#include "segment/datagrams.h"
#include "segment/flows.h"
#include "segment/fragments.h"
#include "segment/hand_over.h"
#include "segment/live_capture.h"
#include "segment/outbox.h"
#include "segment/pipeline.h"
#include "segment/segment_options.h"
#include "segment/time_base.h"
#include "segment/transmitter.h"
#include "stack/stack.h"

namespace sluice {

// Figures of the ports, as any thread may read them.
class PortFigures {
 public:
  static constexpr size_t kFigures = 7;  // of PortCounters, in their order

  void publish(PortId port, const PortCounters& counters);
  uint64_t read(PortId port, size_t figure) const {
    return values_[port][figure].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::array<std::atomic<uint64_t>, kFigures>, kMaxPorts> values_{};
};

// One thread's share of a segment: its ports, flows, stack, and the only loop. Owns all of them
// but the rings and the figures, which the control side shares.
class Worker final : public FrameSink {
 public:
  struct Options {
    Flows::Options flows;
    StackLimits stack;
    Forwarding forwarding = Forwarding::route;
    uint64_t seed = 0;
    uint32_t index = 0;  // in its team
    SynCookiePolicy syn_cookies = SynCookiePolicy::never;
    SipKey cookie_secret;
  };
  struct Shared {
    MessageRing& from_control;
    MessageRing& to_control;
    MessageRing& from_sockets;
    MessageRing& to_sockets;
    Counters& counters;
    PortFigures& ports;
    WorkerTeam& team;
  };

  Worker(const Options& options, const Shared& shared, Instant now, Duration wall_clock_offset);

  // Configuration, before the first poll(). `internal` as in Pipeline::add_port.
  PortId add_port(std::unique_ptr<Port> port, bool internal);
  Stack& stack() { return stack_; }
  LiveCapture& capture() { return capture_; }
  // As Connections and Datagrams have it.
  const RelayProgress* relay_progress(uint32_t socket) const {
    return Datagrams::is_of_datagrams(socket) ? datagrams_.relay_progress(socket)
                                              : connections_.relay_progress(socket);
  }

  // One iteration: messages, ports, timers. False if there was nothing to do.
  bool poll(Instant now);
  // When the next poll() has something to do though no port and no ring has.
  Instant deadline(Instant now) const;

  // Polls until `stop`, sleeping while there is nothing to do. `notify` is called, off the packet
  // path, after messages were put into the ring to control.
  void run(const std::atomic<bool>& stop, const std::function<void()>& notify);
  // After a push into the ring from control, from that thread: ends the worker's sleep.
  void wake() { sleeper_.wake(); }

  // FrameSink
  void originate(PortId port, Packet& frame) override;
  void resume(PortId port, std::span<Packet* const> packets) override;
  void give_up(const Packet& packet) override;

 private:
  bool receive(Instant now, PortId id);
  bool take_over(Instant now, uint32_t from);
  bool handle_messages(Instant now);
  // Puts packets that waited through the pipeline, in order; done(packet) when they have left.
  template <class Done>
  void resume_waiting(Instant now, PacketQueue& packets, Done done);
  void resume_fragments(Instant now);
  void publish_figures();
  void sleep(Instant now, uint32_t wakes);

  Shared shared_;
  Counters& counters_;
  TimeBase time_;
  Instant now_;  // of the present poll, for the sink
  PacketPool pool_;
  Outbox outbox_;
  LiveCapture capture_;
  Transmitter transmitter_;
  Stack stack_;
  Flows flows_;
  Fragments fragments_;
  HandOver hand_over_;
  std::unique_ptr<Bridge> bridge_;
  SegmentFrames frames_;
  Datagrams datagrams_;
  Connections connections_;
  Pipeline pipeline_;
  ControlLink control_link_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<uint64_t> truncated_;  // of each port, counted so far
  Batch batch_;
  Sleeper& sleeper_;
};

}  // namespace sluice
