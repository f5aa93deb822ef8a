// Datagrams in fragments through a whole segment: each fragment is translated and sent on by
// itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "support/dialogue.h"
#include "support/fragments.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

constexpr PortId kOutside = 0, kInside = 1;

// The fragments of a datagram of 4000 bytes, in three, as a host on one of the links sends them.
std::vector<Frame> from_client(const Hosts& hosts, uint32_t id, L4Port port = 40000) {
  PacketBuilder whole = client_datagram(hosts, port).payload(4000).eth(kClientMac, kOutsideMac);
  return fragments_of(whole.build(), 1400, id);
}
std::vector<Frame> from_server(const Hosts& hosts, uint32_t id, L4Port port = 40000) {
  PacketBuilder whole = server_datagram(hosts, port).payload(4000).eth(kServerMac, kInsideMac);
  return fragments_of(whole.build(), 1400, id);
}

uint32_t id_of(const MemoryFrame& frame) {
  Sent sent(frame);
  const Headers& headers = sent.packet().headers;
  if (headers.family == 4) return Ipv4Header(sent.packet().at(headers.l3)).id();
  return load_be32(sent.packet().at(headers.fragment_header + size_t{4}));
}

// What reached a host: one whole datagram, translated, with a right checksum, in fragments of the
// sizes and with the id that they were sent with.
void check_passed(const std::vector<MemoryFrame>& frames, const std::vector<Frame>& sent,
                  uint32_t id, const FlowKey& expected) {
  REQUIRE(frames.size() == sent.size());
  std::vector<size_t> sizes, sent_sizes;
  for (const MemoryFrame& frame : frames) {
    CHECK(id_of(frame) == id);
    sizes.push_back(frame.bytes.size());
  }
  for (const Frame& frame : sent) sent_sizes.push_back(frame.size());
  std::sort(sizes.begin(), sizes.end());
  std::sort(sent_sizes.begin(), sent_sizes.end());
  CHECK(sizes == sent_sizes);
  Frame whole = rejoined(frames);
  const Packet packet = whole.parsed();
  REQUIRE(packet.verdict == Verdict::none);
  CHECK(packet.key == expected);
  CHECK(checksum_fault(packet) == "");
}

FlowKey towards_server(const Hosts& hosts) {
  return {hosts.client, hosts.server, 40000, kNodePort, kProtocolUdp, 0};
}
FlowKey towards_client(const Hosts& hosts) {
  return {hosts.virtual_server, hosts.client, kServicePort, 40000, kProtocolUdp, 0};
}

TEST_CASE(
    "TCPX-68 TCPX-69 TCPX-72 three fragments in all six orders, both ways, open and use a flow") {
  for (const Hosts& hosts : both_families()) {
    std::vector<size_t> order = {0, 1, 2};
    do {
      CAPTURE(hosts.family);
      CAPTURE(order[0] * 100 + order[1] * 10 + order[2]);
      auto engine = engine_for(hosts);
      const std::vector<Frame> question = from_client(hosts, 77);
      for (const size_t i : order) engine->inject(kOutside, question[i]);
      check_passed(engine->to_server, question, 77, towards_server(hosts));
      CHECK(engine->told_of<QueryView>().size() == 1);
      const std::vector<Frame> answer = from_server(hosts, 78);
      for (const size_t i : order) engine->inject(kInside, answer[i]);
      check_passed(engine->to_client, answer, 78, towards_client(hosts));
      CHECK(engine->count(Counter::flows_opened) == 1);
      CHECK(engine->count(Counter::waiting_fragments) == 0);
      CHECK(engine->count(Counter::fragmented_datagrams) == 0);
      CHECK(engine->count(Counter::forwarded) == 6);
      CHECK(engine->settle() == "");
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST_CASE("TCPX-68 fragments wait with their flow for its decision, in order") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    const std::vector<Frame> question = from_client(hosts, 77);
    for (const Frame& fragment : question) engine->inject(kOutside, fragment);
    CHECK(engine->count(Counter::waiting_packets) == 3);
    CHECK(engine->to_server.empty());
    engine->answer_all(TestEngine::to_endpoint(hosts.server, kNodePort));
    check_passed(engine->to_server, question, 77, towards_server(hosts));
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-69 TCPX-72 fragments of different datagrams never meet") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    const std::vector<Frame> one = from_client(hosts, 1);
    const std::vector<Frame> other = from_client(hosts, 2, 40001);
    for (const size_t i : {1, 0, 2}) {
      engine->inject(kOutside, one[i]);
      engine->inject(kOutside, other[i]);
    }
    std::vector<MemoryFrame> first, second;
    for (const MemoryFrame& frame : engine->to_server) {
      (id_of(frame) == 1 ? first : second).push_back(frame);
    }
    check_passed(first, one, 1, towards_server(hosts));
    FlowKey key = towards_server(hosts);
    key.src_port = 40001;
    check_passed(second, other, 2, key);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-31 TCPX-68 a datagram without checksum keeps none, fragment by fragment") {
  const Hosts& hosts = both_families()[0];
  auto engine = engine_for(hosts);
  PacketBuilder whole = client_datagram(hosts).payload(4000).eth(kClientMac, kOutsideMac);
  const auto pieces = fragments_of(whole.without_udp_checksum().build(), 1400, 5);
  for (const Frame& piece : pieces) engine->inject(kOutside, piece);
  check_passed(engine->to_server, pieces, 5, towards_server(hosts));
  Frame joined = rejoined(engine->to_server);
  CHECK(UdpHeader(joined.data() + joined.parsed().headers.l4).checksum() == 0);
}

TEST_CASE("TCPX-68 TCPX-72 a first fragment of UDP over IPv6 without checksum is refused") {
  const Hosts& hosts = both_families()[1];
  auto engine = engine_for(hosts);
  PacketBuilder whole = client_datagram(hosts).payload(4000).eth(kClientMac, kOutsideMac);
  for (const Frame& piece : fragments_of(whole.without_udp_checksum().build(), 1400, 5)) {
    engine->inject(kOutside, piece);
  }
  CHECK(engine->to_server.empty());
  CHECK(engine->dropped(DropReason::udp_checksum_missing) == 1);
  CHECK(engine->settle() == "");
  CHECK(engine->dropped(DropReason::fragment_expired) == 2);
}

// A fragment of the datagram with id 1, as no host sends it.
Frame crafted(const Hosts& hosts, size_t offset, size_t size, bool more) {
  PacketBuilder piece = PacketBuilder().eth(kClientMac, kOutsideMac).id(1);
  piece.ip(hosts.client, hosts.virtual_server).fragment(offset, more);
  return piece.protocol(kProtocolUdp).payload(size).build();
}

TEST_CASE("TCPX-68 TCPX-72 an overlap drops the whole datagram (RFC 1858, 5722)") {
  struct Attack {
    const char* name;
    size_t offset, size;
    bool more;
  };
  // On a datagram of 5608 bytes in four, of which three have come.
  constexpr Attack kAttacks[] = {{"the L4 header's neighbour", 8, 1400, true},
                                 {"within one", 1408, 16, true},
                                 {"around one", 1392, 1416, true},
                                 {"over two", 2000, 1200, true},
                                 {"the same beginning, shorter", 2800, 8, true},
                                 {"the end of the last", 4192, 16, true},
                                 {"an end within", 1400, 800, false},
                                 {"an end where others follow", 1400, 1400, false}};
  for (const Hosts& hosts : both_families()) {
    PacketBuilder whole = client_datagram(hosts).payload(5600).eth(kClientMac, kOutsideMac);
    const std::vector<Frame> sound = fragments_of(whole.build(), 1400, 1);
    for (const Attack& attack : kAttacks) {
      for (const bool head_first : {true, false}) {
        CAPTURE(hosts.family);
        CAPTURE(attack.name);
        CAPTURE(head_first);
        auto engine = engine_for(hosts);
        const bool over_head = attack.offset < 1400;
        if (head_first || over_head) engine->inject(kOutside, sound[0]);
        engine->inject(kOutside, sound[1]);
        engine->inject(kOutside, sound[2]);
        engine->clear_sent();
        engine->inject(kOutside, crafted(hosts, attack.offset, attack.size, attack.more));
        engine->inject(kOutside, sound[0]);
        engine->inject(kOutside, sound[3]);
        CHECK(engine->to_server.empty());
        CHECK(engine->dropped(DropReason::fragment_overlap) >= 3);
        // The next datagram is another's business.
        const std::vector<Frame> next = from_client(hosts, 2);
        for (const Frame& fragment : next) engine->inject(kOutside, fragment);
        check_passed(engine->to_server, next, 2, towards_server(hosts));
        CHECK(engine->settle() == "");
      }
    }
  }
}

TEST_CASE("TCPX-68 a fragment that comes twice goes on once") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    const std::vector<Frame> sound = from_client(hosts, 3);
    for (const size_t i : {1, 1, 0, 0, 1, 2}) engine->inject(kOutside, sound[i]);
    check_passed(engine->to_server, sound, 3, towards_server(hosts));
    CHECK(engine->dropped(DropReason::fragment_duplicate) == 3);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-68 TCPX-72 fragments wait for their first for 30 seconds, of IPv6 for 60") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const Duration life = Duration::seconds(hosts.client.is_v4() ? 30 : 60);
    auto engine = engine_for(hosts);
    const std::vector<Frame> sound = from_client(hosts, 3);
    engine->inject(kOutside, sound[1]);
    engine->run(life - Duration::milliseconds(1));
    engine->inject(kOutside, sound[2]);
    CHECK(engine->count(Counter::waiting_fragments) == 2);
    engine->run(Duration::milliseconds(1));
    CHECK(engine->dropped(DropReason::fragment_expired) == 2);
    CHECK(engine->count(Counter::fragmented_datagrams) == 0);
    engine->inject(kOutside, sound[0]);
    CHECK(engine->to_server.size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-68 a fragment behind a first one that opened no flow opens none") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.waiting_flows = 1;
    auto engine = engine_for(hosts, options);
    engine->decide_with(nullptr);
    engine->from_client(client_datagram(hosts, 1));  // takes the one place
    for (const Frame& fragment : from_client(hosts, 3)) engine->inject(kOutside, fragment);
    CHECK(engine->dropped(DropReason::waiting_full) == 1);
    CHECK(engine->dropped(DropReason::ip_fragment) == 2);
    CHECK(engine->told_of<QueryView>().size() == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-68 TCP in fragments is followed to its end") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    for (int i = 0; i < 60; ++i) {
      const Frame whole = tcp.client(kTcpAck).payload(4000).eth(kClientMac, kOutsideMac).build();
      engine->clear_sent();
      for (const Frame& piece : fragments_of(whole, 1400, 100 + static_cast<uint32_t>(i))) {
        engine->inject(kOutside, piece);
      }
      CHECK(rejoined(engine->to_server).parsed().verdict == Verdict::none);
      tcp.client_next += 4000;
      tcp.server_sends(kTcpAck);
    }
    tcp.close();
    CHECK(engine->count(Counter::flows_closed_fin) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-68 fragments of what no virtual server takes are routed, and ICMP's as they are") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    PacketBuilder direct =
        PacketBuilder().ip(hosts.client, hosts.server).eth(kClientMac, kOutsideMac);
    const auto datagram =
        fragments_of(PacketBuilder(direct).udp(5, 6).payload(4000).build(), 1400, 1);
    for (const size_t i : {2, 1, 0}) engine->inject(kOutside, datagram[i]);
    check_passed(engine->to_server, datagram, 1,
                 {hosts.client, hosts.server, 5, 6, kProtocolUdp, 0});
    engine->clear_sent();
    const uint8_t echo = hosts.client.is_v4() ? 8 : 128;
    for (const Frame& piece :
         fragments_of(PacketBuilder(direct).icmp(echo).payload(4000).build(), 1400, 2)) {
      engine->inject(kOutside, piece);
    }
    CHECK(engine->to_server.size() == 3);
    CHECK(engine->count(Counter::fragmented_datagrams) == 0);
    CHECK(engine->settle() == "");
  }
}

// -- floods

IpAddress stranger(const Hosts& hosts, uint32_t number) {
  if (hosts.client.is_v4()) return IpAddress::v4(0xc6120000 + number);
  IpAddress address = ip("2001:db8:aaaa::1");
  store_be16(&address.bytes[6], static_cast<uint16_t>(number));  // a network of its own
  return address;
}

// A fragment without its first one, or a first one without the rest.
Frame lone(const Hosts& hosts, const IpAddress& source, uint32_t id, bool head) {
  PacketBuilder whole = PacketBuilder().ip(source, hosts.virtual_server).udp(9, kServicePort);
  return fragments_of(whole.payload(600).eth(kClientMac, kOutsideMac).build(), 304,
                      id)[head ? 0 : 1];
}

TEST_CASE("TCPX-68 a flood of fragments from one source takes no more than its share") {
  for (const Hosts& hosts : both_families()) {
    for (const bool heads : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(heads);
      auto engine = engine_for(hosts);
      const std::vector<Frame> slow = from_client(hosts, 5);
      engine->inject(kOutside, slow[1]);
      for (uint32_t id = 0; id < 1000; ++id) {
        engine->inject(kOutside, lone(hosts, stranger(hosts, 1), id, heads));
      }
      CHECK(engine->count(Counter::fragmented_datagrams) <= 1 + 64 / 8);
      CHECK(engine->count(Counter::waiting_fragments) <= 1 + 32 / 8);
      CHECK(engine->count(Counter::datagrams_evicted) == 1000 - 64 / 8);
      engine->clear_sent();
      engine->inject(kOutside, slow[0]);
      engine->inject(kOutside, slow[2]);
      check_passed(engine->to_server, slow, 5, towards_server(hosts));
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("TCPX-68 a flood of fragments from everywhere is bounded, and honest ones pass") {
  for (const Hosts& hosts : both_families()) {
    for (const bool heads : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(heads);
      auto engine = engine_for(hosts);
      Dialogue tcp(*engine, hosts);
      tcp.open();
      uint32_t id = 0;
      for (uint32_t number = 0; number < 500; ++number) {
        engine->inject(kOutside, lone(hosts, stranger(hosts, number), number, heads));
        if (number % 10 != 0) continue;
        // What the flood left between two fragments of an honest client.
        engine->clear_sent();
        const std::vector<Frame> honest = from_client(hosts, ++id);
        engine->inject(kOutside, honest[0]);
        engine->inject(kOutside, lone(hosts, stranger(hosts, 1000 + number), number, heads));
        engine->inject(kOutside, honest[2]);
        engine->inject(kOutside, lone(hosts, stranger(hosts, 2000 + number), number, heads));
        engine->inject(kOutside, honest[1]);
        std::vector<MemoryFrame> passed;
        for (const MemoryFrame& frame : engine->to_server) {
          if (Sent(frame).key().src == hosts.client) passed.push_back(frame);
        }
        check_passed(passed, honest, id, towards_server(hosts));
      }
      CHECK(engine->count(Counter::fragmented_datagrams) <= 64);
      CHECK(engine->count(Counter::waiting_fragments) <= 32);
      CHECK(engine->count(Counter::datagrams_evicted) > 400);
      tcp.client_sends(kTcpAck, 100);
      tcp.server_sends(kTcpAck, 100);
      tcp.close();
      CHECK(engine->count(Counter::flows_closed_fin) == 1);
      CHECK(engine->settle() == "");
    }
  }
}

}  // namespace
}  // namespace sluice
