#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "base/instant.h"
#include "bus/message_ring.h"
#include "packet/packet.h"
#include "port/pcapng_blocks.h"

namespace sluice {

// Which packets a capture takes, and how much of each.
struct CaptureOrder {
  // An endpoint that has to be source or destination; zero stands for any address of its family,
  // and for any port. What has no L4 ports of its own, such as a fragment or an ICMP error, is
  // taken by its address.
  struct Endpoint {
    IpAddress address;
    L4Port port = 0;
    uint8_t protocol = 0;
  };

  uint32_t ports = ~uint32_t{0};  // a bit for each port of the engine
  uint32_t most_bytes = kMaxFrame;
  std::optional<IpAddress> host = std::nullopt;  // source or destination
  std::optional<Endpoint> endpoint = std::nullopt;
};

// What passes the ports of one worker, for somebody who looks on: frames as they were received, and
// those that were accepted for sending, super-packets and open checksums as they are. While nobody
// looks on a batch costs one comparison. The worker writes blocks of a capture file to a ring, or
// counts what there is no room for; another thread, which orders, reads them.
class LiveCapture {
 public:
  static constexpr size_t kRing = 8 << 20;  // touched while somebody looks on

  explicit LiveCapture(Duration wall_clock_offset) : wall_clock_offset_(wall_clock_offset) {}

  // -- of the thread that orders

  // False while the worker is still at the last one.
  bool start(const CaptureOrder& order);
  void stop() { wanted_.store(nullptr); }
  // Whole blocks, as many as fit.
  size_t drain(ByteSpan into) { return ring_.drain(into); }
  // Frames of a port that this capture took, and those that it had no room for.
  uint64_t taken(PortId port) const { return figures_[port].taken.load(); }
  uint64_t lost(PortId port) const { return figures_[port].lost.load(); }

  // -- of the worker

  // Between two batches: begins and ends what was ordered.
  void poll() {
    const CaptureOrder* wanted = wanted_.load(std::memory_order_acquire);
    if (wanted == active_) return;
    active_ = wanted;
    seen_.store(wanted, std::memory_order_release);
  }
  void received(Instant now, PortId port, std::span<const Packet> packets) {
    if (active_ == nullptr) return;
    for (const Packet& packet : packets) record(now, port, CaptureDirection::inbound, packet);
  }
  void sent(Instant now, PortId port, std::span<Packet* const> packets) {
    if (active_ == nullptr) return;
    for (const Packet* packet : packets) record(now, port, CaptureDirection::outbound, *packet);
  }

 private:
  struct Figures {
    std::atomic<uint64_t> taken{0};
    std::atomic<uint64_t> lost{0};
    uint64_t lost_since = 0;  // the last one that was taken; the worker's
  };

  void record(Instant now, PortId port, CaptureDirection direction, const Packet& packet);

  const Duration wall_clock_offset_;
  MessageRing ring_{kRing};
  CaptureOrder order_;  // written while neither of these points to it
  std::atomic<const CaptureOrder*> wanted_{nullptr};
  std::atomic<const CaptureOrder*> seen_{nullptr};
  const CaptureOrder* active_ = nullptr;  // the worker's
  std::array<Figures, kMaxPorts> figures_;
};

}  // namespace sluice
