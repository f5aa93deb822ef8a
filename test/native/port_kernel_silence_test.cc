// What the kernel does on the device of an AF_PACKET port (DFS-22).
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "port/sysctl.h"
#include "support/packet_link.h"

using namespace sluice;
using namespace sluice::test;

namespace {

// What a kernel answers: for the addresses that it has on any device, and as a router.
struct Provocation {
  std::string description;
  Bytes frame;
  bool (*is_answer)(const Packet& parsed);
};

bool is_icmp(const Packet& packet, uint8_t protocol, uint8_t type) {
  return packet.headers.protocol == protocol && *packet.at(packet.headers.l4) == type;
}

constexpr const char* kHost4 = "10.9.0.1";
constexpr const char* kHost6 = "fe80::5";
constexpr const char* kKernel4 = "198.51.100.9";

// The address that a kernel gives itself on a link (RFC 4291, appendix A).
IpAddress link_local(const MacAddress& mac) {
  const auto& m = mac.bytes;
  IpAddress address = ip("fe80::");
  const uint8_t identifier[] = {
      static_cast<uint8_t>(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
  std::copy_n(identifier, 8, address.bytes.begin() + 8);
  return address;
}

// Asks who has the address of the host, before it can be sent an answer.
bool looks_for_host(const Packet& packet) {
  return is_icmp(packet, kProtocolIcmpv6, 135) &&
         IpAddress::load_v6(packet.at(packet.headers.l4 + 8)) == ip(kHost6);
}

std::vector<Provocation> provocations(const MacAddress& host, const MacAddress& device) {
  const IpAddress target = link_local(device);
  Bytes solicitation(target.bytes.begin(), target.bytes.end());
  solicitation.insert(solicitation.end(), {1, 1});  // option: source link-layer address
  solicitation.insert(solicitation.end(), host.bytes.begin(), host.bytes.end());
  const auto frame = [&](const MacAddress& to) { return PacketBuilder().eth(host, to); };
  const MacAddress all_nodes{{0x33, 0x33, 0, 0, 0, 1}};
  return {
      {"ARP for an address of the kernel",
       frame(MacAddress::broadcast())
           .arp(1, host, ip(kHost4), MacAddress(), ip(kKernel4))
           .build()
           .bytes(),
       [](const Packet& p) {
         return p.headers.ether_type == kEtherTypeArp && load_be16(p.at(20)) == 2;
       }},
      {"a packet to be routed to a neighbour, which is looked for",
       frame(device).ipv4(kHost4, "10.9.0.77").udp(1000, 2000).payload(20).build().bytes(),
       [](const Packet& p) {
         return p.headers.ether_type == kEtherTypeArp && load_be16(p.at(20)) == 1;
       }},
      {"a TCP segment whose TTL runs out",
       frame(device).ipv4(kHost4, "10.9.0.78").ttl(1).tcp(1000, 80, kTcpSyn).build().bytes(),
       [](const Packet& p) { return is_icmp(p, kProtocolIcmp, 11); }},
      {"an echo request to all nodes of the link",
       frame(all_nodes).ipv6(kHost6, "ff02::1").ttl(255).icmp(128).payload(8).build().bytes(),
       looks_for_host},
      {"a neighbour solicitation for an address of the kernel",
       frame(all_nodes)
           .ipv6(kHost6, "ff02::1")
           .ttl(255)
           .icmp(135)
           .payload(solicitation)
           .build()
           .bytes(),
       [](const Packet& p) { return is_icmp(p, kProtocolIcmpv6, 136); }},
  };
}

// Sends what provokes until every answer has come; returns whether it has.
bool all_answered(Port& port, const std::vector<Provocation>& provocations) {
  std::vector<bool> answered(provocations.size());
  for (const Patience patience; patience.left();) {
    for (const Provocation& each : provocations) transmit(port, now(), {each.frame});
    wait_for_frames(port, port);
    Batch batch;
    port.receive(now(), batch);
    for (Packet& packet : batch.all()) {
      parse(packet);
      for (size_t i = 0; i < provocations.size(); ++i) {
        if (provocations[i].is_answer(packet)) answered[i] = true;
      }
    }
    port.release();
    if (std::count(answered.begin(), answered.end(), false) == 0) return true;
  }
  for (size_t i = 0; i < provocations.size(); ++i) {
    if (!answered[i]) MESSAGE("no answer to " << provocations[i].description);
  }
  return false;
}

// When IPv6 is turned off on a device, its kernel takes leave of the multicast groups there.
std::vector<Bytes> without_mld(std::vector<Bytes> frames) {
  const MacAddress all_mld_routers{{0x33, 0x33, 0, 0, 0, 0x16}};
  std::erase_if(frames, [&](const Bytes& frame) {
    return MacAddress::load(frame.data()) == all_mld_routers;
  });
  return frames;
}

std::string setting(const TestNamespace& space, const std::string& name) {
  return space.run([&] { return read_sysctl(name).value_or("none"); });
}

}  // namespace

TEST_CASE("DFS-22 the kernel is silent on the device of an AF_PACKET port, and only meanwhile") {
  if (skipped_without()) return;
  OneHost link;
  add_address(link.engine, std::string(kKernel4) + "/32", "lo");
  REQUIRE(link.engine.ip("route add 10.9.0.0/24 dev e0"));
  REQUIRE(link.engine.command("sysctl -q -w net.ipv4.ip_forward=1"));
  auto host = open_packet(packet_options(link.host, "h0"));
  {
    auto engine = open_packet(packet_options(link.engine, "e0"));
    CHECK(setting(link.engine, "ipv4/conf/e0/arp_ignore") == "8");
    CHECK(setting(link.engine, "ipv4/conf/e0/forwarding") == "0");
    CHECK(setting(link.engine, "ipv6/conf/e0/disable_ipv6") == "1");
    receive_all(*host);
    for (const Provocation& each : provocations(host->mac(), engine->mac())) {
      REQUIRE(transmit(*host, now(), std::vector<Bytes>(10, each.frame)) == 10);
    }
    REQUIRE(transmit(*host, now(), {marker(1)}) == 1);
    receive_until(*engine, marker(1));
    REQUIRE(transmit(*engine, now(), {marker(2)}) == 1);
    CHECK(without_mld(receive_until(*host, marker(2))).empty());
  }
  CHECK(setting(link.engine, "ipv4/conf/e0/arp_ignore") == "0");
  CHECK(setting(link.engine, "ipv4/conf/e0/forwarding") == "1");
  CHECK(setting(link.engine, "ipv6/conf/e0/disable_ipv6") == "0");
  // The same frames do provoke a kernel that is not silenced, or the above would mean nothing.
  const MacAddress device = link_of(link.engine, "e0").mac;
  CHECK(all_answered(*host, provocations(host->mac(), device)));
}

TEST_CASE("DFS-22 AF_PACKET port on a device that the host uses leaves it its settings") {
  if (skipped_without()) return;
  OneHost link;
  add_address(link.engine, "10.9.0.2/24", "e0");
  PortOptions options = packet_options(link.engine, "e0");
  options.addresses = {{ip("10.9.0.100"), 24}};
  {
    auto engine = open_packet(options);
    CHECK(setting(link.engine, "ipv4/conf/e0/arp_ignore") == "0");
  }
  // A host that forwards would answer for the engine, unless frames for the engine are not
  // addressed to the host.
  REQUIRE(link.engine.command("sysctl -q -w net.ipv4.ip_forward=1"));
  auto refused = PacketPort::open(options);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().error_number == EADDRINUSE);
  options.mac = MacAddress{{2, 0, 0, 0, 0, 9}};
  CHECK(open_packet(options)->mac() == *options.mac);
  CHECK(setting(link.engine, "ipv4/conf/e0/forwarding") == "1");
}
