#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "port/file_descriptor.h"
#include "port/netlink.h"

namespace sluice {

// Keeps the kernel from answering for the engine on a device that is the engine's alone (DFS-22):
// no ARP, no forwarding with its redirects and errors, no IPv6. As long as this object lives.
//
// Where the kernel takes them (Linux 6.6, CAP_BPF), two BPF programs on the device do it: none of
// what comes in gets as far as IP, which also saves its work, and nothing of the kernel's own IPv6
// goes out (neighbour and router discovery, multicast reports). They vanish with the process,
// however it ends.
//
// Else, or where VLANs, bridges and the like work through the device, settings do it, which get
// their old values in the end. A process that is killed leaves them behind. They vanish with the
// device; else, for DEV:
//   sysctl net.ipv4.conf.DEV.arp_ignore=0 net.ipv6.conf.DEV.disable_ipv6=0
//   sysctl net.ipv4.conf.DEV.forwarding=1      where the host forwards on it
class KernelSilence {
 public:
  // Called inside the network namespace of the device.
  static Result<KernelSilence> impose(Netlink& netlink, const std::string& device, int link_index);
  KernelSilence(KernelSilence&&) = default;
  KernelSilence& operator=(KernelSilence&&) = delete;
  ~KernelSilence();

  // By programs, not by settings.
  bool by_programs() const { return !links_.empty(); }
  // Whether the destructor has something to write, which takes CAP_NET_ADMIN.
  bool restores_settings() const { return !old_values_.empty(); }

 private:
  // A setting, open to be written to: that needs no way back into its network namespace, which
  // only CAP_SYS_ADMIN has.
  struct OldValue {
    FileDescriptor setting;
    std::string value;
  };

  KernelSilence() = default;
  Status attach(int link_index);
  Status set_all(const std::string& device);
  Status set(const std::string& name, const std::string& value);

  std::vector<FileDescriptor> links_;
  std::vector<OldValue> old_values_;  // empty once moved from
};

}  // namespace sluice
