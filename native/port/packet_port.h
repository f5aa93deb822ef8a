#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "port/device_claim.h"
#include "port/file_descriptor.h"
#include "port/frame_buffers.h"
#include "port/kernel_silence.h"
#include "port/netlink.h"
#include "port/packet_ring.h"
#include "port/packet_sender.h"
#include "port/port.h"
#include "port/port_options.h"
#include "port/steering_program.h"

namespace sluice {

// An existing Ethernet device, by AF_PACKET. Frames up to the size of a slot are received in place:
// packets point into a ring shared with the kernel, whose slots go back with release(). Longer ones
// (super-packets, jumbo frames) only begin in their slot; the kernel keeps them whole, in the same
// order, and recv() copies each into one of few buffers, which stay in the cache. PacketSender
// sends.
//
// On a device that has no address of the kernel, the kernel is silenced (KernelSilence). A device
// that the host uses as well keeps its settings; the engine may share it as long as the kernel
// neither has an address of the engine nor would forward what is addressed to the engine.
//
// Large receive offload (`ethtool -K DEV lro off`) must be off: its super-packets have complete
// checksums and are handed out as frames that no link takes.
//
// Needs CAP_NET_RAW and CAP_NET_ADMIN. System calls: send() or sendmmsg() a batch, recv() a frame
// longer than a slot, and two every 100 ms for the kernel's count of lost frames and the state of
// the link.
class PacketPort : public Port {
 public:
  // As many super-packets as stay in a core's second-level cache on their way through.
  static constexpr size_t kLongFrames = 32;
  // What a port of the default shape maps.
  static constexpr size_t kMemory = RingShape{}.memory() + PacketSender::kRing.memory() +
                                    FrameBuffers::memory(kLongFrames, kMaxFrame);

  static Result<std::unique_ptr<PacketPort>> open(const PortOptions& options,
                                                  const RingShape& shape = {});
  // Several ports that share the frames of the device, as PacketFanout says. The kernel is silent
  // until the last of them goes.
  static Result<std::vector<std::unique_ptr<PacketPort>>> open_several(
      const PortOptions& options, size_t count, const SteeringProgram* program,
      const RingShape& shape = {});

  size_t receive(Instant now, Batch& batch) override;
  void release() override;
  size_t transmit(Instant now, std::span<Packet* const> packets) override;
  int wait_fd() const override { return socket_.get(); }
  const PortCapabilities& capabilities() const override { return capabilities_; }
  const PortCounters& counters() const override { return counters_; }
  MacAddress mac() const override { return mac_; }
  const std::string& name() const override { return name_; }
  std::span<const IpAddress> host_addresses() const override { return host_addresses_; }
  const std::string& description() const override { return description_; }
  bool restores_settings() const override { return silence_ && silence_->restores_settings(); }

 private:
  PacketPort(const PortOptions& options, FileDescriptor socket, PacketRing ring,
             PacketSender sender);

  static Result<std::unique_ptr<PacketPort>> open_unbound(const PortOptions& options,
                                                          const LinkInfo& link,
                                                          const RingShape& shape);
  static Result<std::vector<std::unique_ptr<PacketPort>>> open_here(const PortOptions& options,
                                                                    size_t count,
                                                                    const SteeringProgram* program,
                                                                    const RingShape& shape);
  static Status bind_all(const std::vector<std::unique_ptr<PacketPort>>& ports,
                         const LinkInfo& link, const SteeringProgram* program);
  Status take_device(const PortOptions& options, const LinkInfo& link, Netlink& netlink);
  enum class Slot { whole, truncated, missed };
  Slot read_slot(tpacket2_hdr* slot, Packet& packet);
  Slot read_long_frame(Packet& packet);
  void collect_statistics(Instant now);

  std::string name_;
  std::string description_ = "AF_PACKET";
  std::string device_;
  FileDescriptor socket_;
  PacketRing ring_;
  PacketSender sender_;
  FrameBuffers long_frames_;
  size_t long_frames_used_ = 0;             // by the batch in hand
  std::shared_ptr<DeviceClaim> claim_;      // of all on the device
  std::shared_ptr<KernelSilence> silence_;  // likewise
  std::vector<IpAddress> host_addresses_;   // likewise
  PortCapabilities capabilities_;
  PortCounters counters_;
  MacAddress mac_;
  size_t next_ = 0;  // slot that the kernel fills next
  size_t held_ = 0;  // slots before it that are ours until release()
  Instant next_statistics_;
};

}  // namespace sluice
