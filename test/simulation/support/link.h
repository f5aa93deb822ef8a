// Two hosts with one TCP each, and a link between them that loses, repeats, damages and delays.
#pragma once

#include <array>
#include <memory>

#include "port/fault_port.h"
#include "port/memory_port.h"
#include "support/tcp_host.h"

namespace sluice::test {

struct SimulatedHost {
  TcpLimits limits;
  TcpConfig config;
  TcpPath path;
};

struct SimulatedLink {
  std::array<SimulatedHost, 2> hosts;
  FaultOptions faults;  // each way
  bool ipv6 = false;
  uint64_t seed = 1;
};

// What no TCP may do, seen by what one side sends (TCPX-22, TCPX-24).
class SenderRules {
 public:
  // Empty, or what was broken.
  std::string check(Packet packet) {
    if (!take_tcp(packet)) return "sent what is no sound TCP packet";
    const TcpSegment segment = read_segment(packet);
    if (segment.has(kTcpSyn)) scale_ = segment.window_scale;
    if (segment.has(kTcpRst)) return {};
    end_ = seen_ ? std::max(end_, segment.end()) : segment.end();
    if (!segment.has(kTcpAck)) return seen_ = true, std::string();
    const bool scaled = !segment.has(kTcpSyn) && scales_both && scale_ != kNoWindowScale;
    const Seq edge = segment.ack + (uint32_t{segment.window} << (scaled ? scale_ : 0));
    if (acked_ && edge < edge_) return "took window back";
    if (acked_ && segment.ack < ack_) return "took an acknowledgement back";
    edge_ = edge;
    ack_ = segment.ack;
    acked_ = seen_ = true;
    return {};
  }
  bool acked() const { return acked_; }
  Seq ack() const { return ack_; }
  Seq end() const { return end_; }

  bool scales_both = false;

 private:
  uint8_t scale_ = kNoWindowScale;
  bool seen_ = false;
  bool acked_ = false;
  Seq edge_, ack_, end_;
};

class Link {
 public:
  explicit Link(const SimulatedLink& options);

  TcpHost& host(size_t side) { return *hosts_[side]; }
  // Prints what both sides send from now on.
  void trace() { traced_ = true; }
  // Carries out what is due now, and what follows from it at once. Empty, or a broken rule.
  std::string run(Instant now);
  // When there is something to do again.
  Instant next() const;

 private:
  std::string transmit(size_t side, Instant now);
  bool receive(size_t side, Instant now);

  std::array<std::unique_ptr<TcpHost>, 2> hosts_;
  std::array<std::unique_ptr<FaultPort>, 2> ports_;
  std::array<SenderRules, 2> rules_;
  bool traced_ = false;
};

}  // namespace sluice::test
