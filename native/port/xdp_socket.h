#pragma once

#include <linux/if_xdp.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "port/file_descriptor.h"
#include "port/umem.h"
#include "port/xdp_ring.h"

namespace sluice {

// How many frames an AF_XDP socket can hold each way; powers of two. The chunks of the first lie
// before those of the second in its Umem.
struct XdpShape {
  uint32_t receive = 2048;
  uint32_t transmit = 1024;

  constexpr size_t chunks() const { return size_t{receive} + transmit; }
};

// An AF_XDP socket, bound to queue 0 of a device, with its memory and rings.
struct XdpSocket {
  // Opens and binds it in the calling thread's network namespace. Frames come once the program of
  // the device sends them here.
  static Result<XdpSocket> open(int link_index, const std::string& device, const XdpShape& shape);

  // What a socket of this shape maps, but for the heads of the four rings, a page each at most.
  static constexpr size_t memory(const XdpShape& shape) {
    return Umem::memory(shape.chunks()) + shape.chunks() * (sizeof(uint64_t) + sizeof(xdp_desc));
  }

  FileDescriptor fd;
  Umem umem;
  XdpRing<uint64_t> fill;       // chunks for the kernel to receive into
  XdpRing<xdp_desc> received;   // frames in such chunks
  XdpRing<xdp_desc> to_send;    // frames for the kernel to send
  XdpRing<uint64_t> completed;  // their chunks, once they are free again
  bool zero_copy = false;       // the device reads and writes the memory itself
};

}  // namespace sluice
