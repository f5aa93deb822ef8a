// What the kernel does on the device of an AF_PACKET port (DFS-22).
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "port/kernel_silence.h"
#include "port/sysctl.h"
#include "support/kernel_transfer.h"
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

// A kernel that would answer: it has an address, routes, and speaks IPv6.
struct Temptation {
  OneHost link;
  std::unique_ptr<PacketPort> host;

  Temptation() {
    add_address(link.engine, std::string(kKernel4) + "/32", "lo");
    REQUIRE(link.engine.ip("route add 10.9.0.0/24 dev e0"));
    REQUIRE(link.engine.command("sysctl -q -w net.ipv4.ip_forward=1"));
    host = open_packet(packet_options(link.host, "h0"));
  }

  // What the kernel has said to the host after all provocations have reached the port.
  std::vector<Bytes> answers(Port& engine) {
    receive_all(*host);
    for (const Provocation& each : provocations(host->mac(), engine.mac())) {
      REQUIRE(transmit(*host, now(), std::vector<Bytes>(10, each.frame)) == 10);
    }
    REQUIRE(transmit(*host, now(), {marker(1)}) == 1);
    receive_until(engine, marker(1));
    REQUIRE(transmit(engine, now(), {marker(2)}) == 1);
    return receive_until(*host, marker(2));
  }
  // The same frames do provoke a kernel that is not silenced, or silence would mean nothing.
  bool kernel_answers() {
    return all_answered(*host, provocations(host->mac(), link_of(link.engine, "e0").mac));
  }
  bool settings_are(const std::string& arp_ignore, const std::string& forwarding,
                    const std::string& disable_ipv6) const {
    return setting(link.engine, "ipv4/conf/e0/arp_ignore") == arp_ignore &&
           setting(link.engine, "ipv4/conf/e0/forwarding") == forwarding &&
           setting(link.engine, "ipv6/conf/e0/disable_ipv6") == disable_ipv6;
  }
  uint64_t seen_by_ip4() const { return kernel_counter(link.engine, "Ip", "InReceives"); }
};

// Whether programs silence the kernel here.
bool takes_programs(const TestNamespace& space) {
  return space.run([&] {
    auto netlink = Netlink::open();
    auto link = netlink.value().link("e0");
    auto silence = KernelSilence::impose(netlink.value(), "e0", link.value().index);
    return silence.ok() && silence.value().by_programs();
  });
}

// Lays another device over this one, which gives the kernel a reason to be left its frames.
bool skipped_without_macvlan(const TestNamespace& space, const std::string& device) {
  if (space.ip("link add link " + device + " name over0 type macvlan")) return false;
  std::printf("SKIPPED: this kernel has no macvlan devices\n");
  return true;
}

}  // namespace

TEST_CASE("DFS-22 programs silence the kernel on the device of an AF_PACKET port, no longer") {
  if (skipped_without()) return;
  Temptation temptation;
  if (!takes_programs(temptation.link.engine)) {
    std::printf("SKIPPED: this kernel takes no tcx programs (Linux 6.6, CAP_BPF)\n");
    return;
  }
  {
    auto engine = open_packet(packet_options(temptation.link.engine, "e0"));
    CHECK(temptation.settings_are("0", "1", "0"));
    const uint64_t seen = temptation.seen_by_ip4();
    CHECK(temptation.answers(*engine).empty());
    CHECK(temptation.seen_by_ip4() == seen);
  }
  CHECK(temptation.kernel_answers());
}

TEST_CASE("DFS-22 the kernel is silent on a device as long as one of several AF_PACKET ports is") {
  if (skipped_without()) return;
  Temptation temptation;
  auto opened = PacketPort::open_several(packet_options(temptation.link.engine, "e0"), 2, nullptr);
  REQUIRE(opened.ok());
  opened.value().erase(opened.value().begin());
  CHECK(without_mld(temptation.answers(*opened.value().front())).empty());
  opened.value().clear();
  CHECK(temptation.kernel_answers());
}

TEST_CASE("DFS-22 settings silence the kernel where others work through the device") {
  if (skipped_without()) return;
  Temptation temptation;
  if (skipped_without_macvlan(temptation.link.engine, "e0")) return;
  {
    auto engine = open_packet(packet_options(temptation.link.engine, "e0"));
    CHECK(temptation.settings_are("8", "0", "1"));
    CHECK(without_mld(temptation.answers(*engine)).empty());
  }
  CHECK(temptation.settings_are("0", "1", "0"));
  CHECK(temptation.kernel_answers());
}

TEST_CASE("DFS-22 devices that others work through are told from those that are free") {
  if (skipped_without()) return;
  OneHost link;
  REQUIRE(link.engine.ip("link add e1 type veth peer name e2"));
  const auto carries = [&](const std::string& device) {
    const int index = link_of(link.engine, device).index;
    return link.engine.run([&] { return Netlink::open().value().carries_others(index).value(); });
  };
  CHECK_FALSE(carries("e0"));
  CHECK_FALSE(carries("e1"));
  if (skipped_without_macvlan(link.engine, "e1")) return;
  CHECK(carries("e1"));
  CHECK_FALSE(carries("e2"));
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
