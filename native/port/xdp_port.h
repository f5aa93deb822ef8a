#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "port/kernel_silence.h"
#include "port/netlink.h"
#include "port/port.h"
#include "port/port_options.h"
#include "port/xdp_redirect.h"
#include "port/xdp_socket.h"

namespace sluice {

// An existing Ethernet device that is the engine's alone, by AF_XDP: the kernel sees nothing of
// what it receives. Frames are received in place, in memory shared with the kernel (Umem), and
// copied there to be sent: 64 bytes cost less than keeping account of who owns which chunk would.
//
// AF_XDP knows whole frames only: no super-packets, no open checksums. The engine segments and
// completes checksums towards this port. A sender on this machine need not know: on a veth device
// the kernel takes segmentation from the far side as long as an XDP program is attached, but not
// checksums, so that those of a frame may be open without word of it (Offload::checksum_unknown).
//
// Needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, outside of user namespaces, and Linux 5.11. System
// calls: one sendto() a batch sent, and two every 100 ms for the kernel's count of lost frames.
class XdpPort : public Port {
 public:
  // What a port of the default shape maps.
  static constexpr size_t kMemory = XdpSocket::memory({});

  static Result<std::unique_ptr<XdpPort>> open(const PortOptions& options,
                                               const XdpShape& shape = {});

  size_t receive(Instant now, Batch& batch) override;
  void release() override;
  size_t transmit(Instant now, std::span<Packet* const> packets) override;
  int wait_fd() const override { return socket_.fd.get(); }
  Instant deadline() const override { return next_sending_; }
  const PortCapabilities& capabilities() const override { return capabilities_; }
  const PortCounters& counters() const override { return counters_; }
  MacAddress mac() const override { return mac_; }
  const std::string& name() const override { return name_; }
  // It takes no device that the host needs.
  std::span<const IpAddress> host_addresses() const override { return {}; }
  const std::string& description() const override { return description_; }
  bool restores_settings() const override { return silence_.restores_settings(); }

 private:
  XdpPort(const PortOptions& options, const LinkInfo& link, XdpSocket socket, XdpRedirect redirect,
          KernelSilence silence, FileDescriptor promiscuous, const XdpShape& shape);

  static Result<std::unique_ptr<XdpPort>> open_here(const PortOptions& options,
                                                    const XdpShape& shape);
  void collect_completed();
  void send_pending(Instant now);
  void collect_statistics(Instant now);

  std::string name_;
  std::string description_;
  KernelSilence silence_;
  FileDescriptor promiscuous_;  // a packet socket, as long as which the device takes every frame
  XdpSocket socket_;
  XdpRedirect redirect_;
  PortCapabilities capabilities_;
  PortCounters counters_;
  MacAddress mac_;
  bool checksums_unknown_;
  std::array<uint64_t, kBatchCapacity> lent_{};  // chunks of the last receive()
  uint32_t lent_count_ = 0;
  std::vector<uint64_t> free_;  // chunks for transmission
  bool down_ = false;           // the link was, when the kernel was last asked to send
  Instant next_statistics_;
  Instant next_sending_ = Instant::never();  // while frames wait in the ring for the kernel
};

}  // namespace sluice
