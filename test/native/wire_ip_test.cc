// IPv4 and IPv6 headers: golden bytes, and what check() refuses.
#include <doctest/doctest.h>

#include <vector>

#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace sluice {
namespace {

using Bytes = std::vector<uint8_t>;

// A TCP segment of 40 bytes, DSCP 46, DF, from 192.0.2.10 to 192.0.2.100.
const Bytes kIpv4 = {0x45, 0xb8, 0x00, 0x3c, 0x00, 0x01, 0x40, 0x00, 0x40, 0x06,
                     0xb5, 0x94, 192,  0,    2,    10,   192,  0,    2,    100};

TEST_CASE("DFS-01 IPv4: fields of a header") {
  Bytes bytes = kIpv4;
  REQUIRE(Ipv4Header::check(bytes.data(), 60));
  const Ipv4Header ip(bytes.data());
  CHECK_EQ(ip.header_length(), 20);
  CHECK_EQ(ip.dscp(), 46);
  CHECK_EQ(ip.ecn(), 0);
  CHECK_EQ(ip.total_length(), 60);
  CHECK_EQ(ip.id(), 1);
  CHECK(ip.dont_fragment());
  CHECK_FALSE(ip.more_fragments());
  CHECK_FALSE(ip.is_fragment());
  CHECK_EQ(ip.fragment_offset(), 0);
  CHECK_EQ(ip.ttl(), 64);
  CHECK_EQ(ip.protocol(), kProtocolTcp);
  CHECK_EQ(ip.checksum(), 0xb594);
  CHECK(ip.checksum_is_right());
  CHECK_EQ(ip.src(), 0xc000020a);
  CHECK_EQ(ip.dst(), 0xc0000264);
}

TEST_CASE("DFS-01 IPv4: a header written field by field") {
  Bytes bytes(20, 0xff);
  Ipv4Header ip = Ipv4Header::start(bytes.data());
  ip.set_dscp(46);
  ip.set_total_length(60);
  ip.set_id(1);
  ip.set_fragment(Ipv4Header::kDontFragment);
  ip.set_ttl(64);
  ip.set_protocol(kProtocolTcp);
  ip.set_src(0xc000020a);
  ip.set_dst(0xc0000264);
  ip.complete_checksum();
  CHECK(bytes == kIpv4);
}

TEST_CASE("TCPX-68 IPv4: the fragment fields") {
  Bytes bytes = kIpv4;
  Ipv4Header ip(bytes.data());
  ip.set_fragment(Ipv4Header::kMoreFragments | 185);
  CHECK(ip.is_fragment());
  CHECK(ip.more_fragments());
  CHECK_FALSE(ip.dont_fragment());
  CHECK_EQ(ip.fragment_offset(), 1480);
  ip.set_fragment(0x1fff);
  CHECK_EQ(ip.fragment_offset(), 65528);
}

TEST_CASE("DFS-26 IPv4: lengths that contradict each other or the frame") {
  const auto check = [](uint8_t first, uint16_t total, size_t available) {
    Bytes bytes = kIpv4;
    bytes[0] = first;
    store_be16(&bytes[2], total);
    return Ipv4Header::check(bytes.data(), available);
  };
  CHECK(check(0x45, 20, 20));
  CHECK_FALSE(check(0x45, 20, 19));
  CHECK_FALSE(check(0x45, 21, 20));
  CHECK_FALSE(check(0x44, 20, 20));
  CHECK_FALSE(check(0x46, 20, 20));
  CHECK_FALSE(check(0x65, 20, 20));
  CHECK_FALSE(check(0x45, 0, 20));
  CHECK(check(0x4f, 60, 60));
}

TEST_CASE("TCPX-71 IPv4: a source route is found among other options") {
  const auto inspect = [](Bytes options) {
    Bytes bytes(20);
    Ipv4Header::start(bytes.data());
    bytes[0] = static_cast<uint8_t>(0x45 + options.size() / 4);
    bytes.insert(bytes.end(), options.begin(), options.end());
    return Ipv4Header(bytes.data()).inspect_options();
  };
  CHECK(inspect({}) == Ipv4Header::Options::harmless);
  CHECK(inspect({148, 4, 0, 0}) == Ipv4Header::Options::harmless);
  CHECK(inspect({148, 4, 0, 0, 131, 3, 4, 0}) == Ipv4Header::Options::source_route);
  CHECK(inspect({1, 137, 3, 4}) == Ipv4Header::Options::source_route);
  CHECK(inspect({0, 137, 3, 4}) == Ipv4Header::Options::harmless);
  CHECK(inspect({148, 5, 0, 0}) == Ipv4Header::Options::malformed);
  CHECK(inspect({148, 1, 0, 0}) == Ipv4Header::Options::malformed);
  CHECK(inspect({1, 1, 1, 148}) == Ipv4Header::Options::malformed);
}

// Traffic class b9 (DSCP 46, ECN 1), flow label 12345, 8 bytes of UDP.
const Bytes kIpv6 = {
    0x6b, 0x91, 0x23, 0x45, 0x00, 0x08, 0x11, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,
    0,    0,    0,    0x10, 0x20, 0x01, 0x0d, 0xb8, 0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 1, 0};

TEST_CASE("DFS-01 IPv6: fields of a header") {
  Bytes bytes = kIpv6;
  REQUIRE(Ipv6Header::check(bytes.data(), 48));
  const Ipv6Header ip(bytes.data());
  CHECK_EQ(ip.traffic_class(), 0xb9);
  CHECK_EQ(ip.dscp(), 46);
  CHECK_EQ(ip.ecn(), 1);
  CHECK_EQ(ip.flow_label(), 0x12345);
  CHECK_EQ(ip.payload_length(), 8);
  CHECK_EQ(ip.next_header(), kProtocolUdp);
  CHECK_EQ(ip.hop_limit(), 64);
  CHECK(ip.src() == IpAddress::load_v6(&bytes[8]));
  CHECK(ip.dst() == IpAddress::load_v6(&bytes[24]));
}

TEST_CASE("DFS-01 IPv6: a header written field by field") {
  Bytes golden = kIpv6;
  golden[1] = 0x81;  // set_dscp() leaves the ECN bits, here 0
  Bytes bytes(40, 0xff);
  Ipv6Header ip = Ipv6Header::start(bytes.data());
  ip.set_flow_label(0x12345);
  ip.set_dscp(46);
  ip.set_payload_length(8);
  ip.set_next_header(kProtocolUdp);
  ip.set_hop_limit(64);
  ip.set_src(IpAddress::load_v6(&golden[8]));
  ip.set_dst(IpAddress::load_v6(&golden[24]));
  CHECK(bytes == golden);
}

TEST_CASE("DFS-26 IPv6: version and length") {
  Bytes bytes = kIpv6;
  CHECK_FALSE(Ipv6Header::check(bytes.data(), 47));
  CHECK_FALSE(Ipv6Header::check(bytes.data(), 39));
  bytes[0] = 0x4b;
  CHECK_FALSE(Ipv6Header::check(bytes.data(), 48));
}

Ipv6Chain walk(uint8_t first, const Bytes& chain) {
  Bytes bytes(40);
  Ipv6Header ip = Ipv6Header::start(bytes.data());
  ip.set_next_header(first);
  ip.set_payload_length(static_cast<uint16_t>(chain.size()));
  bytes.insert(bytes.end(), chain.begin(), chain.end());
  return walk_ipv6_extensions(bytes.data());
}

TEST_CASE("TCPX-72 IPv6: no extension, no next header, several") {
  CHECK_EQ(walk(kProtocolTcp, {}).l4, 40);
  CHECK_EQ(walk(59, {}).protocol, 59);
  const Ipv6Chain chain = walk(60, {43, 0, 1, 4, 0, 0, 0, 0, 17, 0, 2, 0, 0, 0, 0, 0});
  CHECK(chain.fault == Ipv6Chain::Fault::none);
  CHECK_EQ(chain.protocol, kProtocolUdp);
  CHECK_EQ(chain.l4, 56);
}

TEST_CASE("TCPX-72 IPv6: the fragment header") {
  const Ipv6Chain first = walk(44, {17, 0, 0, 1, 0, 0, 0, 9});
  CHECK(first.fragment);
  CHECK(first.more_fragments());
  CHECK_EQ(first.fragment_offset(), 0);
  const Ipv6Chain last = walk(44, {17, 0, 0x05, 0xa8, 0, 0, 0, 9});
  CHECK(last.fragment);
  CHECK_FALSE(last.more_fragments());
  CHECK_EQ(last.fragment_offset(), 1448);
  // RFC 6946, with the reserved bits set.
  const Ipv6Chain atomic = walk(44, {17, 0, 0, 6, 0, 0, 0, 9});
  CHECK_FALSE(atomic.fragment);
  CHECK_EQ(atomic.l4, 48);
}

TEST_CASE("DFS-26 IPv6: chains that are cut off, out of place, or route") {
  CHECK(walk(60, {}).fault == Ipv6Chain::Fault::malformed);
  CHECK(walk(60, {17, 0, 1, 4, 0, 0, 0}).fault == Ipv6Chain::Fault::malformed);
  CHECK(walk(60, {17, 1, 1, 4, 0, 0, 0, 0}).fault == Ipv6Chain::Fault::malformed);
  CHECK(walk(60, {0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0}).fault ==
        Ipv6Chain::Fault::malformed);
  CHECK(walk(43, {17, 0, 0, 1, 0, 0, 0, 0}).fault == Ipv6Chain::Fault::routing);
}

}  // namespace
}  // namespace sluice
