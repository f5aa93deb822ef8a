// Random packets that pass parse(), and random rewrites for them. Seeded: the same run every time.
#pragma once

#include <cstdlib>

#include "base/random.h"
#include "rewrite/rewrite.h"
#include "support/packet_builder.h"

namespace sluice::test {

// `usual` rounds, or ten times as many with SLUICE_LONG=1.
inline uint64_t rounds(uint64_t usual) { return std::getenv("SLUICE_LONG") ? usual * 10 : usual; }

inline uint8_t random8(Random& random) { return static_cast<uint8_t>(random.next()); }
inline uint16_t random16(Random& random) { return static_cast<uint16_t>(random.next()); }
inline uint32_t random32(Random& random) { return static_cast<uint32_t>(random.next()); }
inline L4Port random_port(Random& random) { return static_cast<L4Port>(random.below(65535) + 1); }

// A sequence number, often next to where the circle or its sign wraps (TCPX-38).
inline uint32_t random_seq(Random& random) {
  const uint32_t near = static_cast<uint32_t>(random.below(64)) - 32;
  switch (random.below(4)) {
    case 0: return near;
    case 1: return near + 0x80000000;
    default: return random32(random);
  }
}

inline IpAddress random_address(Random& random, bool ipv4) {
  if (ipv4) return IpAddress::v4(0x0a000000 | (random32(random) & 0x00ffffff));
  IpAddress address;
  for (uint8_t& byte : address.bytes) byte = random8(random);
  address.bytes[0] = 0x20;
  return address;
}

inline MacAddress random_mac(Random& random) {
  MacAddress mac;
  for (uint8_t& byte : mac.bytes) byte = random8(random);
  return mac;
}

// Some TCP options in any order, at odd places too. At most 40 bytes.
inline void add_random_options(Random& random, PacketBuilder& builder) {
  size_t room = 40;
  const auto take = [&room](size_t size) {
    if (size > room) return false;
    room -= size;
    return true;
  };
  for (uint64_t options = random.below(6); options > 0; --options) {
    switch (random.below(6)) {
      case 0:
        if (take(1)) builder.nop();
        break;
      case 1:
        if (take(10)) builder.timestamps(random_seq(random), random_seq(random));
        break;
      case 2:
        if (take(10)) builder.sack({random_seq(random), random_seq(random)});
        break;
      case 3:
        if (take(18)) {
          builder.sack(
              {random_seq(random), random_seq(random), random_seq(random), random_seq(random)});
        }
        break;
      case 4:
        if (take(4)) builder.mss(random16(random));
        break;
      case 5:  // RFC 3692 experimental, of odd length
        if (take(5)) builder.raw_option({253, 5, random8(random), 0x0a, 0x05});
        break;
    }
  }
}

inline uint8_t random_tcp_flags(Random& random) {
  static constexpr uint8_t kFlags[] = {kTcpSyn,           kTcpSyn | kTcpAck, kTcpAck,
                                       kTcpAck | kTcpPsh, kTcpAck | kTcpFin, kTcpRst,
                                       kTcpRst | kTcpAck, kTcpAck | kTcpUrg};
  return kFlags[random.below(sizeof kFlags)];
}

inline PacketBuilder random_builder(Random& random) {
  PacketBuilder builder;
  const bool ipv4 = random.chance(0.5);
  builder.eth(random_mac(random), random_mac(random));
  if (random.chance(0.1)) builder.vlan(random16(random));
  builder.ip(random_address(random, ipv4), random_address(random, ipv4));
  builder.ttl(static_cast<uint8_t>(random.below(255) + 1)).id(random16(random));
  builder.dscp(static_cast<uint8_t>(random.below(64))).ecn(static_cast<uint8_t>(random.below(4)));
  if (ipv4 && random.chance(0.1)) builder.ip_options({1, 7, 7, 4, 0, 0, 0});
  if (!ipv4 && random.chance(0.2)) builder.extension(60, {0, 1, 4, 0, 0, 0, 0});
  const uint64_t kind = random.below(10);
  if (kind < 6) {
    builder.tcp(random_port(random), random_port(random), random_tcp_flags(random));
    builder.seq(random_seq(random)).ack(random_seq(random)).window(random16(random));
    add_random_options(random, builder);
  } else if (kind < 9) {
    builder.udp(random_port(random), random_port(random));
    if (ipv4 && random.chance(0.2)) builder.without_udp_checksum();
  } else {
    builder.icmp(ipv4 ? kIcmpEchoRequest : kIcmpv6EchoRequest, 0, random32(random));
  }
  std::vector<uint8_t> payload(random.below(40));
  for (uint8_t& byte : payload) byte = random8(random);
  builder.payload(std::move(payload));
  // The kernel leaves ICMP checksums to nobody.
  if (kind < 9 && random.chance(0.25)) builder.partial();
  return builder;
}

inline Frame random_frame(Random& random) { return random_builder(random).build(); }

inline TcpOffsets random_offsets(Random& random) {
  TcpOffsets offsets;
  offsets.seq = random_seq(random);
  offsets.ack = random_seq(random);
  if (random.chance(0.5)) offsets.tsval = random_seq(random);
  if (random.chance(0.5)) offsets.tsecr = random_seq(random);
  return offsets;
}

// Any subset of the fields. No window shift and nothing stripped: all of it can be undone.
inline Rewrite random_rewrite(Random& random, bool ipv4) {
  Rewrite rewrite;
  rewrite.fields = random16(random);
  rewrite.ttl_delta = static_cast<int8_t>(random.below(3)) - 1;
  rewrite.dscp = static_cast<uint8_t>(random.below(64));
  rewrite.src_port = random_port(random);
  rewrite.dst_port = random_port(random);
  rewrite.src_mac = random_mac(random);
  rewrite.dst_mac = random_mac(random);
  rewrite.src = random_address(random, ipv4);
  rewrite.dst = random_address(random, ipv4);
  rewrite.tcp = random_offsets(random);
  return rewrite;
}

}  // namespace sluice::test
