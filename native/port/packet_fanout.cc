#include "port/packet_fanout.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>

#include "port/host_error.h"

namespace sluice {
namespace {

Status share_error(const std::string& device) {
  return host_error("share " + device + " among workers", errno, device);
}

}  // namespace

Status PacketFanout::hold_back(int socket, const std::string& device) {
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog filter{1, &nothing};
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) {
    return share_error(device);
  }
  return Done{};
}

Status PacketFanout::join(int socket, const std::string& device) {
  const int type = program_ != nullptr ? PACKET_FANOUT_EBPF : PACKET_FANOUT_HASH;
  const bool first = group_ < 0;
  const int flags = type | (first ? PACKET_FANOUT_FLAG_UNIQUEID : 0);
  const int request = (first ? 0 : group_) | flags << 16;
  if (setsockopt(socket, SOL_PACKET, PACKET_FANOUT, &request, sizeof request) != 0) {
    return share_error(device);
  }
  if (!first) return Done{};
  int made = 0;
  socklen_t size = sizeof made;
  if (getsockopt(socket, SOL_PACKET, PACKET_FANOUT, &made, &size) != 0) return share_error(device);
  group_ = made & 0xffff;
  if (program_ == nullptr) return Done{};
  const int program = program_->descriptor();
  if (setsockopt(socket, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof program) != 0) {
    return share_error(device);
  }
  return Done{};
}

Status PacketFanout::let_in(int socket, const std::string& device) {
  const int unused = 0;
  if (setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) != 0) {
    return share_error(device);
  }
  return Done{};
}

}  // namespace sluice
