#include "port/kernel_silence.h"

#include "port/sysctl.h"

namespace sluice {

Result<KernelSilence> KernelSilence::impose(const Netns& netns, const std::string& device) {
  KernelSilence silence(netns);
  const std::pair<std::string, std::string> settings[] = {
      // 8: no ARP reply for any address of the host, whatever device has it.
      {"ipv4/conf/" + device + "/arp_ignore", "8"},
      // What is not for the host is then dropped without an ICMP error or redirect.
      {"ipv4/conf/" + device + "/forwarding", "0"},
      {"ipv6/conf/" + device + "/disable_ipv6", "1"},
  };
  for (const auto& [name, value] : settings) {
    Status set = silence.set(name, value);
    if (!set.ok()) return set.error();
  }
  return silence;
}

// A kernel without IPv6 has none of its settings, and needs none.
Status KernelSilence::set(const std::string& name, const std::string& value) {
  const std::optional<std::string> old = read_sysctl(name);
  if (!old || *old == value) return Done{};
  Status written = write_sysctl(name, value);
  if (written.ok()) old_values_.emplace_back(name, *old);
  return written;
}

// A device that is gone has taken its settings along: failures mean nothing here.
KernelSilence::~KernelSilence() {
  if (old_values_.empty()) return;
  (void)netns_.run([&]() -> Status {
    for (const auto& [name, value] : old_values_) (void)write_sysctl(name, value);
    return Done{};
  });
}

}  // namespace sluice
