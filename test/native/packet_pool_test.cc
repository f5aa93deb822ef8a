#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "packet/packet_pool.h"

namespace sluice {
namespace {

struct Frame {
  explicit Frame(size_t length, uint8_t fill = 0xa5) : bytes(length, fill) {
    packet.data = bytes.data();
    packet.length = static_cast<uint32_t>(length);
  }
  std::vector<uint8_t> bytes;
  Packet packet;
};

}  // namespace

TEST_CASE("A pooled packet keeps bytes, offload, headers and key, and has headroom") {
  PacketPool pool(2, 2);
  for (const size_t length :
       {size_t{14}, PacketPool::kSmallFrame, PacketPool::kSmallFrame + 1, kMaxFrame}) {
    Frame frame(length);
    frame.packet.in_port = 3;
    frame.packet.offload.gso_type = GsoType::tcp6;
    frame.packet.offload.gso_size = 1440;
    frame.packet.headers.l4 = 54;
    frame.packet.key.src_port = 80;
    PooledPacket* pooled = pool.copy(frame.packet);
    REQUIRE(pooled != nullptr);
    REQUIRE(pooled->packet.length == length);
    CHECK(std::memcmp(pooled->packet.data, frame.bytes.data(), length) == 0);
    CHECK(pooled->packet.data != frame.packet.data);
    CHECK(pooled->packet.in_port == 3);
    CHECK(pooled->packet.offload.gso_type == GsoType::tcp6);
    CHECK(pooled->packet.offload.gso_size == 1440);
    CHECK(pooled->packet.headers.l4 == 54);
    CHECK(pooled->packet.key.src_port == 80);
    std::memset(pooled->packet.data - kHeadroom, 0, kHeadroom + length);
    pool.free(pooled);
  }
  CHECK(pool.used() == 0);
}

TEST_CASE("The pool is bounded in each size, and a freed buffer is used again") {
  PacketPool pool(2, 1);
  CHECK(pool.capacity() == 3);
  Frame small(60);
  Frame large(9000);
  PooledPacket* first = pool.copy(small.packet);
  PooledPacket* second = pool.copy(small.packet);
  CHECK(pool.copy(small.packet) == nullptr);
  CHECK(pool.used() == 2);
  PooledPacket* super_packet = pool.copy(large.packet);
  CHECK(super_packet != nullptr);
  CHECK(pool.copy(large.packet) == nullptr);
  CHECK(pool.used() == 3);
  pool.free(first);
  CHECK(pool.copy(small.packet) == first);
  pool.free(super_packet);
  CHECK(pool.copy(large.packet) == super_packet);
  CHECK(second->packet.data != first->packet.data);
}

TEST_CASE("A packet queue keeps order") {
  PacketPool pool(3, 0);
  PacketQueue queue;
  CHECK(queue.empty());
  for (int round = 0; round < 2; ++round) {
    for (uint8_t i = 0; i < 3; ++i) {
      Frame frame(20, i);
      queue.push(pool.copy(frame.packet));
    }
    CHECK(queue.size() == 3);
    for (uint8_t i = 0; i < 3; ++i) {
      PooledPacket* pooled = queue.pop();
      CHECK(pooled->packet.data[0] == i);
      pool.free(pooled);
    }
    CHECK(queue.empty());
  }
}

}  // namespace sluice
