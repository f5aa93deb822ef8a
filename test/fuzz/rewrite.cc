// Any packet that passes the parse stage, under any rewrite, and back again: law 7 says that the
// bytes are the original ones, the checksums included, right or wrong. Then one of TCP goes from
// earlier offsets to the present ones: what was right is right, cut or not.
//
// Input: seed of the rewrite U64, then a HostilePacket.
#include "rewrite/rewrite.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "packet/l4_checksum.h"
#include "packet/parse.h"
#include "rewrite/earlier_numbers.h"
#include "support/hostile_packet.h"
#include "wire/ip_protocol.h"
#include "wire/tcp.h"

namespace {

using namespace sluice;

IpAddress random_address(Random& random, bool ipv4) {
  if (ipv4) return IpAddress::v4(static_cast<uint32_t>(random.next()));
  IpAddress address;
  for (uint8_t& byte : address.bytes) byte = static_cast<uint8_t>(random.next());
  return address;
}

// Everything but what cannot be undone: window shifts and stripped options.
Rewrite random_rewrite(Random& random, bool ipv4) {
  Rewrite rewrite;
  rewrite.fields = static_cast<uint16_t>(random.next());
  rewrite.dscp = static_cast<uint8_t>(random.below(64));
  rewrite.src_port = static_cast<L4Port>(random.next());
  rewrite.dst_port = static_cast<L4Port>(random.next());
  rewrite.src = random_address(random, ipv4);
  rewrite.dst = random_address(random, ipv4);
  for (uint8_t& byte : rewrite.src_mac.bytes) byte = static_cast<uint8_t>(random.next());
  for (uint8_t& byte : rewrite.dst_mac.bytes) byte = static_cast<uint8_t>(random.next());
  for (uint32_t* offset :
       {&rewrite.tcp.seq, &rewrite.tcp.ack, &rewrite.tcp.tsval, &rewrite.tcp.tsecr}) {
    *offset = static_cast<uint32_t>(random.next());
  }
  return rewrite;
}

size_t checksum_offset_of(uint8_t protocol) {
  switch (protocol) {
    case kProtocolTcp: return 16;
    case kProtocolUdp: return 6;
    default: return 2;  // ICMP
  }
}

// Ones' complement has two zeros; a checksum may come back under its other name (wire/checksum.h).
void name_zero(std::vector<uint8_t>& bytes, size_t at) {
  if (at + 2 <= bytes.size() && load_be16(&bytes[at]) == 0xffff) store_be16(&bytes[at], 0);
}

std::vector<uint8_t> comparable(std::vector<uint8_t> bytes, const Headers& headers) {
  if (headers.family == 4) name_zero(bytes, headers.l3 + 10u);
  if (!headers.fragment) name_zero(bytes, headers.l4 + checksum_offset_of(headers.protocol));
  return bytes;
}

// A fuzzer finds a right checksum only by luck.
void correct_checksum(Packet& packet) {
  if (packet.offload.needs_checksum || packet.headers.fragment) return;
  leave_tcp_checksum_open(packet);
  complete_checksum(packet);
}

// Near the packet's own numbers.
EarlierNumbers random_numbers(Random& random, const TcpHeader& tcp) {
  const auto near = [&](Seq number) {
    return number + static_cast<uint32_t>(random.below(3000)) - 1500u;
  };
  const auto offset = [&] {
    return random.below(4) == 0 ? 0 : static_cast<uint32_t>(random.next()) >> random.below(32);
  };
  EarlierNumbers earlier{near(tcp.seq()), near(tcp.ack()), offset(), offset()};
  return earlier;
}

void check_carried_over(Random& random, Packet& packet) {
  if (random.below(2) == 0) correct_checksum(packet);
  const bool was_open = packet.offload.needs_checksum;
  const bool was_right = l4_checksum_is_right(packet);
  const uint32_t length = packet.length;
  carry_over(random_numbers(random, TcpHeader(packet.at(packet.headers.l4))), packet);
  SLUICE_CHECK(packet.length <= length);
  SLUICE_CHECK(packet.length == length || was_right);
  if (!was_open) complete_checksum(packet);
  SLUICE_CHECK(l4_checksum_is_right(packet) == was_right);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kSeed = 8;
  if (size < kSeed + test::HostilePacket::kPrefix) return 0;
  test::HostilePacket hostile(data + kSeed, size - kSeed);
  Packet& packet = hostile.packet();
  parse(packet);
  if (packet.verdict == Verdict::drop) return 0;
  const std::vector<uint8_t> original = comparable(hostile.bytes(), packet.headers);
  Random random(load_be64(data));
  const Rewrite rewrite = random_rewrite(random, packet.headers.family == 4);
  const Rewrite undo = undo_of(rewrite, packet);
  apply(rewrite, packet);
  apply(undo, packet);
  SLUICE_CHECK(comparable(hostile.bytes(), packet.headers) == original);
  if (packet.headers.protocol != kProtocolTcp || packet.headers.headless) return 0;
  if (!packet.headers.fragment) clamp_mss(packet, 536);
  check_carried_over(random, packet);
  return 0;
}
