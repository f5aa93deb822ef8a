#include "support/stack_lab.h"

#include <doctest/doctest.h>

#include "packet/parse.h"
#include "wire/checksum.h"

namespace sluice::test {

namespace {

const MacAddress kNoMac{};
constexpr uint8_t kIcmpv6 = 58;

Bytes ethernet(const MacAddress& dst, const MacAddress& src, uint16_t type) {
  return bytes_of(dst) + bytes_of(src) +
         Bytes{static_cast<uint8_t>(type >> 8), static_cast<uint8_t>(type)};
}

Bytes arp(const MacAddress& ethernet_dst, uint8_t operation, const MacAddress& sender_mac,
          const IpAddress& sender, const MacAddress& target_mac, const IpAddress& target) {
  return ethernet(ethernet_dst, sender_mac, 0x0806) + Bytes{0, 1, 8, 0, 6, 4, 0, operation} +
         bytes_of(sender_mac) + bytes_of(sender) + bytes_of(target_mac) + bytes_of(target);
}

MacAddress multicast_mac(const IpAddress& group) {
  return {{0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]}};
}

IpAddress solicited_node(const IpAddress& address) {
  IpAddress group = ip("ff02::1:ff00:0");
  std::copy(address.bytes.begin() + 13, address.bytes.end(), group.bytes.begin() + 13);
  return group;
}

Bytes nd(const MacAddress& ethernet_src, const MacAddress& ethernet_dst, const IpAddress& src,
         const IpAddress& dst, uint8_t type, uint8_t flags, const IpAddress& target,
         const MacAddress& option) {
  Bytes message = Bytes{type, 0, 0, 0, flags, 0, 0, 0} + bytes_of(target);
  if (!(option == kNoMac)) {
    message = message + Bytes{static_cast<uint8_t>(type == 135 ? 1 : 2), 1} + bytes_of(option);
  }
  return ip_frame(ethernet_src, ethernet_dst, src, dst, kIcmpv6, message, 255);
}

Said read_arp(const SentFrame& frame, Said said) {
  const uint8_t* at = frame.bytes.data() + 14;
  REQUIRE(frame.bytes.size() == 42);
  REQUIRE(std::memcmp(at, "\0\1\x8\0\6\4\0", 7) == 0);
  said.mac = MacAddress::load(at + 8);
  said.speaker = IpAddress::load_v4(at + 14);
  said.target = IpAddress::load_v4(at + 24);
  const bool is_reply = at[7] == 2;
  said.kind = is_reply                      ? Said::Kind::reply
              : said.speaker == said.target ? Said::Kind::announcement
                                            : Said::Kind::request;
  CHECK(MacAddress::load(at + 18) == (is_reply ? said.ethernet_dst : kNoMac));
  return said;
}

Said read_nd(const SentFrame& frame, Said said) {
  const uint8_t* at = frame.bytes.data() + 14;
  const uint8_t* message = at + 40;
  REQUIRE(frame.bytes.size() == 14 + 40 + 32);
  REQUIRE(load_be16(at + 4) == 32);
  CHECK(at[7] == 255);
  CHECK(fold_sum(pseudo_header_sum_v6(at + 8, at + 24, kIcmpv6, 32) + sum_bytes(message, 32)) ==
        0xffff);
  said.mac = MacAddress::load(message + 26);
  CHECK(message[25] == 1);
  const IpAddress destination = IpAddress::load_v6(at + 24);
  if (message[0] == 135) {
    said.kind = Said::Kind::request;
    said.speaker = IpAddress::load_v6(at + 8);
    said.target = IpAddress::load_v6(message + 8);
    CHECK(message[24] == 1);
  } else {
    REQUIRE(message[0] == 136);
    CHECK(message[24] == 2);
    const bool solicited = (message[4] & 0x40) != 0;
    said.kind = solicited ? Said::Kind::reply : Said::Kind::announcement;
    CHECK((message[4] & 0xa0) == 0xa0);  // router, override
    said.speaker = IpAddress::load_v6(message + 8);
    CHECK(said.speaker == IpAddress::load_v6(at + 8));
    said.target = solicited ? destination : said.speaker;
  }
  if (destination.is_multicast()) CHECK(said.ethernet_dst == multicast_mac(destination));
  return said;
}

}  // namespace

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Bytes bytes_of(const IpAddress& address) {
  return {address.bytes.begin() + (address.is_v4() ? 12 : 0), address.bytes.end()};
}

Bytes bytes_of(const MacAddress& mac) { return {mac.bytes.begin(), mac.bytes.end()}; }

const std::vector<Site>& sites() {
  static const std::vector<Site> both = {
      {"IPv4", 24, ip("192.0.2.1"), ip("10.1.0.1"), ip("192.0.2.10"), ip("192.0.2.11"),
       ip("192.0.2.254"), ip("10.1.0.11"), ip("198.51.100.7"), ip("192.0.2.100"), ip("203.0.113.5"),
       ip("0.0.0.0")},
      {"IPv6", 64, ip("2001:db8:1::1"), ip("2001:db8:2::1"), ip("2001:db8:1::10"),
       ip("2001:db8:1::11"), ip("2001:db8:1::fe"), ip("2001:db8:2::11"), ip("2001:db8:99::7"),
       ip("2001:db8:1::100"), ip("2001:db8:ff::5"), ip("::")},
  };
  return both;
}

void RecordingSink::originate(PortId port, Packet& frame) {
  CHECK(frame.verdict == Verdict::none);
  CHECK_FALSE(frame.offload.needs_checksum);
  std::memset(frame.data - kHeadroom, 0xee, kHeadroom);
  sent.push_back({port, Bytes(frame.data, frame.data + frame.length), frame.offload, false});
}

void RecordingSink::resume(PortId port, std::span<Packet* const> packets) {
  batches.push_back(packets.size());
  for (const Packet* packet : packets) {
    CHECK(packet->verdict == Verdict::forward);
    std::memset(packet->data - kHeadroom, 0xee, kHeadroom);
    const Bytes bytes(packet->data, packet->data + packet->length);
    sent.push_back({port, bytes, packet->offload, true});
  }
}

void RecordingSink::give_up(const Packet& packet) {
  CHECK(packet.verdict == Verdict::drop);
  given_up.push_back(packet.drop_reason);
}

bool is_probe(const SentFrame& frame) {
  const uint8_t* at = frame.bytes.data() + 14;
  const bool arp = load_be16(at - 2) == 0x0806;
  if (arp) return load_be32(at + 14) == 0;
  return at[6] == kIcmpv6 && at[40] == 135 && IpAddress::load_v6(at + 8).is_zero();
}

bool is_report(const SentFrame& frame) {
  const uint8_t* at = frame.bytes.data() + 14;
  return load_be16(at - 2) == 0x86dd && at[6] == 0 && at[48] == 143;
}

Bytes Peer::asks(const IpAddress& target) const {
  if (address.is_v4()) {
    return arp(MacAddress::broadcast(), 1, mac, address, kNoMac, target);
  }
  const IpAddress group = solicited_node(target);
  return nd(mac, multicast_mac(group), address, group, 135, 0, target, mac);
}

Bytes Peer::asks(const IpAddress& target, const MacAddress& known) const {
  if (address.is_v4()) return arp(known, 1, mac, address, kNoMac, target);
  return nd(mac, known, address, target, 135, 0, target, kNoMac);
}

Bytes Peer::answers(const IpAddress& to, const MacAddress& to_mac) const {
  if (address.is_v4()) return arp(to_mac, 2, mac, address, to_mac, to);
  return nd(mac, to_mac, address, to, 136, 0x60, address, mac);
}

Bytes Peer::announces() const {
  if (address.is_v4()) return arp(MacAddress::broadcast(), 1, mac, address, kNoMac, address);
  const IpAddress all_nodes = ip("ff02::1");
  return nd(mac, multicast_mac(all_nodes), address, all_nodes, 136, 0x20, address, mac);
}

Bytes Peer::probes(const IpAddress& target) const {
  if (target.is_v4()) {
    return arp(MacAddress::broadcast(), 1, mac, IpAddress::v4(0), kNoMac, target);
  }
  const IpAddress group = solicited_node(target);
  return nd(mac, multicast_mac(group), IpAddress{}, group, 135, 0, target, kNoMac);
}

Bytes with_flags(const Bytes& advertisement, uint8_t flags) {
  Bytes message(advertisement.begin() + 54, advertisement.end());
  message[4] = flags;
  store_be16(&message[2], 0);
  return ip_frame(MacAddress::load(&advertisement[6]), MacAddress::load(&advertisement[0]),
                  IpAddress::load_v6(&advertisement[22]), IpAddress::load_v6(&advertisement[38]),
                  kIcmpv6, message, 255);
}

Said read(const SentFrame& frame) {
  REQUIRE(frame.bytes.size() >= 14);
  Said said;
  said.port = frame.port;
  said.ethernet_dst = MacAddress::load(frame.bytes.data());
  said.ethernet_src = MacAddress::load(frame.bytes.data() + 6);
  const uint16_t type = load_be16(frame.bytes.data() + 12);
  if (type == 0x0806) return read_arp(frame, said);
  const bool is_nd = type == 0x86dd && frame.bytes.size() > 54 && frame.bytes[20] == kIcmpv6 &&
                     (frame.bytes[54] == 135 || frame.bytes[54] == 136);
  return is_nd ? read_nd(frame, said) : said;
}

Bytes ip_frame(const MacAddress& ethernet_src, const MacAddress& ethernet_dst, const IpAddress& src,
               const IpAddress& dst, uint8_t protocol, const Bytes& payload, uint8_t hop_limit) {
  const bool is_v4 = dst.is_v4();
  const auto size = static_cast<uint16_t>(payload.size() + (is_v4 ? 20 : 0));
  const Bytes length{static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)};
  Bytes frame = ethernet(ethernet_dst, ethernet_src, is_v4 ? 0x0800 : 0x86dd);
  if (is_v4) {
    frame = frame + Bytes{0x45, 0} + length + Bytes{0x12, 0x34, 0x40, 0, hop_limit, protocol, 0, 0};
  } else {
    frame = frame + Bytes{0x60, 0, 0, 0} + length + Bytes{protocol, hop_limit};
  }
  frame = frame + bytes_of(src) + bytes_of(dst) + payload;
  if (is_v4) store_be16(&frame[24], finish_checksum(sum_bytes(&frame[14], 20)));
  const size_t l4 = 14 + (is_v4 ? 20 : 40);
  if (protocol == kIcmpv6 || protocol == 1) {
    uint64_t sum = sum_bytes(&frame[l4], payload.size());
    if (!is_v4) {
      sum += pseudo_header_sum_v6(&frame[22], &frame[38], kIcmpv6,
                                  static_cast<uint32_t>(payload.size()));
    }
    store_be16(&frame[l4 + 2], finish_checksum(sum));
  }
  return frame;
}

Bytes routed(const Site& site, const IpAddress& destination, uint8_t mark) {
  return ip_frame(kOtherMac, kInsideMac, site.node, destination, 17,
                  Bytes{0x12, 0x34, 0, 53, 0, 9, 0, 1, mark});
}

StackLab::StackLab(const Site& site, const StackLimits& limits)
    : site(site), stack(limits, 42, pool, sink) {
  stack.add_port(kOutside, kOutsideMac, 1500);
  stack.add_port(kInside, kInsideMac, 9000);
  stack.add_address(kOutside, site.outside, site.prefix_length);
  stack.add_address(kInside, site.inside, site.prefix_length);
  pass(Duration::seconds(10));
  sink.sent.clear();
}

Packet StackLab::receive(PortId port, const Bytes& frame, const Offload& offload) {
  Bytes buffer = Bytes(kHeadroom, 0) + frame;
  Packet packet;
  packet.data = buffer.data() + kHeadroom;
  packet.length = static_cast<uint32_t>(frame.size());
  packet.in_port = port;
  packet.offload = offload;
  parse(packet);
  if (packet.verdict == Verdict::none) stack.deliver(now, packet);
  CHECK(packet.verdict != Verdict::none);
  packet.data = nullptr;
  return packet;
}

void StackLab::pass(Duration span) {
  const Instant end = now + span;
  while (stack.deadline() <= end) {
    now = std::max(now, stack.deadline());
    stack.poll(now);
    REQUIRE(stack.deadline() > now);
  }
  now = end;
}

NextHop StackLab::acquire(const IpAddress& destination) {
  DropReason why = DropReason::count;
  const NextHop hop = stack.acquire_next_hop(now, destination, why);
  REQUIRE(hop != kNoNextHop);
  return hop;
}

bool StackLab::hold(NextHop hop, const IpAddress& destination, uint8_t mark, DropReason& why) {
  Bytes bytes = routed(site, destination, mark);
  Packet packet;
  packet.data = bytes.data();
  packet.length = static_cast<uint32_t>(bytes.size());
  return stack.hold(now, hop, packet, why);
}

bool StackLab::hold(NextHop hop, const IpAddress& destination, uint8_t mark) {
  DropReason why = DropReason::count;
  return hold(hop, destination, mark, why);
}

NextHop StackLab::resolve(const Peer& peer) {
  const NextHop hop = acquire(peer.address);
  REQUIRE(hold(hop, peer.address));
  receive(kOutside, peer.answers(site.outside, kOutsideMac));
  REQUIRE(stack.next_hop(hop).resolved);
  sink.sent.clear();
  return hop;
}

std::vector<Said> StackLab::said() {
  std::vector<Said> all;
  std::vector<SentFrame> rest;
  for (const SentFrame& frame : sink.sent) {
    if (frame.resumed || is_probe(frame) || is_report(frame)) {
      rest.push_back(frame);
    } else {
      all.push_back(read(frame));
    }
  }
  sink.sent = rest;
  return all;
}

std::vector<SentFrame> StackLab::take(bool (*wanted)(const SentFrame&)) {
  std::vector<SentFrame> all;
  std::vector<SentFrame> rest;
  for (const SentFrame& frame : sink.sent) (wanted(frame) ? all : rest).push_back(frame);
  sink.sent = rest;
  return all;
}

std::vector<SentFrame> StackLab::resumed() {
  std::vector<SentFrame> all;
  std::vector<SentFrame> rest;
  for (const SentFrame& frame : sink.sent) (frame.resumed ? all : rest).push_back(frame);
  sink.sent = rest;
  return all;
}

}  // namespace sluice::test
