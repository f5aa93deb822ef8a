// The short way of rewriting gives the bytes of the long one.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "packet/parse.h"
#include "rewrite/translation.h"
#include "support/random_packets.h"

namespace sluice::test {
namespace {

// Also wrong checksums, and those with a meaning: none, and the two names of zero.
void spoil(Random& random, Packet& packet) {
  const bool tcp = packet.headers.protocol == kProtocolTcp;
  uint8_t* l4_field = packet.at(packet.headers.l4) + (tcp ? 16 : 6);
  uint8_t* ip_field = packet.at(packet.headers.l3) + 10;
  static constexpr uint16_t kValues[] = {0, 0xffff, 1, 0xfffe};
  if (random.chance(0.3)) store_be16(l4_field, kValues[random.below(4)]);
  if (random.chance(0.1)) store_be16(l4_field, random16(random));
  if (random.chance(0.1)) store_be16(ip_field, random16(random));
}

TEST_CASE(
    "TCPX-13 TCPX-30 TCPX-31 TCPX-32 a translation gives the bytes of the rewrite that it stands "
    "for") {
  Random random(42);
  uint64_t compared = 0;
  for (uint64_t round = 0; round < rounds(50'000); ++round) {
    Frame frame = random_frame(random);
    Packet packet = frame.packet();
    parse(packet);
    if (packet.verdict != Verdict::none || !packet.headers.has_key) continue;
    const uint8_t protocol = packet.headers.protocol;
    if (protocol != kProtocolTcp && protocol != kProtocolUdp) continue;
    if (packet.headers.family != 4) continue;
    spoil(random, packet);
    const std::vector<uint8_t> before = frame.bytes();
    Rewrite rewrite = random_rewrite(random, true);
    rewrite.fields = kRewriteSrcAddress | kRewriteDstAddress | kRewriteSrcPort | kRewriteDstPort;
    // A flow that changes nothing, or one thing only.
    if (random.chance(0.3)) rewrite.src = packet.key.src;
    if (random.chance(0.3)) rewrite.dst = packet.key.dst;
    if (random.chance(0.3)) rewrite.src_port = packet.key.src_port;
    if (random.chance(0.3)) rewrite.dst_port = packet.key.dst_port;
    if (random.chance(0.3)) rewrite.ttl_delta = 0;
    if (random.chance(0.5)) rewrite.fields |= kRewriteTcp;
    if (random.chance(0.3)) rewrite.tcp = TcpOffsets{.seq = 1};
    rewrite.tcp.window_shift = static_cast<int8_t>(random.below(29)) - 14;
    rewrite.tcp.strip_sack = random.chance(0.3);
    rewrite.tcp.strip_timestamps = random.chance(0.3);
    apply(rewrite, packet);
    const std::vector<uint8_t> expected = frame.bytes();
    std::copy(before.begin(), before.end(), packet.data);
    translate({__builtin_bswap32(rewrite.src.v4()), __builtin_bswap32(rewrite.dst.v4()),
               __builtin_bswap16(rewrite.src_port), __builtin_bswap16(rewrite.dst_port),
               rewrite.ttl_delta, rewrite.has(kRewriteTcp) ? &rewrite.tcp : nullptr},
              packet);
    REQUIRE(frame.bytes() == expected);
    ++compared;
  }
  CHECK(compared > 10'000);
}

}  // namespace
}  // namespace sluice::test
