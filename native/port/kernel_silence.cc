#include "port/kernel_silence.h"

#include <linux/pkt_cls.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <utility>

#include "port/bpf_program.h"
#include "port/sysctl.h"

namespace sluice {
namespace {

constexpr std::array kDropAll = {
    bpf::set(bpf::kR0, TC_ACT_SHOT),
    bpf::leave(),
};

// What packet sockets send passes, and so do frames of no socket, such as forwarded ones.
constexpr std::array kDropOwnIpv6 = {
    bpf::set(bpf::kR0, TC_ACT_UNSPEC),
    bpf::load64(bpf::kR2, bpf::kR1, offsetof(__sk_buff, sk)),
    bpf::skip_if_equal(bpf::kR2, 0, 3),
    bpf::load32(bpf::kR2, bpf::kR2, offsetof(bpf_sock, family)),
    bpf::skip_unless_equal(bpf::kR2, AF_INET6, 1),
    bpf::set(bpf::kR0, TC_ACT_SHOT),
    bpf::leave(),
};

Result<FileDescriptor> attach_classifier(std::span<const bpf_insn> instructions, const char* name,
                                         int link_index, BpfHook hook) {
  Result<FileDescriptor> program = load_bpf_program(BPF_PROG_TYPE_SCHED_CLS, instructions, name);
  if (!program.ok()) return program.error();
  return attach_bpf_program(program.value().get(), link_index, hook);
}

}  // namespace

Result<KernelSilence> KernelSilence::impose(Netlink& netlink, const std::string& device,
                                            int link_index) {
  Result<bool> others = netlink.carries_others(link_index);
  if (!others.ok()) return others.error();
  KernelSilence silence;
  if (!others.value() && silence.attach(link_index).ok()) return silence;
  Status set = silence.set_all(device);
  if (!set.ok()) return set.error();
  return silence;
}

// Both or neither.
Status KernelSilence::attach(int link_index) {
  Result<FileDescriptor> in =
      attach_classifier(kDropAll, "sluice_in", link_index, BpfHook::tcx_ingress);
  if (!in.ok()) return in.error();
  Result<FileDescriptor> out =
      attach_classifier(kDropOwnIpv6, "sluice_out", link_index, BpfHook::tcx_egress);
  if (!out.ok()) return out.error();
  links_.push_back(std::move(in.value()));
  links_.push_back(std::move(out.value()));
  return Done{};
}

Status KernelSilence::set_all(const std::string& device) {
  const std::pair<std::string, std::string> settings[] = {
      // 8: no ARP reply for any address of the host, whatever device has it.
      {"ipv4/conf/" + device + "/arp_ignore", "8"},
      // What is not for the host is then dropped without an ICMP error or redirect.
      {"ipv4/conf/" + device + "/forwarding", "0"},
      {"ipv6/conf/" + device + "/disable_ipv6", "1"},
  };
  for (const auto& [name, value] : settings) {
    Status written = set(name, value);
    if (!written.ok()) return written;
  }
  return Done{};
}

// A kernel without IPv6 has none of its settings, and needs none.
Status KernelSilence::set(const std::string& name, const std::string& value) {
  const std::optional<std::string> old = read_sysctl(name);
  if (!old || *old == value) return Done{};
  Result<FileDescriptor> setting = open_and_write_sysctl(name, value);
  if (!setting.ok()) return setting.error();
  old_values_.push_back({std::move(setting.value()), *old});
  return Done{};
}

// A device that is gone has taken its settings along: failures mean nothing here.
KernelSilence::~KernelSilence() {
  for (const auto& [setting, value] : old_values_) rewrite_sysctl(setting, value);
}

}  // namespace sluice
