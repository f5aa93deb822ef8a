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
};

// An AF_XDP socket, bound to queue 0 of a device, with its memory and rings.
struct XdpSocket {
  // Opens and binds it in the calling thread's network namespace. Frames come once the program of
  // the device sends them here.
  static Result<XdpSocket> open(int link_index, const std::string& device, const XdpShape& shape);

  FileDescriptor fd;
  Umem umem;
  XdpRing<uint64_t> fill;       // chunks for the kernel to receive into
  XdpRing<xdp_desc> received;   // frames in such chunks
  XdpRing<xdp_desc> to_send;    // frames for the kernel to send
  XdpRing<uint64_t> completed;  // their chunks, once they are free again
  bool zero_copy = false;       // the device reads and writes the memory itself
};

}  // namespace sluice
