#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "port/fault_queue.h"
#include "port/port.h"

namespace sluice {

// A port around a port that loses, repeats, damages, delays and reorders frames, each direction by
// its own options. The same seed and the same frames at the same instants give the same run; `now`
// is the only clock. A direction without faults is that of the inner port itself.
//
// The other direction's frames are copied. What is delayed is sent or handed out by the first call
// of receive() or transmit() after its time, which deadline() tells. A frame that meets a full
// queue is refused (transmit) or counted as missed (receive). One that the inner port refuses when
// its time has come is offered again with the next call.
class FaultPort : public Port {
 public:
  FaultPort(std::unique_ptr<Port> inner, uint64_t seed, const FaultOptions& receiving,
            const FaultOptions& transmitting);

  size_t receive(Instant now, Batch& batch) override;
  void release() override;
  size_t transmit(Instant now, std::span<Packet* const> packets) override;
  int wait_fd() const override { return inner_->wait_fd(); }
  Instant deadline() const override;
  const PortCapabilities& capabilities() const override { return inner_->capabilities(); }
  const PortCounters& counters() const override { return counters_; }
  MacAddress mac() const override { return inner_->mac(); }
  const std::string& name() const override { return inner_->name(); }
  std::span<const IpAddress> host_addresses() const override { return inner_->host_addresses(); }
  const std::string& description() const override { return inner_->description(); }
  bool restores_settings() const override { return inner_->restores_settings(); }

  const FaultCounters& receiving() const { return receiving_.counters(); }
  const FaultCounters& transmitting() const { return transmitting_.counters(); }
  Port& inner() { return *inner_; }

 private:
  void admit_arrivals(Instant now);
  size_t hand_out(Instant now, Batch& batch);
  void send_due(Instant now);

  std::unique_ptr<Port> inner_;
  FaultQueue receiving_;
  FaultQueue transmitting_;
  PortCounters counters_;
  uint64_t overflowed_ = 0;  // arrivals that met a full queue
  Batch arrivals_;
  std::array<FaultQueue::Held, kBatchCapacity> handed_out_;
  size_t handed_out_count_ = 0;
};

}  // namespace sluice
