// What a REPLY orders to be changed is changed, and nothing else.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "support/dialogue.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

// Offsets of the bytes that differ, from the IP header on.
std::set<size_t> differing(const std::vector<uint8_t>& before, const std::vector<uint8_t>& after) {
  std::set<size_t> offsets;
  REQUIRE(before.size() == after.size());
  for (size_t i = EthernetHeader::kSize; i < before.size(); ++i) {
    if (before[i] != after[i]) offsets.insert(i - EthernetHeader::kSize);
  }
  return offsets;
}

struct Field {
  uint16_t mask;
  size_t at_v4, at_v6, size;  // in the packet
};
constexpr Field kFields[] = {
    {XlatMask::src_addr, 12, 8, 16}, {XlatMask::dst_addr, 16, 24, 16},
    {XlatMask::src_port, 20, 40, 2}, {XlatMask::dst_port, 22, 42, 2},
    {XlatMask::tos, 1, 0, 2},        {XlatMask::dec_ttl, 8, 7, 1},
};

// The bytes that may change where these mask bits are set: their fields, and checksums over them.
std::set<size_t> allowed(const Hosts& hosts, uint16_t mask, uint8_t protocol) {
  const bool v4 = hosts.client.is_v4();
  std::set<size_t> offsets;
  const auto add = [&](size_t at, size_t size) {
    for (size_t i = 0; i < size; ++i) offsets.insert(at + i);
  };
  for (const Field& field : kFields) {
    if (!(mask & field.mask)) continue;
    const size_t size = v4 && field.size == 16 ? 4 : field.size;
    add(v4 ? field.at_v4 : field.at_v6, field.mask == XlatMask::tos && v4 ? 1 : size);
  }
  constexpr uint16_t kInPseudoHeader =
      XlatMask::src_addr | XlatMask::dst_addr | XlatMask::src_port | XlatMask::dst_port;
  if (mask & kInPseudoHeader) add((v4 ? 20 : 40) + (protocol == kProtocolTcp ? 16 : 6), 2);
  constexpr uint16_t kInIpv4Header =
      XlatMask::src_addr | XlatMask::dst_addr | XlatMask::tos | XlatMask::dec_ttl;
  if (v4 && (mask & kInIpv4Header)) add(10, 2);
  return offsets;
}

TestEngine::Decider with_mask(const Hosts& hosts, uint16_t mask) {
  return [&hosts, mask](const QueryView&, ReplyView reply) {
    XlatView xlat = reply.xlat();
    const bool v4 = hosts.client.is_v4();
    xlat.set_xlat_src_ipaddr(ip(v4 ? "198.51.100.77" : "2001:db8:ffff::77"));
    xlat.set_xlat_dst_ipaddr(hosts.server);
    xlat.set_xlat_src_port(0xa1b2);
    xlat.set_xlat_dst_port(0xc3d4);
    xlat.set_xlat_tos(46 << 2);
    xlat.set_seq_offset(0x01020304);  // without the flag (SSMB-30)
    xlat.set_ack_offset(0x05060708);
    xlat.set_tsval_offset(9);
    xlat.set_wshift_c2s(3);
    xlat.set_xlat_mask(mask);
    xlat.set_next_hop_ipaddr(hosts.server);
    return true;
  };
}

TEST_CASE(
    "DFS-11 DFS-12 DFS-13 HS-06 each mask bit alone changes exactly its field and checksums") {
  for (const Hosts& hosts : both_families()) {
    for (const uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
      for (uint16_t mask = 0; mask < 0x40; ++mask) {
        CAPTURE(hosts.family);
        CAPTURE(int{protocol});
        CAPTURE(mask);
        auto engine = engine_for(hosts);
        engine->decide_with(with_mask(hosts, mask));
        PacketBuilder builder = protocol == kProtocolTcp
                                    ? Dialogue(*engine, hosts).client(kTcpSyn).timestamps(1, 0)
                                    : client_datagram(hosts);
        builder.dscp(10).ecn(1).ttl(33).eth(kClientMac, kOutsideMac);
        const std::vector<uint8_t> before = builder.build().bytes();
        // Where the address stays the virtual server's, the next hop takes the packet all the same.
        engine->from_client(builder);
        REQUIRE(engine->to_server.size() == 1);
        const std::vector<uint8_t>& after = engine->to_server[0].bytes;
        Sent sent(engine->to_server[0]);
        CHECK(checksum_fault(sent.packet()) == "");
        const std::set<size_t> changed = differing(before, after);
        const std::set<size_t> may = allowed(hosts, mask, protocol);
        CHECK(std::includes(may.begin(), may.end(), changed.begin(), changed.end()));
        FlowKey expected{hosts.client, hosts.virtual_server, 40000, kServicePort, protocol, 10};
        const bool v4 = hosts.client.is_v4();
        if (mask & XlatMask::src_addr) {
          expected.src = ip(v4 ? "198.51.100.77" : "2001:db8:ffff::77");
        }
        if (mask & XlatMask::dst_addr) expected.dst = hosts.server;
        if (mask & XlatMask::src_port) expected.src_port = 0xa1b2;
        if (mask & XlatMask::dst_port) expected.dst_port = 0xc3d4;
        if (mask & XlatMask::tos) expected.dscp = 46;
        CHECK(sent.key() == expected);
        CHECK(int{sent.ttl()} == (mask & XlatMask::dec_ttl ? 32 : 33));
        CHECK(sent.ecn() == 1);
        CHECK(MacAddress::load(after.data()) == kServerMac);
        CHECK(MacAddress::load(after.data() + 6) == kInsideMac);
      }
    }
  }
}

TEST_CASE("DFS-09 DFS-11 what comes back is changed back, for each mask") {
  for (const Hosts& hosts : both_families()) {
    for (uint16_t mask = 0; mask < 0x40; ++mask) {
      CAPTURE(hosts.family);
      CAPTURE(mask);
      auto engine = engine_for(hosts);
      engine->decide_with(with_mask(hosts, mask));
      Dialogue tcp(*engine, hosts);
      engine->from_client(tcp.client(kTcpSyn).dscp(10));
      REQUIRE(engine->to_server.size() == 1);
      const FlowKey there = Sent(engine->to_server[0]).key();
      engine->from_server(PacketBuilder()
                              .ip(there.dst, there.src)
                              .tcp(there.dst_port, there.src_port, kTcpSyn | kTcpAck)
                              .dscp(there.dscp)
                              .ack(1001));
      REQUIRE(engine->to_client.size() == 1);
      Sent back(engine->to_client[0]);
      const FlowKey expected{
          hosts.virtual_server, hosts.client, kServicePort, 40000, kProtocolTcp, 10};
      CHECK(back.key() == expected);
      CHECK(checksum_fault(back.packet()) == "");
      CHECK(engine->settle() == "");
    }
  }
}

struct Offsets {
  uint32_t seq, ack;
};
constexpr Offsets kOffsets[] = {
    {0, 0}, {1, 0}, {0, 1}, {0xffffffff, 0x80000000}, {0x12345678, 0x9abcdef0}};

TestEngine::Decider with_offsets(const Hosts& hosts, const Offsets& offsets, bool flag) {
  return [&hosts, offsets, flag](const QueryView& query, ReplyView reply) {
    TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply);
    reply.xlat().set_seq_offset(offsets.seq);
    reply.xlat().set_ack_offset(offsets.ack);
    if (flag) reply.set_flags(reply.flags() | SsmbFlags::add_tcp_offsets);
    return true;
  };
}

TEST_CASE("SSMB-30 SSMB-31 offsets are added both ways, modulo 2^32, where the flag says so") {
  for (const Hosts& hosts : both_families()) {
    for (const Offsets& offsets : kOffsets) {
      for (const bool flag : {true, false}) {
        CAPTURE(hosts.family);
        CAPTURE(offsets.seq);
        CAPTURE(flag);
        auto engine = engine_for(hosts);
        engine->decide_with(with_offsets(hosts, offsets, flag));
        const uint32_t seq = flag ? offsets.seq : 0;
        const uint32_t ack = flag ? offsets.ack : 0;
        for (const uint32_t at : {0u, 0x7ffffff0u, 0xfffffff0u}) {
          CAPTURE(at);
          engine->clear_sent();
          engine->from_client(Dialogue(*engine, hosts)
                                  .client(kTcpAck)
                                  .seq(at + 5)
                                  .ack(at + 7)
                                  .sack({at + 9, at + 11})
                                  .payload(20));
          REQUIRE(engine->to_server.size() == 1);
          Sent there(engine->to_server[0]);
          CHECK(there.tcp().seq().raw() == at + 5 + seq);
          CHECK(there.tcp().ack().raw() == at + 7 + ack);
          CHECK(there.sack_edge(0) == at + 9 + ack);
          CHECK(there.sack_edge(1) == at + 11 + ack);
          CHECK(checksum_fault(there.packet()) == "");
          engine->from_server(Dialogue(*engine, hosts)
                                  .server(kTcpAck)
                                  .seq(at + 5)
                                  .ack(at + 7)
                                  .sack({at + 9, at + 11}));
          REQUIRE(engine->to_client.size() == 1);
          Sent back(engine->to_client[0]);
          CHECK(back.tcp().seq().raw() == at + 5 - ack);
          CHECK(back.tcp().ack().raw() == at + 7 - seq);
          CHECK(back.sack_edge(0) == at + 9 - seq);
          CHECK(checksum_fault(back.packet()) == "");
        }
        CHECK(engine->settle() == "");
      }
    }
  }
}

TEST_CASE("SSMB-30 HS-22 HS-28 the close of a flow with offsets is followed, blind RSTs are not") {
  for (const Hosts& hosts : both_families()) {
    for (const Offsets& offsets : kOffsets) {
      CAPTURE(hosts.family);
      CAPTURE(offsets.seq);
      auto engine = engine_for(hosts);
      engine->decide_with(with_offsets(hosts, offsets, true));
      // Each end counts as it does; what the engine adds lies between them.
      Dialogue client(*engine, hosts), server(*engine, hosts);
      server.client_next += offsets.seq;
      server.server_next += offsets.ack;
      const auto from_client = [&](uint8_t flags, uint32_t takes) {
        engine->from_client(client.client(flags));
        client.client_next += takes;
        server.client_next += takes;
      };
      const auto from_server = [&](uint8_t flags, uint32_t takes) {
        engine->from_server(server.server(flags));
        client.server_next += takes;
        server.server_next += takes;
      };
      from_client(kTcpSyn, 1);
      from_server(kTcpSyn | kTcpAck, 1);
      from_client(kTcpAck, 0);
      engine->from_server(server.server(kTcpRst).seq(server.server_next + 1));
      engine->from_server(server.server(kTcpRst).seq(server.server_next - 1));
      CHECK(engine->told_of<DeleteView>().empty());
      from_client(kTcpFin | kTcpAck, 1);
      from_server(kTcpFin | kTcpAck, 1);
      CHECK(engine->told_of<DeleteView>().empty());
      from_client(kTcpAck, 0);
      CHECK(engine->count(Counter::flows_closed_fin) == 1);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("SSMB-30 SSMB-24 timestamps, windows and options change only by their own flags") {
  for (const Hosts& hosts : both_families()) {
    for (const uint16_t flag : {uint16_t{0}, SsmbFlags::add_ts_offsets, SsmbFlags::scale_window,
                                SsmbFlags::strip_sack, SsmbFlags::strip_ts}) {
      CAPTURE(hosts.family);
      CAPTURE(flag);
      auto engine = engine_for(hosts);
      engine->decide_with([&](const QueryView& query, ReplyView reply) {
        TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply);
        reply.xlat().set_tsval_offset(1000);
        reply.xlat().set_tsecr_offset(2000);
        reply.xlat().set_wshift_c2s(2);
        reply.xlat().set_wshift_s2c(-2);
        reply.set_flags(reply.flags() | flag);
        return true;
      });
      Dialogue tcp(*engine, hosts);
      engine->from_client(
          tcp.client(kTcpAck).window(100).nop().nop().timestamps(50, 60).sack({1, 2}));
      engine->from_server(
          tcp.server(kTcpAck).window(100).nop().nop().timestamps(5000, 6000).sack({1, 2}));
      REQUIRE(engine->to_server.size() == 1);
      REQUIRE(engine->to_client.size() == 1);
      Sent there(engine->to_server[0]), back(engine->to_client[0]);
      CHECK(checksum_fault(there.packet()) == "");
      CHECK(checksum_fault(back.packet()) == "");
      const bool ts = flag == SsmbFlags::add_ts_offsets;
      const bool stripped = flag == SsmbFlags::strip_ts;
      CHECK(there.has_option(kTcpOptionTimestamps) == !stripped);
      CHECK(back.has_option(kTcpOptionTimestamps) == !stripped);
      if (!stripped) {
        CHECK(there.tsval() == (ts ? 1050 : 50));
        CHECK(back.tsval() == (ts ? 5000 - 2000 : 5000));
      }
      CHECK(there.has_option(kTcpOptionSack) == (flag != SsmbFlags::strip_sack));
      CHECK(back.has_option(kTcpOptionSack) == (flag != SsmbFlags::strip_sack));
      const bool scaled = flag == SsmbFlags::scale_window;
      CHECK(there.tcp().window() == (scaled ? 400 : 100));
      CHECK(back.tcp().window() == (scaled ? 25 : 100));
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("TCPX-30 a bad checksum stays bad on its way through a flow") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts);
    tcp.open();
    engine->clear_sent();
    Frame frame = tcp.client(kTcpAck).payload(10).eth(kClientMac, kOutsideMac).build();
    frame.data()[frame.size() - 1] ^= 1;
    engine->inject(0, frame);
    REQUIRE(engine->to_server.size() == 1);
    CHECK(checksum_fault(Sent(engine->to_server[0]).packet()) == "TCP checksum");
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
