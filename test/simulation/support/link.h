// Two hosts with one TCP each, and a link between them that loses, repeats, damages and delays.
#pragma once

#include <array>
#include <memory>

#include "port/fault_port.h"
#include "port/memory_port.h"
#include "support/tcp_host.h"
#include "support/tcp_rules.h"

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
  uint32_t steps_ = 0;
};

}  // namespace sluice::test
