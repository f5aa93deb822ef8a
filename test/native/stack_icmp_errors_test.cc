// ICMP errors that the engine writes: what they say, about what, and how often.
#include <doctest/doctest.h>

#include "support/icmp_error.h"
#include "support/packet_check.h"
#include "support/stack_lab.h"

namespace sluice::test {

namespace {

using Kind = IcmpError::Kind;

// What the errors about one packet consist of, read by hand.
struct ErrorRead {
  uint8_t type, code;
  uint32_t rest;
  IpAddress src, dst;
  MacAddress ethernet_src, ethernet_dst;
  Bytes quote;
};

ErrorRead read_error(const Site& site, const Bytes& frame) {
  const size_t l4 = site.is_v4() ? 34 : 54;
  const uint8_t* ip = frame.data() + 14;
  CHECK((site.is_v4() ? ip[9] : ip[6]) == (site.is_v4() ? 1 : 58));
  CHECK((site.is_v4() ? ip[8] : ip[7]) == 64);
  const auto address = [&](size_t at) {
    return site.is_v4() ? IpAddress::load_v4(ip + at) : IpAddress::load_v6(ip + at);
  };
  return {frame[l4],
          frame[l4 + 1],
          load_be32(&frame[l4 + 4]),
          address(site.is_v4() ? 12 : 8),
          address(site.is_v4() ? 16 : 24),
          MacAddress::load(&frame[6]),
          MacAddress::load(&frame[0]),
          Bytes(frame.begin() + static_cast<ptrdiff_t>(l4) + 8, frame.end())};
}

PacketBuilder datagram(const Site& site, size_t payload = 100) {
  return PacketBuilder()
      .eth(kPeerMac, kOutsideMac)
      .ip(site.peer, site.node)
      .udp(1000, 2000)
      .payload(payload);
}

// The frames that the stack sends about a packet.
std::vector<SentFrame> told(StackLab& lab, const PacketBuilder& about, const IcmpError& error,
                            PortId port = kOutside) {
  lab.sink.sent.clear();
  Frame frame = about.build();
  Packet packet = frame.parsed();
  REQUIRE(packet.verdict == Verdict::none);
  packet.in_port = port;
  lab.stack.send_error(lab.now, packet, error);
  return lab.sink.sent;
}

}  // namespace

TEST_CASE("DFS-25 TCPX-67 an ICMP error says what the RFCs have for it, back the way it came") {
  struct Row {
    IcmpError error;
    uint8_t type, code, type6, code6;
  };
  const Row rows[] = {
      {{Kind::no_route}, 3, 0, 1, 0},         {{Kind::host_unreachable}, 3, 1, 1, 3},
      {{Kind::port_unreachable}, 3, 3, 1, 4}, {{Kind::prohibited}, 3, 13, 1, 1},
      {{Kind::time_exceeded}, 11, 0, 3, 0},   {{Kind::packet_too_big, 1400}, 3, 4, 2, 0},
  };
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    for (const Row& row : rows) {
      StackLab lab(site);
      const auto sent = told(lab, datagram(site), row.error);
      REQUIRE(sent.size() == 1);
      CHECK(sent[0].port == kOutside);
      const ErrorRead error = read_error(site, sent[0].bytes);
      CHECK(error.type == (site.is_v4() ? row.type : row.type6));
      CHECK(error.code == (site.is_v4() ? row.code : row.code6));
      CHECK(error.rest == row.error.mtu);
      CHECK(error.src == site.outside);
      CHECK(error.dst == site.peer);
      CHECK(error.ethernet_src == kOutsideMac);
      CHECK(error.ethernet_dst == kPeerMac);
      CHECK(error.quote == ip_bytes(datagram(site)));
      CHECK(checksum_fault(Frame(sent[0].bytes, {}).parsed()) == "");
      CHECK(lab.stack.counters().icmp_errors == 1);
    }
  }
}

TEST_CASE("TCPX-67 an ICMP error quotes as much as 576 bytes of IPv4 and 1280 of IPv6 hold") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const auto sent = told(lab, datagram(site, 1400), {Kind::packet_too_big, 1300});
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].bytes.size() == 14 + (site.is_v4() ? 576 : 1280));
    const Bytes whole = ip_bytes(datagram(site, 1400));
    const Bytes quote = read_error(site, sent[0].bytes).quote;
    CHECK(quote == Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(quote.size())));
    CHECK(checksum_fault(Frame(sent[0].bytes, {}).parsed()) == "");
  }
}

TEST_CASE("TCPX-34 TCPX-67 of a super-packet the first segment is quoted") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const auto super = PacketBuilder()
                           .eth(kPeerMac, kOutsideMac)
                           .ip(site.peer, site.node)
                           .tcp(1000, 2000)
                           .payload(20000)
                           .gso(1448);
    const auto sent = told(lab, super, {Kind::packet_too_big, 1400});
    REQUIRE(sent.size() == 1);
    const Bytes quote = read_error(site, sent[0].bytes).quote;
    const size_t length = load_be16(&quote[site.is_v4() ? 2 : 4]) + (site.is_v4() ? 0u : 40u);
    CHECK(length == (site.is_v4() ? 20u : 40u) + 20 + 1448);
    Bytes header(quote.begin(), quote.begin() + 20);
    if (site.is_v4()) CHECK(Ipv4Header(header.data()).checksum_is_right());
  }
}

TEST_CASE("DFS-25 TCPX-78 what may not be answered by an ICMP error is not") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    const IcmpError error{Kind::time_exceeded};
    const auto icmp = [&](uint8_t type) {
      return PacketBuilder()
          .eth(kPeerMac, kOutsideMac)
          .ip(site.peer, site.node)
          .icmp(type)
          .payload(64);
    };
    const MacAddress to_many{{1, 0, 0x5e, 0, 0, 1}};
    CHECK(told(lab, icmp(site.is_v4() ? 3 : 1), error).empty());
    CHECK(told(lab, icmp(site.is_v4() ? 5 : 137), error).empty());
    CHECK(told(lab, icmp(site.is_v4() ? 40 : 100), error).empty());  // of an unknown type
    CHECK(told(lab, icmp(site.is_v4() ? 8 : 128), error).size() == 1);
    CHECK(told(lab, datagram(site).fragment(1400, true).payload(800), error).empty());
    CHECK(told(lab, datagram(site).fragment(0, true).payload(800), error).size() == 1);
    CHECK(told(lab, datagram(site).eth(kPeerMac, to_many), error).empty());
    CHECK(told(lab, datagram(site).ip(site.peer, ip(site.is_v4() ? "224.0.0.9" : "ff02::9")), error)
              .empty());
    CHECK(told(lab, datagram(site).ip(site.outside, site.node), error).empty());
    if (site.is_v4()) {
      CHECK(told(lab, datagram(site).ip(ip("192.0.2.255"), site.node), error).empty());
      CHECK(told(lab, datagram(site).ip(ip("240.0.0.1"), site.node), error).empty());
      CHECK(told(lab, datagram(site).ip(site.peer, ip("192.0.2.255")), error).empty());
    }
    CHECK(lab.stack.counters().icmp_errors == 2);
  }
}

TEST_CASE("RFC 4443 2.4 (e) a packet to many that is too big is told of, over IPv6") {
  for (const Site& site : sites()) {
    StackLab lab(site);
    const auto about = datagram(site).ip(site.peer, ip(site.is_v4() ? "224.0.0.9" : "ff0e::9"));
    CHECK(told(lab, about, {Kind::packet_too_big, 1300}).size() == (site.is_v4() ? 0 : 1));
  }
}

TEST_CASE("DFS-25 an ICMP error comes from another address of ours where its port has none") {
  const Site& site = sites()[0];
  StackLab lab(site);
  lab.stack.add_port(2, {{2, 0, 0, 0, 0, 0xa2}}, 1500);
  const auto sent = told(lab, datagram(site), {Kind::time_exceeded}, 2);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].port == 2);
  CHECK(read_error(site, sent[0].bytes).src == site.outside);
}

TEST_CASE("TCPX-79 ICMP errors keep to a rate for each destination and one for all") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    size_t sent = 0;
    for (int i = 0; i < 100; ++i) sent += told(lab, datagram(site), {Kind::time_exceeded}).size();
    CHECK(sent == ErrorLimit::kBurst);
    // Another network is not concerned.
    CHECK(told(lab, datagram(site).ip(site.far, site.node), {Kind::no_route}).size() == 1);
    CHECK(lab.stack.counters().icmp_errors == sent + 1);
    CHECK(lab.stack.counters().icmp_errors_limited == 100 - sent);
    lab.pass(Duration::seconds(1));
    CHECK(told(lab, datagram(site), {Kind::time_exceeded}).size() == 1);
    // And from everywhere.
    sent = 0;
    for (uint32_t i = 0; i < 5000; ++i) {
      IpAddress source = site.far;
      source.bytes[site.is_v4() ? 14 : 6] = static_cast<uint8_t>(i >> 8);
      source.bytes[site.is_v4() ? 15 : 7] = static_cast<uint8_t>(i | 1);
      sent += told(lab, datagram(site).ip(source, site.node), {Kind::time_exceeded}).size();
    }
    CHECK(sent > ErrorLimit::kBurstOfAll / 4);
    CHECK(sent <= ErrorLimit::kBurstOfAll);
  }
}

TEST_CASE("TCPX-79 whoever is refused for himself takes nothing of what all may have") {
  const Site& site = sites()[0];
  ErrorLimit limit(1);
  const Instant now = Instant::from_nanoseconds(1'000'000'000);
  for (int i = 0; i < 100'000; ++i) (void)limit.allows(now, site.peer);
  CHECK(limit.allows(now, site.far));
}

}  // namespace sluice::test
