// Frames that must not open a flow (DFS-26): aimed at a virtual server, each wrong in some way. The
// same seed gives the same frames. Some are dropped by the parse stage, others only by what knows
// more: fragments, wrong L4 checksums, messages to nobody.
#pragma once

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "support/packet_check.h"
#include "support/random_packets.h"

namespace sluice::test {

// What the frames are aimed at: a sound packet to it would open a flow.
struct HostileTarget {
  IpAddress address;
  L4Port port;
  MacAddress mac;
};

class HostileFrames {
 public:
  // One target of each IP version, or as many as wanted.
  HostileFrames(uint64_t seed, std::vector<HostileTarget> targets)
      : random_(seed), targets_(std::move(targets)) {}

  Frame next() {
    for (;;) {
      Frame frame = attempt();
      if (!is_sound(frame)) return frame;
    }
  }

 private:
  using Maker = Frame (HostileFrames::*)();

  // By luck, what was meant to be wrong can be right. Whatever is hostile by its addresses, flags
  // or options alone does not come here with right checksums but is dropped by parse().
  static bool is_sound(Frame& frame) {
    const Packet packet = frame.parsed();
    if (packet.verdict == Verdict::drop || packet.headers.fragment) return false;
    return checksum_fault(packet).empty();
  }

  Frame attempt() {
    static constexpr Maker kMakers[] = {
        &HostileFrames::truncated,      &HostileFrames::ip_lengths,
        &HostileFrames::ip_checksum,    &HostileFrames::tcp_data_offset,
        &HostileFrames::tcp_flags,      &HostileFrames::land,
        &HostileFrames::martian,        &HostileFrames::ipv4_options,
        &HostileFrames::fragment,       &HostileFrames::ipv6_chain,
        &HostileFrames::udp_fields,     &HostileFrames::l4_checksum,
        &HostileFrames::offload_lies,   &HostileFrames::flipped_bit,
        &HostileFrames::random_bytes,   &HostileFrames::random_body,
        &HostileFrames::ethernet_frame, &HostileFrames::no_ports,
    };
    target_ = targets_[random_.below(targets_.size())];
    return (this->*kMakers[random_.below(std::size(kMakers))])();
  }

  bool ipv4() const { return target_.address.is_v4(); }
  size_t l4() const { return ipv4() ? 34 : 54; }

  PacketBuilder packet() {
    PacketBuilder builder;
    builder.eth(kMacA, target_.mac);
    builder.ip(random_address(random_, ipv4()), target_.address);
    builder.payload(random_.below(random_.chance(0.02) ? 9000 : 100));
    return builder;
  }
  // What would open a flow.
  PacketBuilder syn() {
    PacketBuilder builder = packet();
    builder.tcp(random_port(random_), target_.port, kTcpSyn).seq(random32(random_));
    add_random_options(random_, builder);
    return builder;
  }
  PacketBuilder datagram() { return packet().udp(random_port(random_), target_.port); }
  PacketBuilder sound() { return random_.chance(0.5) ? syn() : datagram(); }

  // -- the makers: each a sound packet with one thing wrong

  Frame truncated() {
    Frame frame = sound().build();
    return frame.resize(random_.below(frame.size()));
  }
  Frame ip_lengths() {
    Frame frame = sound().build();
    const auto beyond = static_cast<uint16_t>(frame.size() + random_.below(60000));
    if (!ipv4()) return frame.put16(18, beyond);
    switch (random_.below(4)) {
      case 0: return frame.put8(14, static_cast<uint8_t>(0x40 + random_.below(5)));
      case 1: return frame.put8(14, random8(random_));
      case 2: return frame.put16(16, static_cast<uint16_t>(random_.below(20))).fix_ipv4_checksum();
      default: return frame.put16(16, beyond).fix_ipv4_checksum();
    }
  }
  Frame ip_checksum() {
    Frame frame = sound().build();
    return frame.put16(24, random16(random_));
  }
  Frame tcp_data_offset() {
    Frame frame =
        packet().payload(random_.below(16)).tcp(random_port(random_), target_.port).build();
    const uint64_t words = random_.chance(0.5) ? random_.below(5) : 10 + random_.below(6);
    return frame.put8(l4() + 12, static_cast<uint8_t>(words << 4));
  }
  Frame tcp_flags() {
    uint8_t flags = random8(random_);
    while (tcp_flags_are_sane(flags)) flags = random8(random_);
    return packet().tcp(random_port(random_), target_.port, flags).build();
  }
  Frame land() {
    PacketBuilder builder = packet().ip(target_.address, target_.address);
    if (random_.chance(0.5)) return builder.udp(target_.port, target_.port).build();
    return builder.tcp(target_.port, target_.port, kTcpSyn).build();
  }
  Frame martian() {
    static const std::vector<IpAddress> kV4 = {ip("0.0.0.0"), ip("127.0.0.1"), ip("224.1.2.3"),
                                               ip("255.255.255.255"), ip("0.7.7.7")};
    static const std::vector<IpAddress> kV6 = {ip("::"), ip("::1"), ip("ff02::1")};
    const std::vector<IpAddress>& sources = ipv4() ? kV4 : kV6;
    return syn().ip(sources[random_.below(sources.size())], target_.address).build();
  }
  Frame ipv4_options() {
    std::vector<uint8_t> options(random_.below(40) + 1);
    for (uint8_t& byte : options) byte = random8(random_);
    if (!ipv4()) return ip_checksum_of_options(std::move(options));
    options[0] = random_.chance(0.5) ? 131 : 137;
    return sound().ip_options(std::move(options)).build();
  }
  // The same noise as TCP options, with the checksum left as it was.
  Frame ip_checksum_of_options(std::vector<uint8_t> noise) {
    Frame frame = packet().tcp(1, target_.port, kTcpSyn).raw_option(std::move(noise)).build();
    return frame.put16(l4() + 16, random16(random_));
  }
  Frame fragment() {
    const size_t offset = random_.below(8192) * 8;
    const bool more = offset == 0 || random_.chance(0.5);
    return packet().fragment(offset, more).protocol(random_.chance(0.5) ? 6 : 17).build();
  }
  Frame ipv6_chain() {
    if (ipv4()) return fragment();
    static constexpr uint8_t kKinds[] = {0, 43, 44, 51, 60};
    PacketBuilder builder = sound();
    for (uint64_t headers = random_.below(12) + 1; headers > 0; --headers) {
      std::vector<uint8_t> body(7 + 8 * random_.below(3));
      for (uint8_t& byte : body) byte = random8(random_);
      if (random_.chance(0.7)) body[0] = static_cast<uint8_t>(body.size() / 8);
      builder.extension(kKinds[random_.below(std::size(kKinds))], std::move(body));
    }
    return builder.build();
  }
  Frame udp_fields() {
    Frame frame = datagram().build();
    if (!ipv4() && random_.chance(0.3)) return frame.put16(l4() + 6, 0);
    if (random_.chance(0.3)) return frame.put16(l4() + 2, 0);
    const bool beyond = random_.chance(0.5);
    const uint64_t length =
        beyond ? frame.size() - l4() + 1 + random_.below(999) : random_.below(8);
    return frame.put16(l4() + 4, static_cast<uint16_t>(length));
  }
  Frame l4_checksum() {
    const bool tcp = random_.chance(0.5);
    Frame frame = (tcp ? syn() : datagram()).build();
    // Not 0, which says of a datagram over IPv4 that it has none.
    return frame.put16(l4() + (tcp ? 16 : 6), static_cast<uint16_t>(random_.below(65535) + 1));
  }
  Frame offload_lies() {
    Frame frame = sound().gso(1000).build();
    Offload& offload = frame.offload();
    switch (random_.below(4)) {
      case 0: offload.checksum_start = random16(random_); break;
      case 1: offload.checksum_offset = random16(random_); break;
      case 2: offload.gso_size = 0; break;
      default: offload.gso_type = ipv4() ? GsoType::tcp6 : GsoType::tcp4;
    }
    return frame;
  }
  Frame flipped_bit() {
    Frame frame = sound().build();
    const size_t bit = random_.below((frame.size() - 14) * 8);
    const size_t at = 14 + bit / 8;
    return frame.put8(at, static_cast<uint8_t>(frame.data()[at] ^ (1 << bit % 8)));
  }
  Frame random_bytes() {
    std::vector<uint8_t> bytes(random_.below(random_.chance(0.02) ? 65000 : 200));
    for (uint8_t& byte : bytes) byte = random8(random_);
    return Frame(bytes, {});
  }
  // Noise behind a sound Ethernet and IP header.
  Frame random_body() {
    Frame frame = sound().build();
    for (size_t i = l4(); i < frame.size(); ++i) frame.put8(i, random8(random_));
    return frame;
  }
  Frame ethernet_frame() {
    PacketBuilder builder = sound();
    if (random_.chance(0.5)) return builder.vlan(1).vlan(2).vlan(3).build();
    static constexpr uint16_t kTypes[] = {0x0000, 0x0026, 0x0806, 0x22f3, 0x8100, 0x88cc, 0xffff};
    return builder.build().put16(12, kTypes[random_.below(std::size(kTypes))]);
  }
  Frame no_ports() {
    if (random_.chance(0.3)) return packet().udp(random_port(random_), 0).build();
    const bool source = random_.chance(0.5);
    return packet().tcp(source ? 0 : 9, source ? target_.port : 0, kTcpSyn).build();
  }

  Random random_;
  std::vector<HostileTarget> targets_;
  HostileTarget target_;
};

}  // namespace sluice::test
