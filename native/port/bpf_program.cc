#include "port/bpf_program.h"

#include <linux/if_link.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sluice {
namespace {

// <linux/bpf.h> names these since Linux 6.6 only.
constexpr uint32_t kTcxIngress = 46;
constexpr uint32_t kTcxEgress = 47;

int call_bpf(bpf_cmd command, bpf_attr& attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

uint64_t address_of(const void* what) { return reinterpret_cast<uint64_t>(what); }

std::string remedy_for(int error_number) {
  switch (error_number) {
    case EPERM:
    case EACCES:
      return "Run as root or give the process CAP_BPF and CAP_NET_ADMIN. In a user namespace, as "
             "in most containers, the kernel takes no such program from anybody: use a port of "
             "kind packet.";
    case ENOSYS: return "This kernel has no BPF: use a port of kind packet.";
    case EBUSY:
    case EEXIST:
      return "Another program is attached to the device: detach it (`ip link set DEV xdp off`) or "
             "stop whoever attached it.";
    case EOPNOTSUPP: return "The driver of the device has no XDP of this mode.";
    case EMSGSIZE:
    case ERANGE: return "The MTU of the device is too large for XDP: `ip link set DEV mtu 1500`.";
    default: return "";
  }
}

Error bpf_error(std::string operation, int error_number) {
  return {std::move(operation), error_number, remedy_for(error_number)};
}

bpf_attr load_request(bpf_prog_type type, std::span<const bpf_insn> instructions,
                      const char* name) {
  bpf_attr request{};
  request.prog_type = type;
  request.insns = address_of(instructions.data());
  request.insn_cnt = static_cast<uint32_t>(instructions.size());
  request.license = address_of("");
  std::strncpy(request.prog_name, name, sizeof request.prog_name - 1);
  return request;
}

// Loading once more is what makes the verifier explain itself.
std::string verifier_log(bpf_attr request) {
  std::array<char, 4096> log{};
  request.log_buf = address_of(log.data());
  request.log_size = log.size();
  request.log_level = 1;
  const FileDescriptor loaded(call_bpf(BPF_PROG_LOAD, request));
  std::string text(log.data());
  constexpr size_t kEnd = 400;
  return text.size() <= kEnd ? text : text.substr(text.size() - kEnd);
}

}  // namespace

Result<FileDescriptor> load_bpf_program(bpf_prog_type type, std::span<const bpf_insn> instructions,
                                        const char* name) {
  bpf_attr request = load_request(type, instructions, name);
  FileDescriptor program(call_bpf(BPF_PROG_LOAD, request));
  if (program.is_open()) return program;
  const int error_number = errno;
  Error error = bpf_error(std::string("load BPF program ") + name, error_number);
  if (error.remedy.empty()) error.operation += ": " + verifier_log(request);
  return error;
}

Result<FileDescriptor> make_bpf_map(bpf_map_type type, size_t key_size, uint32_t entries) {
  bpf_attr request{};
  request.map_type = type;
  request.key_size = static_cast<uint32_t>(key_size);
  request.value_size = sizeof(uint32_t);
  request.max_entries = entries;
  FileDescriptor map(call_bpf(BPF_MAP_CREATE, request));
  if (!map.is_open()) return bpf_error("make a BPF map", errno);
  return map;
}

Status set_bpf_map(int map, ConstByteSpan key, uint32_t value) {
  bpf_attr request{};
  request.map_fd = static_cast<uint32_t>(map);
  request.key = address_of(key.data());
  request.value = address_of(&value);
  if (call_bpf(BPF_MAP_UPDATE_ELEM, request) != 0) return bpf_error("enter into a BPF map", errno);
  return Done{};
}

void remove_from_bpf_map(int map, ConstByteSpan key) {
  bpf_attr request{};
  request.map_fd = static_cast<uint32_t>(map);
  request.key = address_of(key.data());
  (void)call_bpf(BPF_MAP_DELETE_ELEM, request);
}

Result<FileDescriptor> attach_bpf_program(int program, int link_index, BpfHook hook) {
  bpf_attr request{};
  request.link_create.prog_fd = static_cast<uint32_t>(program);
  request.link_create.target_ifindex = static_cast<uint32_t>(link_index);
  switch (hook) {
    case BpfHook::tcx_ingress: request.link_create.attach_type = kTcxIngress; break;
    case BpfHook::tcx_egress: request.link_create.attach_type = kTcxEgress; break;
    case BpfHook::xdp_driver:
    case BpfHook::xdp_generic:
      request.link_create.attach_type = BPF_XDP;
      request.link_create.flags =
          hook == BpfHook::xdp_driver ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
  }
  FileDescriptor link(call_bpf(BPF_LINK_CREATE, request));
  if (!link.is_open()) return bpf_error("attach a BPF program", errno);
  return link;
}

}  // namespace sluice
