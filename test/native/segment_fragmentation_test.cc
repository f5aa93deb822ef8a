// What the engine cuts where a link is too small for it, as routers of IPv4 do.
#include <doctest/doctest.h>

#include "support/dialogue.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

using Bytes = std::vector<uint8_t>;

// An IPv4 packet, put together again by the book: offsets in order and without gaps, one
// identification, MF on all but the last.
Bytes rejoined(const std::vector<MemoryFrame>& frames, size_t from, size_t count, size_t mtu) {
  Bytes payload;
  const Ipv4Header first(const_cast<uint8_t*>(frames[from].bytes.data()) + 14);
  for (size_t i = 0; i < count; ++i) {
    const Bytes& bytes = frames[from + i].bytes;
    CHECK(bytes.size() <= 14 + mtu);
    CHECK(frames[from + i].offload == Offload{});
    const Ipv4Header ip(const_cast<uint8_t*>(bytes.data()) + 14);
    CHECK(ip.checksum_is_right());
    CHECK(ip.id() == first.id());
    CHECK(ip.ttl() == first.ttl());
    CHECK(ip.fragment_offset() == payload.size());
    CHECK(ip.more_fragments() == (i + 1 < count));
    CHECK_FALSE(ip.dont_fragment());
    payload.insert(payload.end(), bytes.begin() + 14 + static_cast<long>(ip.header_length()),
                   bytes.begin() + 14 + ip.total_length());
  }
  const Bytes& head = frames[from].bytes;
  Bytes whole(head.begin(), head.begin() + 14 + static_cast<long>(first.header_length()));
  Ipv4Header ip(whole.data() + 14);
  ip.set_total_length(static_cast<uint16_t>(ip.header_length() + payload.size()));
  ip.set_fragment(0);
  ip.complete_checksum();
  whole.insert(whole.end(), payload.begin(), payload.end());
  return whole;
}

std::unique_ptr<TestEngine> engine_with(const Hosts& hosts, uint16_t mtu, bool offloads = true) {
  TestEngineOptions options;
  options.inside = {.checksum = offloads, .tso4 = offloads, .tso6 = offloads, .uso = offloads};
  options.inside.mtu = mtu;
  return engine_for(hosts, options);
}

TEST_CASE("TCPX-67 TCPX-69 a routed datagram that may be cut is, with its identification") {
  const Hosts& hosts = both_families()[0];
  for (const bool partial : {false, true}) {
    for (const bool options : {false, true}) {
      CAPTURE(partial);
      CAPTURE(options);
      auto engine = engine_with(hosts, 1400);
      auto about = PacketBuilder().ip(hosts.client, hosts.server).udp(1, 2).payload(4000).id(77);
      // One option that all fragments have, one that the first has alone (RFC 791 3.1).
      if (options) about.ip_options({0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0});
      if (partial) about.partial();
      engine->from_client(about);
      REQUIRE(engine->to_server.size() == 3);
      Frame whole(rejoined(engine->to_server, 0, 3, 1400), {});
      const Packet packet = whole.parsed();
      CHECK(packet.verdict == Verdict::none);
      CHECK(checksum_fault(packet) == "");
      CHECK(packet.key == FlowKey{hosts.client, hosts.server, 1, 2, kProtocolUdp, 0});
      CHECK(Ipv4Header(whole.data() + 14).id() == 77);
      CHECK(Ipv4Header(whole.data() + 14).ttl() == 63);
      if (options) {
        CHECK(int{engine->to_server[0].bytes[14]} == 0x48);
        CHECK(int{engine->to_server[1].bytes[14]} == 0x46);
        CHECK(int{engine->to_server[1].bytes[34]} == 0x94);
      }
      CHECK(engine->count(Counter::fragmented) == 1);
      CHECK(engine->count(Counter::icmp_errors) == 0);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("TCPX-67 a fragment is cut further, the last of them says that it is the last") {
  const Hosts& hosts = both_families()[0];
  for (const bool more : {true, false}) {
    CAPTURE(more);
    auto engine = engine_with(hosts, 700);
    // Without the first one nobody knows whose it is.
    engine->from_client(
        PacketBuilder().ip(hosts.client, hosts.server).udp(1, 2).payload(1472).fragment(0, true));
    REQUIRE(engine->to_server.size() == 3);
    engine->to_server.clear();
    engine->from_client(PacketBuilder()
                            .ip(hosts.client, hosts.server)
                            .protocol(kProtocolUdp)
                            .fragment(1480, more)
                            .payload(1000));
    REQUIRE(engine->to_server.size() == 2);
    const Ipv4Header first(engine->to_server[0].bytes.data() + 14);
    const Ipv4Header second(engine->to_server[1].bytes.data() + 14);
    CHECK(first.fragment_offset() == 1480);
    CHECK(first.more_fragments());
    CHECK(second.fragment_offset() == 1480 + 680);
    CHECK(second.more_fragments() == more);
  }
}

TEST_CASE("TCPX-67 TCPX-34 a translated super-packet without DF is cut twice") {
  const Hosts& hosts = both_families()[0];
  for (const bool offloads : {true, false}) {
    CAPTURE(offloads);
    auto engine = engine_with(hosts, 1000, offloads);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    engine->from_client(tcp.client(kTcpAck).payload(3000).gso(1400).id(500));
    // Two segments of two fragments each, and the rest, which fits.
    REQUIRE(engine->to_server.size() == 5);
    for (const size_t i : {0, 2, 4}) {
      Frame whole(rejoined(engine->to_server, i, i == 4 ? 1 : 2, 1000), {});
      CHECK(checksum_fault(whole.parsed()) == "");
      CHECK(whole.parsed().key.dst == hosts.server);
      CHECK(Ipv4Header(whole.data() + 14).id() == 500 + i / 2);
    }
    CHECK(engine->count(Counter::forwarded) == 4);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-67 nothing of IPv6 is cut") {
  const Hosts& hosts = both_families()[1];
  auto engine = engine_with(hosts, 1400);
  engine->from_client(PacketBuilder().ip(hosts.client, hosts.server).udp(1, 2).payload(1400));
  CHECK(engine->to_server.empty());
  CHECK(engine->dropped(DropReason::mtu_exceeded) == 1);
  CHECK(engine->count(Counter::icmp_errors) == 1);
  CHECK(engine->settle() == "");
}

}  // namespace
}  // namespace sluice
