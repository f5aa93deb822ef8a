#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "port/port.h"

namespace sluice {

// A port around a port that is in one VLAN of its link, or in one within another (802.1ad): its
// frames lose their tags on the way in and get them back on the way out, so that nobody else knows
// of them (TCPX-75). Those of other VLANs, and untagged ones, are handed out dropped.
//
// Kernels segment no frames with a tag in them, nor complete their checksums: the engine does.
class VlanPort : public Port {
 public:
  static constexpr size_t kMostTags = 2;

  // `vlans`: from the outermost, 1 to 4094 each. A second tag takes four bytes of the link's MTU.
  VlanPort(std::unique_ptr<Port> inner, const std::vector<uint16_t>& vlans);

  size_t receive(Instant now, Batch& batch) override;
  void release() override { inner_->release(); }
  size_t transmit(Instant now, std::span<Packet* const> packets) override;
  int wait_fd() const override { return inner_->wait_fd(); }
  Instant deadline() const override { return inner_->deadline(); }
  const PortCapabilities& capabilities() const override { return capabilities_; }
  const PortCounters& counters() const override { return inner_->counters(); }
  MacAddress mac() const override { return inner_->mac(); }
  const std::string& name() const override { return inner_->name(); }
  std::span<const IpAddress> host_addresses() const override { return inner_->host_addresses(); }
  const std::string& description() const override { return description_; }
  bool restores_settings() const override { return inner_->restores_settings(); }

 private:
  bool has_tags(const Packet& packet) const;
  void take_tags(Packet& packet) const;
  size_t transmit_batch(Instant now, std::span<Packet* const> packets);

  std::unique_ptr<Port> inner_;
  std::array<uint8_t, 4 * kMostTags> tags_;  // as they stand in a frame
  size_t size_;                              // bytes of those
  PortCapabilities capabilities_;
  std::string description_;
  std::array<Packet, kBatchCapacity> tagged_;  // of the batch that is being sent
  std::array<Packet*, kBatchCapacity> pointers_;
};

}  // namespace sluice
