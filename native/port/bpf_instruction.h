#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>

// The few instructions of which our BPF programs consist, by the names of the kernel's own macros
// (Documentation/bpf/standardization/instruction-set.rst). They are stated by hand: a program of
// ten instructions is not worth a compiler on the machine of the user.
namespace sluice::bpf {

inline constexpr uint8_t kR0 = BPF_REG_0, kR1 = BPF_REG_1, kR2 = BPF_REG_2, kR3 = BPF_REG_3,
                         kR4 = BPF_REG_4, kR5 = BPF_REG_5;
// These keep their values across calls.
inline constexpr uint8_t kR6 = BPF_REG_6, kR7 = BPF_REG_7, kR8 = BPF_REG_8, kR9 = BPF_REG_9;
// The end of the 512 bytes of memory that a program has, at negative offsets.
inline constexpr uint8_t kStack = BPF_REG_10;
inline constexpr int kDoubleWord = 0x18;  // BPF_DW, which <linux/bpf_common.h> leaves out

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
// to = the bits at from + offset; 64 also for what the context declares as a pointer
constexpr bpf_insn load8(uint8_t to, uint8_t from, int offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_B, to, from, static_cast<int16_t>(offset), 0);
}
constexpr bpf_insn load16(uint8_t to, uint8_t from, int offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_H, to, from, static_cast<int16_t>(offset), 0);
}
constexpr bpf_insn load32(uint8_t to, uint8_t from, int offset) {
  return instruction(BPF_LDX | BPF_MEM | BPF_W, to, from, static_cast<int16_t>(offset), 0);
}
constexpr bpf_insn load64(uint8_t to, uint8_t from, int offset) {
  return instruction(BPF_LDX | BPF_MEM | kDoubleWord, to, from, static_cast<int16_t>(offset), 0);
}
// the bits at to + offset = from
constexpr bpf_insn store16(uint8_t to, int offset, uint8_t from) {
  return instruction(BPF_STX | BPF_MEM | BPF_H, to, from, static_cast<int16_t>(offset), 0);
}
constexpr bpf_insn store32(uint8_t to, int offset, uint8_t from) {
  return instruction(BPF_STX | BPF_MEM | BPF_W, to, from, static_cast<int16_t>(offset), 0);
}
constexpr bpf_insn store64(uint8_t to, int offset, uint8_t from) {
  return instruction(BPF_STX | BPF_MEM | kDoubleWord, to, from, static_cast<int16_t>(offset), 0);
}
// to = from, and to OP= from or value, in 64 bits. `operation` is BPF_ADD, BPF_MUL ...
constexpr bpf_insn copy(uint8_t to, uint8_t from) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}
constexpr bpf_insn compute(int operation, uint8_t to, uint8_t from) {
  return instruction(BPF_ALU64 | operation | BPF_X, to, from, 0, 0);
}
constexpr bpf_insn compute_with(int operation, uint8_t to, int32_t value) {
  return instruction(BPF_ALU64 | operation | BPF_K, to, 0, 0, value);
}
// to = 16 bits in network order, in host order
constexpr bpf_insn from_network16(uint8_t to) {
  return instruction(BPF_ALU | BPF_END | BPF_TO_BE, to, 0, 0, 16);
}
// to = a constant of 64 bits. Takes two places: constant_high() has to come next.
constexpr bpf_insn constant_low(uint8_t to, uint64_t value) {
  return instruction(BPF_LD | BPF_IMM | kDoubleWord, to, 0, 0, static_cast<int32_t>(value));
}
constexpr bpf_insn constant_high(uint64_t value) {
  return instruction(0, 0, 0, 0, static_cast<int32_t>(value >> 32));
}
// to = the map. Takes two places: map_high() has to come next.
constexpr bpf_insn map_low(uint8_t to, int map) {
  return instruction(BPF_LD | BPF_IMM | kDoubleWord, to, BPF_PSEUDO_MAP_FD, 0, map);
}
constexpr bpf_insn map_high() { return instruction(0, 0, 0, 0, 0); }
// if (register == value) skip the next `distance` instructions
constexpr bpf_insn skip_if_equal(uint8_t compared, int32_t value, int16_t distance) {
  return instruction(BPF_JMP | BPF_JEQ | BPF_K, compared, 0, distance, value);
}
constexpr bpf_insn skip_unless_equal(uint8_t compared, int32_t value, int16_t distance) {
  return instruction(BPF_JMP | BPF_JNE | BPF_K, compared, 0, distance, value);
}
constexpr bpf_insn skip(int16_t distance) {
  return instruction(BPF_JMP | BPF_JA, 0, 0, distance, 0);
}
// r0 = helper(r1, ..., r5)
constexpr bpf_insn call(int32_t helper) { return instruction(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
// return r0
constexpr bpf_insn leave() { return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

}  // namespace sluice::bpf
