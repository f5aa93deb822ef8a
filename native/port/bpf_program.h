#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "port/bpf_instruction.h"
#include "port/file_descriptor.h"

namespace sluice {

// Programs, maps and links of the kernel's BPF, by the bpf() system call alone. Whatever is made
// belongs to its descriptor: a program is detached when its link's descriptor is closed, hence also
// when the process is killed.
//
// Needs CAP_BPF and CAP_NET_ADMIN, both outside of user namespaces; without them EPERM.

// Loads a program. Where the verifier refuses it, the error has the end of what it said.
Result<FileDescriptor> load_bpf_program(bpf_prog_type type, std::span<const bpf_insn> instructions,
                                        const char* name);

// A map of `entries` keys of `key_size` bytes, and 32-bit values.
Result<FileDescriptor> make_bpf_map(bpf_map_type type, size_t key_size, uint32_t entries);
Status set_bpf_map(int map, ConstByteSpan key, uint32_t value);
// Whether there was such a key or not.
void remove_from_bpf_map(int map, ConstByteSpan key);

// Where a program is attached to a device.
enum class BpfHook : uint8_t {
  tcx_ingress,  // after packet sockets, before IP (Linux 6.6)
  tcx_egress,   // what any socket sends (Linux 6.6)
  xdp_driver,   // in the driver, before the kernel makes a packet of a frame
  xdp_generic,  // after that, for devices whose driver has no XDP
};

// Attaches the program to the device of that index in the calling thread's network namespace, until
// the descriptor that it returns is closed.
Result<FileDescriptor> attach_bpf_program(int program, int link_index, BpfHook hook);

}  // namespace sluice
