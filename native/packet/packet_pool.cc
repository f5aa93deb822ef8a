#include "packet/packet_pool.h"

#include <cstring>
#include <new>

#include "base/check.h"

namespace sluice {

PacketPool::PacketPool(size_t small_count, size_t large_count)
    : small_(small_count, kSmallBuffer), large_(large_count, kLargeBuffer) {}

PacketPool::SizeClass::SizeClass(size_t count, size_t buffer_size)
    : slots(count), buffers(count * buffer_size), buffer_size(buffer_size) {}

PooledPacket* PacketPool::SizeClass::take() {
  PooledPacket* pooled = free_list;
  if (pooled != nullptr) {
    free_list = pooled->next;
  } else if (fresh < slots.size()) {
    pooled = new (&slots[fresh++]) PooledPacket;
  } else {
    return nullptr;
  }
  ++used;
  return pooled;
}

PooledPacket* PacketPool::copy(const Packet& packet) {
  SLUICE_CHECK(packet.length <= kMaxFrame);
  SizeClass& size = packet.length <= kSmallFrame ? small_ : large_;
  PooledPacket* pooled = size.take();
  if (pooled == nullptr) return nullptr;
  const auto index = static_cast<size_t>(pooled - size.slots.data());
  pooled->packet = packet;
  pooled->packet.data = size.buffers.data() + index * size.buffer_size + kHeadroom;
  std::memcpy(pooled->packet.data, packet.data, packet.length);
  return pooled;
}

void PacketPool::free(PooledPacket* pooled) {
  const PooledPacket* small = small_.slots.data();
  const bool is_small = pooled >= small && pooled < small + small_.slots.size();
  SizeClass& size = is_small ? small_ : large_;
  pooled->next = size.free_list;
  size.free_list = pooled;
  --size.used;
}

}  // namespace sluice
