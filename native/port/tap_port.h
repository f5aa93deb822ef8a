#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "port/device_drops.h"
#include "port/file_descriptor.h"
#include "port/frame_buffers.h"
#include "port/port.h"
#include "port/port_options.h"
#include "port/steering_program.h"

namespace sluice {

class Netlink;

// A TAP device that the port makes: what the kernel sends on it is received here, and what is
// transmitted here arrives at the kernel. The device goes when the port goes, unless somebody had
// made it persistent before.
//
// Needs CAP_NET_ADMIN. System calls: a read() or write() a frame, and every second
// the reading of how many the kernel had to drop.
class TapPort : public Port {
 public:
  // What a port for frames of the default size maps.
  static constexpr size_t kMemory = FrameBuffers::memory(kBatchCapacity, kMaxFrame);

  // The device is up and has its addresses when this returns. `largest_frame` is what a buffer
  // holds; longer frames are counted as truncated.
  static Result<std::unique_ptr<TapPort>> open(const PortOptions& options,
                                               size_t largest_frame = kMaxFrame);
  // Several ports, each a queue of the device. The kernel sends by what the program says; without
  // one, a flow's packets by the queue that its answers came by. The first one counts the kernel's
  // drops for all.
  static Result<std::vector<std::unique_ptr<TapPort>>> open_several(
      const PortOptions& options, size_t count, const SteeringProgram* program,
      size_t largest_frame = kMaxFrame);

  size_t receive(Instant now, Batch& batch) override;
  void release() override {}
  size_t transmit(Instant now, std::span<Packet* const> packets) override;
  int wait_fd() const override { return tap_.get(); }
  const PortCapabilities& capabilities() const override { return capabilities_; }
  const PortCounters& counters() const override { return counters_; }
  MacAddress mac() const override { return mac_; }
  const std::string& name() const override { return name_; }
  // The kernel's side is another host on the link.
  std::span<const IpAddress> host_addresses() const override { return {}; }
  const std::string& description() const override { return description_; }
  bool restores_settings() const override { return false; }

 private:
  TapPort(const PortOptions& options, FileDescriptor tap, size_t largest_frame);

  static Result<std::vector<std::unique_ptr<TapPort>>> open_here(const PortOptions& options,
                                                                 size_t count,
                                                                 const SteeringProgram* program,
                                                                 size_t largest_frame);
  static Result<std::unique_ptr<TapPort>> open_queue(const PortOptions& options, size_t count,
                                                     size_t largest_frame);
  void steer_by(const SteeringProgram* program);
  Status set_offloads(bool wanted);
  Status set_up_host_side(const PortOptions& options, Netlink& netlink);
  bool read_frame(uint8_t* frame, Packet& packet);
  void count_missed(Instant now);
  void leave_device();

  std::string name_;
  std::string description_ = "TAP";
  std::string device_;
  FileDescriptor tap_;
  std::optional<DeviceDrops> drops_;  // of the first queue
  FrameBuffers buffers_;
  PortCapabilities capabilities_;
  PortCounters counters_;
  MacAddress mac_;
  bool device_gone_ = false;
  uint64_t dropped_before_ = 0;  // by the kernel, when the port was opened
  Instant next_count_;
};

}  // namespace sluice
