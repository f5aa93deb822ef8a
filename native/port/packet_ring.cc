#include "port/packet_ring.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "port/host_error.h"

namespace sluice {

Result<PacketRing> PacketRing::make(int socket, Direction direction, const RingShape& shape,
                                    const std::string& device) {
  const int option = direction == Direction::receive ? PACKET_RX_RING : PACKET_TX_RING;
  tpacket_req request{};
  request.tp_block_size = static_cast<unsigned>(shape.block_size);
  request.tp_block_nr = static_cast<unsigned>(shape.blocks);
  request.tp_frame_size = static_cast<unsigned>(shape.slot_size);
  request.tp_frame_nr = static_cast<unsigned>(shape.slots());
  if (setsockopt(socket, SOL_PACKET, option, &request, sizeof request) != 0) {
    return host_error("make the packet ring of " + device, errno, device);
  }
  void* memory =
      mmap(nullptr, shape.block_size * shape.blocks, PROT_READ | PROT_WRITE, MAP_SHARED, socket, 0);
  if (memory == MAP_FAILED) return host_error("map the packet ring of " + device, errno, device);
  return PacketRing(shape, static_cast<uint8_t*>(memory));
}

PacketRing::PacketRing(const RingShape& shape, uint8_t* memory)
    : memory_(memory), memory_size_(shape.block_size * shape.blocks) {
  slots_.reserve(shape.slots());
  for (size_t block = 0; block < shape.blocks; ++block) {
    for (size_t within = 0; within < shape.slots_per_block(); ++within) {
      uint8_t* slot = memory + block * shape.block_size + within * shape.slot_size;
      slots_.push_back(reinterpret_cast<tpacket2_hdr*>(slot));
    }
  }
}

PacketRing::PacketRing(PacketRing&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      memory_size_(other.memory_size_),
      slots_(std::move(other.slots_)) {}

PacketRing::~PacketRing() {
  if (memory_ != nullptr) munmap(memory_, memory_size_);
}

}  // namespace sluice
