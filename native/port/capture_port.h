#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "port/pcapng_writer.h"
#include "port/port.h"

namespace sluice {

// A port around a port that writes what passes to a capture file: frames as they were received,
// and those that were accepted for sending, super-packets and partial checksums as they are.
// File writes happen in the calling worker: a slow disk slows it, a FIFO
// that nobody reads loses frames instead.
class CapturePort : public Port {
 public:
  // `wall_clock_offset` is the wall clock minus the clock of `now`.
  CapturePort(std::unique_ptr<Port> inner, std::unique_ptr<PcapngWriter> writer,
              Duration wall_clock_offset);

  size_t receive(Instant now, Batch& batch) override;
  void release() override { inner_->release(); }
  size_t transmit(Instant now, std::span<Packet* const> packets) override;
  int wait_fd() const override { return inner_->wait_fd(); }
  Instant deadline() const override { return inner_->deadline(); }
  const PortCapabilities& capabilities() const override { return inner_->capabilities(); }
  const PortCounters& counters() const override { return inner_->counters(); }
  MacAddress mac() const override { return inner_->mac(); }
  const std::string& name() const override { return inner_->name(); }
  std::span<const IpAddress> host_addresses() const override { return inner_->host_addresses(); }
  const std::string& description() const override { return inner_->description(); }
  bool restores_settings() const override { return inner_->restores_settings(); }

 private:
  void record(Instant now, CaptureDirection direction, const Packet& packet);

  std::unique_ptr<Port> inner_;
  std::unique_ptr<PcapngWriter> writer_;
  Duration wall_clock_offset_;
  uint32_t interface_;
  Instant next_flush_;
};

}  // namespace sluice
