#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "port/netns.h"

namespace sluice {

// Keeps the kernel from answering for the engine on a device that is the engine's alone (DFS-22):
// no ARP, no forwarding with its redirects and errors, no IPv6. As long as this object lives; then
// the settings get their old values.
//
// A process that is killed leaves them behind. They vanish with the device; else, for DEV:
//   sysctl net.ipv4.conf.DEV.arp_ignore=0 net.ipv6.conf.DEV.disable_ipv6=0
//   sysctl net.ipv4.conf.DEV.forwarding=1      where the host forwards on it
class KernelSilence {
 public:
  // Called inside `netns`.
  static Result<KernelSilence> impose(const Netns& netns, const std::string& device);
  KernelSilence(KernelSilence&&) = default;
  KernelSilence& operator=(KernelSilence&&) = delete;
  ~KernelSilence();

 private:
  explicit KernelSilence(const Netns& netns) : netns_(netns) {}
  Status set(const std::string& name, const std::string& value);

  Netns netns_;
  std::vector<std::pair<std::string, std::string>> old_values_;  // empty once moved from
};

}  // namespace sluice
