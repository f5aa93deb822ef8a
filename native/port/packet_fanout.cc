#include "port/packet_fanout.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <span>

#include "port/host_error.h"
#include "port/packet_socket.h"

// Younger than the headers of some systems that we build on (Linux 6.2).
#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000
#endif

namespace sluice {
namespace {

Status share_error(const std::string& device) {
  return host_error("share " + device + " among workers", errno, device);
}

// In the place of the one before, if there is one.
Status set_filter(int socket, std::span<sock_filter> code, const std::string& device) {
  const sock_fprog filter{static_cast<unsigned short>(code.size()), code.data()};
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) {
    return share_error(device);
  }
  return Done{};
}

constexpr int kNewGroup = -1;

// PACKET_IGNORE_OUTGOING of a socket does not hold for its group.
bool join_group(int socket, int type, int group) {
  const bool first = group == kNewGroup;
  const int flags =
      type | PACKET_FANOUT_FLAG_IGNORE_OUTGOING | (first ? PACKET_FANOUT_FLAG_UNIQUEID : 0);
  const int request = (first ? 0 : group) | flags << 16;
  return setsockopt(socket, SOL_PACKET, PACKET_FANOUT, &request, sizeof request) == 0;
}

bool steer_group(int socket, const SteeringProgram& program) {
  const int descriptor = program.descriptor();
  return setsockopt(socket, SOL_PACKET, PACKET_FANOUT_DATA, &descriptor, sizeof descriptor) == 0;
}

// Why the kernel does not steer a group by the program: errno, 0 where it does. A group shows that
// only once it has a socket, and neither can then be of another kind, so one of its own tries.
int refusal_of(const SteeringProgram& program, int link_index, const std::string& device) {
  if (program.refusal() != 0) return program.refusal();
  Result<FileDescriptor> socket = open_packet_socket(device);
  if (!socket.ok()) return socket.error().error_number;
  const int fd = socket.value().get();
  Status held = PacketFanout::hold_back(fd, device);
  if (!held.ok()) return held.error().error_number;
  Status bound = bind_packet_socket(fd, link_index, device);
  if (!bound.ok()) return bound.error().error_number;
  const bool steers = join_group(fd, PACKET_FANOUT_EBPF, kNewGroup) && steer_group(fd, program);
  return steers ? 0 : errno;
}

}  // namespace

PacketFanout::PacketFanout(const SteeringProgram* program, int link_index,
                           const std::string& device)
    : program_(program),
      refusal_(program == nullptr ? 0 : refusal_of(*program, link_index, device)) {}

Status PacketFanout::hold_back(int socket, const std::string& device) {
  sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  return set_filter(socket, nothing, device);
}

Status PacketFanout::join(int socket, const std::string& device) {
  const int type = by_program() ? PACKET_FANOUT_EBPF : PACKET_FANOUT_HASH;
  const bool first = group_ < 0;
  if (!join_group(socket, type, first ? kNewGroup : group_)) return share_error(device);
  if (!first) return Done{};
  int made = 0;
  socklen_t size = sizeof made;
  if (getsockopt(socket, SOL_PACKET, PACKET_FANOUT, &made, &size) != 0) return share_error(device);
  group_ = made & 0xffff;
  if (by_program() && !steer_group(socket, *program_)) return share_error(device);
  return Done{};
}

// Before Linux 6.2 the kernel takes the flag for what is sent and does not heed it.
Status PacketFanout::let_in(int socket, const std::string& device) {
  constexpr auto kPacketType = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE);
  sock_filter not_outgoing[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kPacketType),
                                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
                                BPF_STMT(BPF_RET | BPF_K, 0),
                                BPF_STMT(BPF_RET | BPF_K, UINT32_MAX)};
  return set_filter(socket, not_outgoing, device);
}

}  // namespace sluice
