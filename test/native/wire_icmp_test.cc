// ICMP, ICMPv6 and neighbour discovery: golden bytes, and what check() refuses.
#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "wire/icmp.h"
#include "wire/icmpv6.h"

namespace sluice {
namespace {

using Bytes = std::vector<uint8_t>;

IpAddress v6(std::initializer_list<uint8_t> head, std::initializer_list<uint8_t> tail) {
  IpAddress address;
  std::copy(head.begin(), head.end(), address.bytes.begin());
  std::copy(tail.begin(), tail.end(), address.bytes.end() - static_cast<ptrdiff_t>(tail.size()));
  return address;
}

TEST_CASE("DFS-01 ICMP: an echo request with its checksum") {
  Bytes bytes = {8, 0, 0x54, 0x35, 0x12, 0x34, 0, 1, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'};
  REQUIRE(IcmpHeader::check(bytes.data(), bytes.size()));
  CHECK_FALSE(IcmpHeader::check(bytes.data(), 7));
  IcmpHeader icmp(bytes.data());
  CHECK_EQ(icmp.type(), kIcmpEchoRequest);
  CHECK_EQ(icmp.code(), 0);
  CHECK_EQ(icmp.identifier(), 0x1234);
  CHECK_EQ(icmp.sequence(), 1);
  icmp.set_checksum(0xdead);
  complete_icmp_checksum(bytes.data(), bytes.size());
  CHECK_EQ(icmp.checksum(), 0x5435);
}

const IpAddress kClient = v6({0x20, 0x01, 0x0d, 0xb8}, {0x10});
const IpAddress kServer = v6({0x20, 0x01, 0x0d, 0xb8}, {0x01, 0x00});
const IpAddress kLinkA = v6({0xfe, 0x80}, {1});
const IpAddress kLinkB = v6({0xfe, 0x80}, {2});
const IpAddress kSolicitedB = v6({0xff, 0x02}, {1, 0xff, 0, 0, 2});

TEST_CASE("DFS-01 ICMPv6: the checksum of an echo request covers the pseudo-header") {
  Bytes bytes = {128, 0, 0, 0, 0x12, 0x34, 0, 1, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'};
  const uint8_t* src = kClient.bytes.data();
  const uint8_t* dst = kServer.bytes.data();
  complete_icmpv6_checksum(src, dst, bytes.data(), bytes.size());
  CHECK_EQ(IcmpHeader(bytes.data()).checksum(), 0x7f68);
  CHECK_EQ(sum_icmpv6(src, dst, bytes.data(), bytes.size()), 0xffff);
  bytes[9] ^= 1;
  CHECK_NE(sum_icmpv6(src, dst, bytes.data(), bytes.size()), 0xffff);
}

TEST_CASE("TCPX-73 a neighbour solicitation with its source's address") {
  Bytes bytes(32, 0xff);
  NeighborMessage message = NeighborMessage::start(bytes.data(), kIcmpv6NeighborSolicitation, 0);
  message.set_target(kLinkB);
  message.append_mac(NeighborMessage::kSourceMacOption, MacAddress{{2, 0, 0, 0, 0, 0x0a}});
  complete_icmpv6_checksum(kLinkA.bytes.data(), kSolicitedB.bytes.data(), bytes.data(), 32);
  const Bytes golden = {135, 0, 0x7a, 0x8e, 0, 0, 0, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0,
                        0,   0, 0,    0,    0, 0, 0, 2, 1,    1,    2, 0, 0, 0, 0, 0x0a};
  CHECK(bytes == golden);
  REQUIRE(NeighborMessage::check(bytes.data(), bytes.size()));
  CHECK(message.target() == kLinkB);
  MacAddress mac;
  CHECK(message.find_mac(NeighborMessage::kSourceMacOption, 32, mac));
  CHECK(mac == MacAddress{{2, 0, 0, 0, 0, 0x0a}});
  CHECK_FALSE(message.find_mac(NeighborMessage::kTargetMacOption, 32, mac));
}

TEST_CASE("TCPX-73 a neighbour advertisement with flags and its target's address") {
  Bytes bytes(32);
  NeighborMessage message =
      NeighborMessage::start(bytes.data(), kIcmpv6NeighborAdvertisement,
                             NeighborMessage::kSolicited | NeighborMessage::kOverride);
  message.set_target(kLinkB);
  message.append_mac(NeighborMessage::kTargetMacOption, MacAddress{{2, 0, 0, 0, 0, 0x0b}});
  complete_icmpv6_checksum(kLinkB.bytes.data(), kLinkA.bytes.data(), bytes.data(), 32);
  CHECK_EQ(message.type(), kIcmpv6NeighborAdvertisement);
  CHECK_EQ(message.flags(), 0x60);
  CHECK_EQ(load_be16(&bytes[2]), 0x1811);
}

TEST_CASE("TCPX-73 DFS-26 neighbour messages that RFC 4861 7.1 discards") {
  Bytes sound(24);
  NeighborMessage::start(sound.data(), kIcmpv6NeighborSolicitation, 0).set_target(kLinkB);
  const auto with = [&sound](const Bytes& options) {
    Bytes bytes = sound;
    bytes.insert(bytes.end(), options.begin(), options.end());
    return NeighborMessage::check(bytes.data(), bytes.size());
  };
  CHECK(with({}));
  CHECK(with({14, 1, 1, 2, 3, 4, 5, 6, 1, 1, 1, 2, 3, 4, 5, 6}));
  CHECK_FALSE(NeighborMessage::check(sound.data(), 23));
  CHECK_FALSE(with({1, 0, 0, 0, 0, 0, 0, 0}));
  CHECK_FALSE(with({1, 2, 0, 0, 0, 0, 0, 0}));
  CHECK_FALSE(with({1}));
  Bytes code = sound;
  code[1] = 1;
  CHECK_FALSE(NeighborMessage::check(code.data(), code.size()));
  Bytes multicast = sound;
  multicast[8] = 0xff;
  CHECK_FALSE(NeighborMessage::check(multicast.data(), multicast.size()));
}

TEST_CASE("TCPX-73 an option of another size than a MAC address is none") {
  Bytes bytes(40);
  NeighborMessage message = NeighborMessage::start(bytes.data(), kIcmpv6NeighborSolicitation, 0);
  bytes[24] = NeighborMessage::kSourceMacOption;
  bytes[25] = 2;
  REQUIRE(NeighborMessage::check(bytes.data(), bytes.size()));
  MacAddress mac;
  CHECK_FALSE(message.find_mac(NeighborMessage::kSourceMacOption, bytes.size(), mac));
}

}  // namespace
}  // namespace sluice
