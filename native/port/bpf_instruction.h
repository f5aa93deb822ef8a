#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>

// The few instructions of which our BPF programs consist, by the names of the kernel's own macros
// (Documentation/bpf/standardization/instruction-set.rst). They are stated by hand: a program of
// ten instructions is not worth a compiler on the machine of the user.
namespace sluice::bpf {

inline constexpr uint8_t kR0 = BPF_REG_0, kR1 = BPF_REG_1, kR2 = BPF_REG_2, kR3 = BPF_REG_3;

constexpr bpf_insn instruction(int code, uint8_t to, uint8_t from, int16_t offset, int32_t value) {
  bpf_insn made{};
  made.code = static_cast<uint8_t>(code);
  made.dst_reg = to;
  made.src_reg = from;
  made.off = offset;
  made.imm = value;
  return made;
}

// to = value
constexpr bpf_insn set(uint8_t to, int32_t value) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}
// to = the 32 bits at from + offset
constexpr bpf_insn load32(uint8_t to, uint8_t from, size_t offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_W, to, from, static_cast<int16_t>(offset), 0);
}
// to = the 64 bits at from + offset: what the context declares as a pointer
constexpr bpf_insn load64(uint8_t to, uint8_t from, size_t offset) {
  return instruction(BPF_LDX | BPF_MEM | 0x18, to, from, static_cast<int16_t>(offset), 0);
}
// to = the map. Takes two places: map_high() has to come next.
constexpr bpf_insn map_low(uint8_t to, int map) {
  return instruction(BPF_LD | BPF_IMM | 0x18, to, BPF_PSEUDO_MAP_FD, 0, map);
}
constexpr bpf_insn map_high() { return instruction(0, 0, 0, 0, 0); }
// if (register == value) skip the next `distance` instructions
constexpr bpf_insn skip_if_equal(uint8_t compared, int32_t value, int16_t distance) {
  return instruction(BPF_JMP | BPF_JEQ | BPF_K, compared, 0, distance, value);
}
constexpr bpf_insn skip_unless_equal(uint8_t compared, int32_t value, int16_t distance) {
  return instruction(BPF_JMP | BPF_JNE | BPF_K, compared, 0, distance, value);
}
// r0 = helper(r1, ..., r5)
constexpr bpf_insn call(int32_t helper) { return instruction(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
// return r0
constexpr bpf_insn leave() { return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

}  // namespace sluice::bpf
