#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <span>
#include <string>

#include "packet/packet.h"
#include "port/file_descriptor.h"
#include "port/packet_ring.h"

namespace sluice {

// Sends frames on a device by AF_PACKET: short ones through a transmit ring, one send() for a run
// of them, longer ones by sendmmsg() from where they are.
//
// Each frame in the ring names itself as all header, which the kernel copies. For what fits into a
// slot that is cheaper than a reference to the slot's pages, which a device that hands frames on to
// the same machine has it replace by a copy of them in any case.
class PacketSender {
 public:
  // 512 slots: a few batches on their way to a device that completes them late.
  static constexpr RingShape kRing{2048, size_t{256} << 10, 4};

  static Result<PacketSender> open(int link_index, const std::string& device);

  // Sends frames in order; returns how many the kernel took, always a prefix. The bytes before each
  // frame are overwritten.
  size_t send(std::span<Packet* const> packets);

 private:
  PacketSender(FileDescriptor ring_socket, PacketRing ring, FileDescriptor socket)
      : ring_socket_(std::move(ring_socket)), ring_(std::move(ring)), socket_(std::move(socket)) {}

  size_t send_short(std::span<Packet* const> packets);
  size_t send_long(std::span<Packet* const> packets);
  void fill(size_t slot, const Packet& packet);

  FileDescriptor ring_socket_;
  PacketRing ring_;
  FileDescriptor socket_;
  size_t next_ = 0;  // slot that the kernel sends next
  std::array<mmsghdr, kBatchCapacity> messages_{};
  std::array<iovec, kBatchCapacity> vectors_{};
};

}  // namespace sluice
