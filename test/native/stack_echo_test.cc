#include <doctest/doctest.h>

#include "support/stack_lab.h"
#include "wire/checksum.h"

namespace sluice::test {

namespace {

uint8_t icmp(const Site& site) { return site.is_v4() ? 1 : 58; }

Bytes echo_message(const Site& site, uint8_t v4_type, uint8_t v6_type, size_t payload) {
  Bytes message{site.is_v4() ? v4_type : v6_type, 0, 0, 0, 0xab, 0xcd, 0, 9};
  for (size_t i = 0; i < payload; ++i) message.push_back(static_cast<uint8_t>(i * 7));
  return message;
}

Bytes request(const Site& site, const IpAddress& dst, size_t payload = 56) {
  return ip_frame(kPeerMac, kOutsideMac, site.peer, dst, icmp(site),
                  echo_message(site, 8, 128, payload), 3);
}

Bytes reply(const Site& site, const IpAddress& src, size_t payload = 56) {
  return ip_frame(kOutsideMac, kPeerMac, src, site.peer, icmp(site),
                  echo_message(site, 0, 129, payload), 64);
}

size_t l4(const Site& site) { return site.is_v4() ? 34 : 54; }

}  // namespace

TEST_CASE("DFS-22 an echo request to any address of ours is answered, whole, with TTL 64") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    lab.stack.add_virtual_address(site.virtual_stray);
    for (const IpAddress& own : {site.outside, site.inside, site.virtual_stray}) {
      for (const size_t payload : {0, 1, 56, 1399, 60'001}) {
        CAPTURE(payload);
        CHECK(lab.receive(kOutside, request(site, own, payload)).verdict == Verdict::deliver);
        REQUIRE(lab.sink.sent.size() == 1);
        CHECK(lab.sink.sent[0].port == kOutside);
        CHECK(lab.sink.sent[0].bytes == reply(site, own, payload));
        lab.sink.sent.clear();
      }
    }
  }
}

TEST_CASE("TCPX-77 Ethernet padding of an echo request is not sent back") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    CHECK(lab.receive(kOutside, request(site, site.outside, 2) + Bytes(30, 0xff)).verdict ==
          Verdict::deliver);
    REQUIRE(lab.sink.sent.size() == 1);
    CHECK(lab.sink.sent[0].bytes == reply(site, site.outside, 2));
  }
}

TEST_CASE("An echo reply carries no options or extension headers of the request") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    Bytes frame = request(site, site.outside);
    if (site.is_v4()) {
      const Bytes router_alert{0x94, 4, 0, 0};
      frame.insert(frame.begin() + 34, router_alert.begin(), router_alert.end());
      frame[14] = 0x46;
      store_be16(&frame[16], static_cast<uint16_t>(load_be16(&frame[16]) + 4));
      store_be16(&frame[24], 0);
      store_be16(&frame[24], finish_checksum(sum_bytes(&frame[14], 24)));
    } else {
      const Bytes destination_options{58, 0, 1, 4, 0, 0, 0, 0};
      frame.insert(frame.begin() + 54, destination_options.begin(), destination_options.end());
      frame[20] = 60;
      store_be16(&frame[18], static_cast<uint16_t>(load_be16(&frame[18]) + 8));
    }
    CHECK(lab.receive(kOutside, frame).verdict == Verdict::deliver);
    REQUIRE(lab.sink.sent.size() == 1);
    CHECK(lab.sink.sent[0].bytes == reply(site, site.outside));
  }
}

TEST_CASE("A wrong checksum is no echo request; one that the sender left open is") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    Bytes corrupt = request(site, site.outside);
    corrupt.back() ^= 0x40;
    CHECK(lab.receive(kOutside, corrupt).drop_reason == DropReason::l4_checksum);
    CHECK(lab.sink.sent.empty());

    Offload open;
    open.needs_checksum = true;
    open.checksum_start = static_cast<uint16_t>(l4(site));
    open.checksum_offset = 2;
    Bytes partial = request(site, site.outside);
    store_be16(&partial[l4(site) + 2], 0x1234);
    CHECK(lab.receive(kOutside, partial, open).verdict == Verdict::deliver);
    REQUIRE(lab.sink.sent.size() == 1);
    CHECK(lab.sink.sent[0].bytes == reply(site, site.outside));
  }
}

TEST_CASE("What is no echo request to us is dropped with its reason") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    Bytes fragment = request(site, site.outside);
    if (site.is_v4()) {
      store_be16(&fragment[20], 0x2000);
      store_be16(&fragment[24], 0);
      store_be16(&fragment[24], finish_checksum(sum_bytes(&fragment[14], 20)));
    } else {
      const Bytes header{58, 0, 0, 1, 0, 0, 0, 5};
      fragment.insert(fragment.begin() + 54, header.begin(), header.end());
      fragment[20] = 44;
      store_be16(&fragment[18], static_cast<uint16_t>(load_be16(&fragment[18]) + 8));
    }
    // A first fragment is answered by one, the others with what is known of it.
    CHECK(lab.receive(kOutside, fragment).verdict == Verdict::deliver);
    CHECK(lab.sink.sent.size() == 1);
    lab.sink.sent.clear();

    const Bytes stray = ip_frame(kPeerMac, kOutsideMac, site.peer, site.outside, icmp(site),
                                 echo_message(site, 0, 129, 8));
    CHECK(lab.receive(kOutside, stray).drop_reason == DropReason::own_address);
    CHECK(lab.receive(kOutside, request(site, site.other)).drop_reason ==
          DropReason::no_virtual_server);
    CHECK(lab.sink.sent.empty());
  }
}

TEST_CASE("TCPX-78 nothing that was sent to many is answered") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    Bytes broadcast = request(site, site.outside);
    MacAddress::broadcast().store(broadcast.data());
    CHECK(lab.receive(kOutside, broadcast).drop_reason == DropReason::multicast);
    const IpAddress group = site.is_v4() ? ip("224.0.0.1") : ip("ff02::1");
    CHECK(lab.receive(kOutside, request(site, group)).drop_reason == DropReason::multicast);
    CHECK(lab.sink.sent.empty());
  }
}

}  // namespace sluice::test
