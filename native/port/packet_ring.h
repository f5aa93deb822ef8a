#pragma once

#include <linux/if_packet.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace sluice {

// How the memory of a ring is cut. Slots of the default size hold what Ethernet's ordinary MTU lets
// through; longer frames the kernel keeps for recv(), see PacketPort. The whole ring is worked
// through again and again, so it is no larger than what bursts need: 4 MB.
struct RingShape {
  size_t slot_size = 2048;
  size_t block_size = size_t{256} << 10;
  size_t blocks = 16;

  size_t slots_per_block() const { return block_size / slot_size; }
  size_t slots() const { return slots_per_block() * blocks; }
};

// The receive ring of an AF_PACKET socket (TPACKET_V2), mapped. Each slot belongs either to the
// kernel or to us; it changes hands by its status word, in the order of the slots.
class PacketRing {
 public:
  static Result<PacketRing> make(int socket, const RingShape& shape, const std::string& device);
  PacketRing(PacketRing&& other) noexcept;
  PacketRing& operator=(PacketRing&&) = delete;
  ~PacketRing();

  size_t slots() const { return slots_.size(); }

  // The slot, if the kernel has handed it over; else nullptr. What the kernel wrote to it is then
  // visible to us.
  tpacket2_hdr* filled(size_t slot) const {
    const uint32_t status = __atomic_load_n(&slots_[slot]->tp_status, __ATOMIC_ACQUIRE);
    return (status & TP_STATUS_USER) != 0 ? slots_[slot] : nullptr;
  }
  // Gives the slot to the kernel; all that we did to it is done before.
  void give_back(size_t slot) const {
    __atomic_store_n(&slots_[slot]->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
  }

 private:
  PacketRing(const RingShape& shape, uint8_t* memory);

  uint8_t* memory_;
  size_t memory_size_;
  std::vector<tpacket2_hdr*> slots_;
};

}  // namespace sluice
