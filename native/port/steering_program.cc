#include "port/steering_program.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "port/bpf_program.h"

namespace sluice {
namespace {

constexpr uint32_t kOwnAddresses = 4096;

// Where the program keeps things in its memory.
constexpr int kDestination = -16, kSource = -32;  // as IpAddress
constexpr int kHeader = -72;                      // of IP, 40 bytes at most
constexpr int kPorts = -80;  // source, destination, as packet/key_ports.h has them
constexpr int kIcmp = -88;   // its first 8 bytes

using Code = std::vector<bpf_insn>;

void append(Code& code, const Code& more) { code.insert(code.end(), more.begin(), more.end()); }

// r0 = bpf_skb_load_bytes_relative(r6, r2, stack + to, size, from the Ethernet header). Where the
// network header is, only the kernel's own stack says of what it sends.
Code load_bytes(int to, int32_t size) {
  return {bpf::copy(bpf::kR1, bpf::kR6),
          bpf::copy(bpf::kR3, bpf::kStack),
          bpf::compute_with(BPF_ADD, bpf::kR3, to),
          bpf::set(bpf::kR4, size),
          bpf::set(bpf::kR5, BPF_HDR_START_MAC),
          bpf::call(BPF_FUNC_skb_load_bytes_relative)};
}

// The address at kHeader + from goes to `to`, as ::ffff:a.b.c.d.
Code copy_ipv4(int from, int to) {
  return {bpf::set(bpf::kR1, 0),
          bpf::store64(bpf::kStack, to, bpf::kR1),
          bpf::set(bpf::kR1, static_cast<int32_t>(htonl(0x0000ffff))),
          bpf::store32(bpf::kStack, to + 8, bpf::kR1),
          bpf::load32(bpf::kR1, bpf::kStack, kHeader + from),
          bpf::store32(bpf::kStack, to + 12, bpf::kR1)};
}

Code copy_ipv6(int from, int to) {
  return {bpf::load64(bpf::kR1, bpf::kStack, kHeader + from),
          bpf::store64(bpf::kStack, to, bpf::kR1),
          bpf::load64(bpf::kR1, bpf::kStack, kHeader + from + 8),
          bpf::store64(bpf::kStack, to + 8, bpf::kR1)};
}

// Each leaves the place of the L4 header in r7, its protocol in r8, and in r9 whether it is a
// fragment. Where the header cannot be read, the first worker has the packet.
Code read_ipv4() {
  Code code{bpf::set(bpf::kR2, ETH_HLEN)};
  append(code, load_bytes(kHeader, 20));
  append(code, {bpf::skip_if_equal(bpf::kR0, 0, 2), bpf::set(bpf::kR0, 0), bpf::leave()});
  append(code, copy_ipv4(12, kSource));
  append(code, copy_ipv4(16, kDestination));
  append(code,
         {bpf::load8(bpf::kR7, bpf::kStack, kHeader), bpf::compute_with(BPF_AND, bpf::kR7, 0xf),
          bpf::compute_with(BPF_LSH, bpf::kR7, 2), bpf::compute_with(BPF_ADD, bpf::kR7, ETH_HLEN),
          bpf::load8(bpf::kR8, bpf::kStack, kHeader + 9),
          bpf::load16(bpf::kR9, bpf::kStack, kHeader + 6),
          bpf::compute_with(BPF_AND, bpf::kR9, htons(0x3fff))});
  return code;
}

Code read_ipv6() {
  Code code{bpf::set(bpf::kR2, ETH_HLEN)};
  append(code, load_bytes(kHeader, 40));
  append(code, {bpf::skip_if_equal(bpf::kR0, 0, 2), bpf::set(bpf::kR0, 0), bpf::leave()});
  append(code, copy_ipv6(8, kSource));
  append(code, copy_ipv6(24, kDestination));
  append(code, {bpf::set(bpf::kR7, ETH_HLEN + 40), bpf::load8(bpf::kR8, bpf::kStack, kHeader + 6),
                bpf::set(bpf::kR9, 0)});
  return code;
}

// Runs `then` if the register has the value.
Code if_equal(uint8_t compared, int32_t value, const Code& then) {
  Code code{bpf::skip_unless_equal(compared, value, static_cast<int16_t>(then.size()))};
  append(code, then);
  return code;
}

struct Icmp {
  uint8_t protocol, echo_request, echo_reply;
};

// Those of TCP, UDP and SCTP, and the identifier of an echo in the place of the asking end's. What
// the header is too short for is zero.
Code read_ports(const Icmp& icmp) {
  Code ports{bpf::copy(bpf::kR2, bpf::kR7)};
  append(ports, load_bytes(kPorts, 4));
  Code echo{bpf::copy(bpf::kR2, bpf::kR7)};
  append(echo, load_bytes(kIcmp, 8));
  append(echo,
         {bpf::load8(bpf::kR1, bpf::kStack, kIcmp), bpf::load16(bpf::kR2, bpf::kStack, kIcmp + 4)});
  append(echo,
         if_equal(bpf::kR1, icmp.echo_request, {bpf::store16(bpf::kStack, kPorts, bpf::kR2)}));
  append(echo,
         if_equal(bpf::kR1, icmp.echo_reply, {bpf::store16(bpf::kStack, kPorts + 2, bpf::kR2)}));
  Code whole = if_equal(bpf::kR8, icmp.protocol, echo);
  for (const int protocol : {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP}) {
    append(whole, if_equal(bpf::kR8, protocol, ports));
  }
  Code code{bpf::set(bpf::kR1, 0), bpf::store32(bpf::kStack, kPorts, bpf::kR1)};
  append(code, if_equal(bpf::kR9, 0, whole));
  return code;
}

// r1, r2, r3 = upper and lower half of the address of an endpoint, and its port
Code take_source() {
  return {bpf::load64(bpf::kR1, bpf::kStack, kSource),
          bpf::load64(bpf::kR2, bpf::kStack, kSource + 8),
          bpf::load16(bpf::kR3, bpf::kStack, kPorts), bpf::from_network16(bpf::kR3)};
}

// The source of a packet to an address of ours, the destination of any other.
Code take_far_end(int own_addresses) {
  return {bpf::map_low(bpf::kR1, own_addresses),
          bpf::map_high(),
          bpf::copy(bpf::kR2, bpf::kStack),
          bpf::compute_with(BPF_ADD, bpf::kR2, kDestination),
          bpf::call(BPF_FUNC_map_lookup_elem),
          bpf::load64(bpf::kR1, bpf::kStack, kSource),
          bpf::load64(bpf::kR2, bpf::kStack, kSource + 8),
          bpf::load16(bpf::kR3, bpf::kStack, kPorts),
          bpf::skip_unless_equal(bpf::kR0, 0, 3),
          bpf::load64(bpf::kR1, bpf::kStack, kDestination),
          bpf::load64(bpf::kR2, bpf::kStack, kDestination + 8),
          bpf::load16(bpf::kR3, bpf::kStack, kPorts + 2),
          bpf::from_network16(bpf::kR3)};
}

// Steering::worker_of, but for the remainder, which the kernel takes.
Code hash(uint64_t key) {
  return {bpf::constant_low(bpf::kR4, Steering::kMultiplier),
          bpf::constant_high(Steering::kMultiplier),
          bpf::constant_low(bpf::kR5, key),
          bpf::constant_high(key),
          bpf::compute(BPF_XOR, bpf::kR1, bpf::kR5),
          bpf::compute(BPF_MUL, bpf::kR1, bpf::kR4),
          bpf::compute(BPF_XOR, bpf::kR1, bpf::kR2),
          bpf::compute(BPF_MUL, bpf::kR1, bpf::kR5),
          bpf::compute(BPF_ADD, bpf::kR1, bpf::kR3),
          bpf::compute(BPF_MUL, bpf::kR1, bpf::kR5),
          bpf::copy(bpf::kR2, bpf::kR1),
          bpf::compute_with(BPF_RSH, bpf::kR2, 32),
          bpf::compute(BPF_XOR, bpf::kR1, bpf::kR2),
          bpf::compute(BPF_MUL, bpf::kR1, bpf::kR4),
          bpf::compute_with(BPF_RSH, bpf::kR1, 48),
          bpf::copy(bpf::kR0, bpf::kR1),
          bpf::leave()};
}

Code program_of(const Steering& steering, const Code& take_endpoint) {
  Code ipv4 = read_ipv4();
  append(ipv4, read_ports({IPPROTO_ICMP, ICMP_ECHO, ICMP_ECHOREPLY}));
  Code ipv6 = read_ipv6();
  append(ipv6, read_ports({IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST, ICMP6_ECHO_REPLY}));
  const auto beyond_ipv4 = static_cast<int16_t>(ipv4.size() + 1);
  Code code{bpf::copy(bpf::kR6, bpf::kR1),
            bpf::load32(bpf::kR7, bpf::kR6, offsetof(__sk_buff, protocol)),
            bpf::skip_if_equal(bpf::kR7, htons(ETH_P_IP), 3),
            bpf::skip_if_equal(bpf::kR7, htons(ETH_P_IPV6), static_cast<int16_t>(2 + beyond_ipv4)),
            bpf::set(bpf::kR0, 0),
            bpf::leave()};
  append(code, ipv4);
  code.push_back(bpf::skip(static_cast<int16_t>(ipv6.size())));
  append(code, ipv6);
  append(code, take_endpoint);
  append(code, hash(steering.key()));
  return code;
}

Result<FileDescriptor> load_program(const Steering& steering, const Code& take_endpoint) {
  return load_bpf_program(BPF_PROG_TYPE_SOCKET_FILTER, program_of(steering, take_endpoint),
                          "sluice_steer");
}

}  // namespace

std::string describe_steering(const SteeringProgram* program, int refusal) {
  if (program != nullptr && refusal == 0) return "steered by program";
  return program == nullptr
             ? "spread by hash"
             : std::string("spread by hash (program: ") + std::strerror(refusal) + ")";
}

Result<SteeringPrograms> SteeringPrograms::load(const Steering& steering) {
  Result<FileDescriptor> own =
      make_bpf_map(BPF_MAP_TYPE_HASH, sizeof(IpAddress::bytes), kOwnAddresses);
  if (!own.ok()) return own.error();
  Result<FileDescriptor> by_source = load_program(steering, take_source());
  if (!by_source.ok()) return by_source.error();
  Result<FileDescriptor> by_destination = load_program(steering, take_far_end(own.value().get()));
  if (!by_destination.ok()) return by_destination.error();
  return SteeringPrograms(std::move(own.value()), SteeringProgram(std::move(by_source.value())),
                          SteeringProgram(std::move(by_destination.value())));
}

void SteeringPrograms::set_own(const IpAddress& address, bool own) const {
  if (own) {
    (void)set_bpf_map(own_addresses_.get(), address.bytes, 1);
  } else {
    remove_from_bpf_map(own_addresses_.get(), address.bytes);
  }
}

}  // namespace sluice
