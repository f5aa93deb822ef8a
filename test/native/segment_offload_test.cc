// Frames of every size and offload state, from one link to another.
#include <doctest/doctest.h>

#include "support/dialogue.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

constexpr PortCapabilities kPlain{};
constexpr PortCapabilities kChecksumOnly{.checksum = true};

// The payload of TCP segments towards the server, put together; checks each of them.
std::vector<uint8_t> reassembled(const TestEngine& engine, uint32_t seq, bool partial,
                                 uint32_t largest) {
  std::vector<uint8_t> bytes;
  for (const MemoryFrame& frame : engine.to_server) {
    Sent sent(frame);
    CHECK(checksum_fault(sent.packet()) == "");
    CHECK(sent.packet().offload.gso_type == GsoType::none);
    CHECK(sent.packet().offload.needs_checksum == partial);
    CHECK(sent.tcp().seq().raw() == seq + bytes.size());
    const Headers& headers = sent.packet().headers;
    CHECK(headers.end - headers.l3 <= largest);
    bytes.insert(bytes.end(), sent.packet().at(headers.payload), sent.packet().at(headers.end));
  }
  return bytes;
}

TEST_CASE("TCPX-34 a super-packet is cut towards a port that cannot, whole towards one that can") {
  for (const Hosts& hosts : both_families()) {
    for (const PortCapabilities& inside : {kPlain, kChecksumOnly}) {
      CAPTURE(hosts.family);
      CAPTURE(inside.checksum);
      TestEngineOptions options;
      options.inside = inside;
      auto engine = engine_for(hosts, options);
      Dialogue tcp(*engine, hosts);
      tcp.open();
      engine->clear_sent();
      const uint64_t forwarded = engine->count(Counter::forwarded);
      const std::vector<uint8_t> payload = [] {
        std::vector<uint8_t> bytes(60'000);
        for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 999);
        return bytes;
      }();
      engine->from_client(tcp.client(kTcpAck | kTcpPsh).payload(payload).gso(1400));
      CHECK(engine->to_server.size() == 43);
      CHECK(reassembled(*engine, tcp.client_next, inside.checksum, 1460) == payload);
      CHECK(engine->count(Counter::software_segmented) == 1);
      CHECK(engine->count(Counter::forwarded) == forwarded + 1);
      // The way back can take it as it is.
      engine->from_server(tcp.server(kTcpAck).payload(60'000).gso(1400));
      REQUIRE(engine->to_client.size() == 1);
      CHECK(Sent(engine->to_client[0]).packet().offload.gso_size == 1400);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("TCPX-34 pieces and packets of their neighbours leave in order") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.inside = kPlain;
    auto engine = engine_for(hosts, options);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    const size_t sizes[] = {10, 5000, 20, 3000, 30};
    uint32_t seq = tcp.client_next;
    for (const size_t size : sizes) {
      PacketBuilder packet = tcp.client(kTcpAck).seq(seq).payload(size);
      packet.eth(kClientMac, kOutsideMac);
      if (size > 1000) packet.gso(1000);
      Frame frame = packet.build();
      engine->feed(0, frame);
      seq += static_cast<uint32_t>(size);
    }
    engine->poll();
    CHECK(reassembled(*engine, tcp.client_next, false, 1460).size() == 8060);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-34 pieces for which the port has no room are lost, and counted as their packet") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.inside = kPlain;
    auto engine = engine_for(hosts, options);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    for (int i = 0; i < 8; ++i) {  // 400 pieces in one batch, room for 256
      Frame super =
          tcp.client(kTcpAck).payload(50'000).gso(1000).eth(kClientMac, kOutsideMac).build();
      engine->feed(0, super);
    }
    engine->poll();
    CHECK(engine->to_server.size() == 256);
    CHECK(engine->dropped(DropReason::transmit_failed) == 3);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-32 an open checksum is completed towards a port that cannot, else stays open") {
  for (const Hosts& hosts : both_families()) {
    for (const bool udp : {false, true}) {
      for (const PortCapabilities& inside : {kPlain, kChecksumOnly}) {
        CAPTURE(hosts.family);
        CAPTURE(udp);
        CAPTURE(inside.checksum);
        TestEngineOptions options;
        options.inside = inside;
        auto engine = engine_for(hosts, options);
        PacketBuilder packet =
            udp ? client_datagram(hosts) : Dialogue(*engine, hosts).client(kTcpSyn).mss(1460);
        engine->from_client(packet.partial());
        REQUIRE(engine->to_server.size() == 1);
        Sent sent(engine->to_server[0]);
        CHECK(sent.packet().offload.needs_checksum == inside.checksum);
        CHECK(checksum_fault(sent.packet()) == "");
        CHECK(engine->settle() == "");
      }
    }
  }
}

TEST_CASE(
    "TCPX-34 what does not fit the next link is dropped; segments of a super-packet count singly") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.inside.mtu = 1400;
    auto engine = engine_for(hosts, options);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    const size_t headers = hosts.client.is_v4() ? 40 : 60;
    engine->from_client(tcp.client(kTcpAck).dont_fragment().payload(1400 - headers));
    CHECK(engine->to_server.size() == 1);
    engine->from_client(tcp.client(kTcpAck).dont_fragment().payload(1401 - headers));
    CHECK(engine->dropped(DropReason::mtu_exceeded) == 1);
    const auto fits = static_cast<uint16_t>(1400 - headers);
    engine->from_client(tcp.client(kTcpAck).dont_fragment().payload(50'000).gso(fits));
    CHECK(engine->to_server.size() == 2);
    engine->from_client(tcp.client(kTcpAck).dont_fragment().payload(50'000).gso(fits + 1));
    engine->from_client(tcp.client(kTcpAck).dont_fragment().payload(fits + 1u).gso(fits + 1));
    CHECK(engine->dropped(DropReason::mtu_exceeded) == 3);
    // What is only routed obeys as well.
    engine->from_client(PacketBuilder()
                            .ip(hosts.client, hosts.server)
                            .udp(1, 2)
                            .dont_fragment()
                            .payload(1401 - headers + 12));
    CHECK(engine->dropped(DropReason::mtu_exceeded) == 4);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-35 a frame that did not fit its buffer is counted, and never sent on") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.largest_frame = 2048;
    auto engine = engine_for(hosts, options);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    const uint64_t received = engine->count(Counter::received);
    engine->from_client(tcp.client(kTcpAck).payload(30'000).gso(1400));
    engine->from_server(tcp.server(kTcpAck).payload(30'000).gso(1400));
    CHECK(engine->dropped(DropReason::truncated) == 2);
    CHECK(engine->count(Counter::received) == received + 2);
    CHECK(engine->to_server.empty());
    CHECK(engine->to_client.empty());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-77 Ethernet padding is not payload: what is followed is the IP packet") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    for (int i = 0; i < 3; ++i) engine->from_client(tcp.client(kTcpAck).padding(6));
    tcp.close();  // would not be seen as one if padding had moved a sequence number
    CHECK(engine->count(Counter::flows_closed_fin) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-78 multicast and broadcast never enter the flow table, and are not forwarded") {
  for (const Hosts& hosts : both_families()) {
    const bool v4 = hosts.client.is_v4();
    const MacAddress group =
        v4 ? MacAddress{{0x01, 0x00, 0x5e, 0, 0, 0xfb}} : MacAddress{{0x33, 0x33, 0, 0, 0, 0xfb}};
    const IpAddress address = ip(v4 ? "224.0.0.251" : "ff02::fb");
    struct {
      const char* what;
      PacketBuilder packet;
    } cases[] = {
        {"multicast",
         PacketBuilder().ip(hosts.server, address).udp(5353, 5353).eth(kServerMac, group)},
        {"a group's address in a frame to us",
         PacketBuilder().ip(hosts.server, address).udp(5353, 5353).eth(kServerMac, kInsideMac)},
        {"a client's address in a frame to all",
         PacketBuilder().ip(hosts.server, hosts.client).udp(1, 2).eth(kServerMac, group)},
        {"a virtual server's address in a frame to all",
         PacketBuilder()
             .ip(hosts.server, hosts.virtual_server)
             .tcp(1, 80, kTcpSyn)
             .eth(kServerMac, MacAddress::broadcast())},
        {"the subnet's broadcast address", PacketBuilder()
                                               .ip(hosts.server, ip(v4 ? "192.0.2.255" : "ff02::1"))
                                               .udp(1, 2)
                                               .eth(kServerMac, kInsideMac)},
    };
    for (auto& each : cases) {
      CAPTURE(hosts.family);
      CAPTURE(each.what);
      auto engine = engine_for(hosts);
      engine->inject(1, each.packet.build());
      CHECK(engine->dropped(DropReason::multicast) == 1);
      CHECK(engine->count(Counter::flow_entries) == 0);
      CHECK(engine->told.empty());
      CHECK(engine->to_client.empty());
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("ARCH-09 frames for another host's MAC address are none of ours") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->inject(0, Dialogue(*engine, hosts).client(kTcpSyn).eth(kClientMac, kServerMac).build());
    CHECK(engine->dropped(DropReason::ethernet_other_host) == 1);
    CHECK(engine->told.empty());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("DFS-26 a packet with a wrong checksum opens no flow, a verified or open one does") {
  for (const Hosts& hosts : both_families()) {
    for (const bool udp : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(udp);
      auto engine = engine_for(hosts);
      PacketBuilder builder =
          udp ? client_datagram(hosts) : Dialogue(*engine, hosts).client(kTcpSyn).payload(3);
      Frame frame = builder.eth(kClientMac, kOutsideMac).build();
      frame.data()[frame.size() - 1] ^= 0x40;
      engine->inject(0, frame);
      CHECK(engine->dropped(DropReason::l4_checksum) == 1);
      CHECK(engine->told.empty());
      frame.offload().checksum_verified = true;
      engine->inject(0, frame);
      CHECK(engine->told_of<QueryView>().size() == 1);
      CHECK(engine->settle() == "");
    }
  }
}

}  // namespace
}  // namespace sluice
