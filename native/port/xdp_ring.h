#pragma once

#include <linux/if_xdp.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.h"

namespace sluice {

// One of the four rings that an AF_XDP socket shares with the kernel. We are the consumer of two
// (received frames, completed transmissions) and the producer of two (chunks to fill, frames to
// send). Each side writes its own position only, and it alone; positions run on beyond the size.
template <class Entry>
class XdpRing {
 public:
  // `page` is the ring's place in the address space of the socket (XDP_PGOFF_*), `entries` a power
  // of two.
  static Result<XdpRing> map(int socket, uint64_t page, const xdp_ring_offset& layout,
                             uint32_t entries) {
    const size_t size = layout.desc + entries * sizeof(Entry);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, socket,
                        static_cast<off_t>(page));
    if (memory == MAP_FAILED) return Error{"map a ring of an AF_XDP socket", errno, ""};
    return XdpRing(static_cast<uint8_t*>(memory), size, layout, entries);
  }
  XdpRing(XdpRing&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)),
        size_(other.size_),
        producer_(other.producer_),
        consumer_(other.consumer_),
        flags_(other.flags_),
        entries_(other.entries_),
        mask_(other.mask_),
        position_(other.position_) {}
  XdpRing& operator=(XdpRing&&) = delete;
  ~XdpRing() {
    if (memory_ != nullptr) munmap(memory_, size_);
  }

  // Of a consumer: how many entries wait.
  uint32_t filled() const { return __atomic_load_n(producer_, __ATOMIC_ACQUIRE) - position_; }
  void consume(uint32_t count) {
    position_ += count;
    __atomic_store_n(consumer_, position_, __ATOMIC_RELEASE);
  }

  // Of a producer: how many entries the kernel has not taken yet.
  uint32_t pending() const { return position_ - __atomic_load_n(consumer_, __ATOMIC_ACQUIRE); }
  void produce(uint32_t count) {
    position_ += count;
    __atomic_store_n(producer_, position_, __ATOMIC_RELEASE);
  }

  // The entry that lies `index` places behind our position.
  Entry& entry(uint32_t index) const { return entries_[(position_ + index) & mask_]; }

  // Whether the kernel goes on only when it is told to (XDP_USE_NEED_WAKEUP).
  bool needs_wakeup() const {
    return (__atomic_load_n(flags_, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0;
  }

 private:
  XdpRing(uint8_t* memory, size_t size, const xdp_ring_offset& layout, uint32_t entries)
      : memory_(memory),
        size_(size),
        producer_(reinterpret_cast<uint32_t*>(memory + layout.producer)),
        consumer_(reinterpret_cast<uint32_t*>(memory + layout.consumer)),
        flags_(reinterpret_cast<uint32_t*>(memory + layout.flags)),
        entries_(reinterpret_cast<Entry*>(memory + layout.desc)),
        mask_(entries - 1) {}

  uint8_t* memory_;
  size_t size_;
  uint32_t* producer_;
  uint32_t* consumer_;
  uint32_t* flags_;
  Entry* entries_;
  uint32_t mask_;
  uint32_t position_ = 0;
};

}  // namespace sluice
