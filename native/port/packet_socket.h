#pragma once

#include <string>

#include "base/result.h"
#include "port/file_descriptor.h"

namespace sluice {

// An AF_PACKET socket of the calling thread's namespace, for frames behind virtio-net headers. It
// sees nothing until it is bound.
Result<FileDescriptor> open_packet_socket(const std::string& device);

// The options of a socket that receives. The kernel lays out the ring by them, so they come first.
Status prepare_to_receive(int socket, const std::string& device);

// Whether the kernel takes and gives GsoType::udp.
bool kernel_knows_uso(int socket);

// Lets the device take frames for every MAC address, as long as the socket is open.
Status receive_every_mac(int socket, int link_index, const std::string& device);

// Lets the frames of the device in: all of them, whatever MAC address they are for.
Status bind_packet_socket(int socket, int link_index, const std::string& device);

// Binds a socket that only sends.
Status bind_to_send(int socket, int link_index, const std::string& device);

}  // namespace sluice
