#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "port/file_descriptor.h"

namespace sluice {

struct PacketSocket {
  FileDescriptor fd;
  size_t header_size = 0;  // of the virtio-net header before each frame
};

// An AF_PACKET socket of the calling thread's namespace, ready for its ring: it sees nothing until
// it is bound.
Result<PacketSocket> open_packet_socket(const std::string& device);

// Lets the frames of the device in: all of them, whatever MAC address they are for.
Status bind_packet_socket(int socket, int link_index, const std::string& device);

}  // namespace sluice
