#include "port/xdp_redirect.h"

#include <array>
#include <cerrno>
#include <cstddef>

#include "port/bpf_program.h"

namespace sluice {
namespace {

// return bpf_redirect_map(map, context->rx_queue_index, XDP_PASS where there is no entry)
Result<FileDescriptor> load_redirect(int map) {
  const std::array program = {
      bpf::load32(bpf::kR2, bpf::kR1, offsetof(xdp_md, rx_queue_index)),
      bpf::map_low(bpf::kR1, map),
      bpf::map_high(),
      bpf::set(bpf::kR3, XDP_PASS),
      bpf::call(BPF_FUNC_redirect_map),
      bpf::leave(),
  };
  return load_bpf_program(BPF_PROG_TYPE_XDP, program, "sluice_xdp");
}

// Errors that generic mode would not get around, or should not.
bool is_final(int error_number) {
  return error_number == EPERM || error_number == EBUSY || error_number == EEXIST ||
         error_number == ERANGE || error_number == ENODEV;
}

}  // namespace

Result<XdpRedirect> XdpRedirect::attach(int link_index, const std::string& device) {
  Result<FileDescriptor> map = make_bpf_map(BPF_MAP_TYPE_XSKMAP, sizeof(uint32_t), 1);
  if (!map.ok()) return map.error();
  Result<FileDescriptor> program = load_redirect(map.value().get());
  if (!program.ok()) return program.error();
  int refusal = 0;
  Result<FileDescriptor> link =
      attach_bpf_program(program.value().get(), link_index, BpfHook::xdp_driver);
  if (!link.ok() && !is_final(link.error().error_number)) {
    refusal = link.error().error_number;
    link = attach_bpf_program(program.value().get(), link_index, BpfHook::xdp_generic);
  }
  if (!link.ok()) {
    Error error = link.error();
    error.operation += " to " + device;
    return error;
  }
  return XdpRedirect(std::move(map.value()), std::move(link.value()), refusal);
}

Status XdpRedirect::direct_to(int socket) {
  constexpr std::array<uint8_t, sizeof(uint32_t)> kFirstQueue{};
  return set_bpf_map(map_.get(), kFirstQueue, static_cast<uint32_t>(socket));
}

}  // namespace sluice
