// Ethernet and ARP: golden bytes, and what check() refuses.
#include <doctest/doctest.h>

#include <vector>

#include "wire/arp.h"
#include "wire/ethernet.h"

namespace sluice {
namespace {

constexpr MacAddress kSrc{{0x02, 0, 0, 0, 0, 0x0a}};
constexpr MacAddress kDst{{0x02, 0, 0, 0, 0, 0x0b}};

using Bytes = std::vector<uint8_t>;

// A copy of exactly that size, so that a sanitizer sees a read too far.
bool checks(const Bytes& bytes, size_t size) {
  const Bytes part(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
  return EthernetHeader::check(part.data(), part.size());
}

const Bytes kPlain = {2, 0, 0, 0, 0, 0x0b, 2, 0, 0, 0, 0, 0x0a, 0x08, 0x00};
const Bytes kQinQ = {2,    0,    0,    0,    0,    0x0b, 2,    0,    0,    0,    0,
                     0x0a, 0x88, 0xa8, 0x00, 0x64, 0x81, 0x00, 0x20, 0x05, 0x86, 0xdd};

TEST_CASE("DFS-01 Ethernet: fields of a plain header") {
  Bytes bytes = kPlain;
  REQUIRE(checks(bytes, bytes.size()));
  const EthernetHeader ethernet(bytes.data());
  CHECK(ethernet.dst() == kDst);
  CHECK(ethernet.src() == kSrc);
  CHECK_EQ(ethernet.payload().ether_type, kEtherTypeIpv4);
  CHECK_EQ(ethernet.payload().offset, 14);
}

TEST_CASE("DFS-01 Ethernet: a header written field by field") {
  Bytes bytes(14);
  EthernetHeader ethernet(bytes.data());
  ethernet.set_dst(kDst);
  ethernet.set_src(kSrc);
  ethernet.set_ether_type(kEtherTypeIpv4);
  CHECK(bytes == kPlain);
}

TEST_CASE("TCPX-75 Ethernet: the payload of a frame with two tags") {
  Bytes bytes = kQinQ;
  REQUIRE(checks(bytes, bytes.size()));
  const EthernetHeader ethernet(bytes.data());
  CHECK_EQ(ethernet.payload().ether_type, kEtherTypeIpv6);
  CHECK_EQ(ethernet.payload().offset, 22);
}

TEST_CASE("DFS-26 Ethernet: a header or a tag that is cut off") {
  for (size_t size = 0; size < kPlain.size(); ++size) CHECK_FALSE(checks(kPlain, size));
  for (size_t size = 0; size < kQinQ.size(); ++size) CHECK_FALSE(checks(kQinQ, size));
}

const Bytes kArpRequest = {0,   1, 8, 0, 6, 4, 0, 1, 2, 0, 0,   0, 0, 0x0a,
                           192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2};

TEST_CASE("TCPX-76 ARP: fields of a request") {
  Bytes bytes = kArpRequest;
  REQUIRE(ArpMessage::check(bytes.data(), bytes.size()));
  const ArpMessage arp(bytes.data());
  CHECK_EQ(arp.operation(), ArpMessage::kRequest);
  CHECK(arp.sender_mac() == kSrc);
  CHECK(arp.sender_ip() == IpAddress::v4(0xc0000201));
  CHECK(arp.target_mac() == MacAddress{});
  CHECK(arp.target_ip() == IpAddress::v4(0xc0000202));
}

TEST_CASE("TCPX-76 ARP: a message written field by field") {
  Bytes bytes(ArpMessage::kSize, 0xff);
  ArpMessage arp = ArpMessage::start(bytes.data(), ArpMessage::kRequest);
  arp.set_sender(kSrc, IpAddress::v4(0xc0000201));
  arp.set_target({}, IpAddress::v4(0xc0000202));
  CHECK(bytes == kArpRequest);
}

TEST_CASE("DFS-26 ARP: every other hardware, protocol, size and operation is refused") {
  CHECK_FALSE(ArpMessage::check(kArpRequest.data(), kArpRequest.size() - 1));
  for (size_t i = 0; i < 8; ++i) {
    Bytes wrong = kArpRequest;
    wrong[i] ^= 0x40;
    CHECK_FALSE(ArpMessage::check(wrong.data(), wrong.size()));
  }
  Bytes none = kArpRequest;
  none[7] = 0;
  CHECK_FALSE(ArpMessage::check(none.data(), none.size()));
}

}  // namespace
}  // namespace sluice
