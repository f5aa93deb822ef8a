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
  constexpr size_t memory() const { return block_size * blocks; }
};

// The ring of an AF_PACKET socket (TPACKET_V2), mapped. Each slot belongs either to the kernel or
// to us; it changes hands by its status word, in the order of the slots.
class PacketRing {
 public:
  enum class Direction { receive, transmit };
  static Result<PacketRing> make(int socket, Direction direction, const RingShape& shape,
                                 const std::string& device);
  PacketRing(PacketRing&& other) noexcept;
  PacketRing& operator=(PacketRing&&) = delete;
  ~PacketRing();

  size_t slots() const { return slots_.size(); }

  tpacket2_hdr* slot(size_t index) const { return slots_[index]; }
  // What the kernel wrote to the slot before this status is visible to us.
  uint32_t status(size_t index) const {
    return __atomic_load_n(&slots_[index]->tp_status, __ATOMIC_ACQUIRE);
  }
  // All that we did to the slot is done before the kernel sees the status.
  void set_status(size_t index, uint32_t status) const {
    __atomic_store_n(&slots_[index]->tp_status, status, __ATOMIC_RELEASE);
  }
  size_t after(size_t index) const { return index + 1 == slots_.size() ? 0 : index + 1; }

 private:
  PacketRing(const RingShape& shape, uint8_t* memory);

  uint8_t* memory_;
  size_t memory_size_;
  std::vector<tpacket2_hdr*> slots_;
};

}  // namespace sluice
