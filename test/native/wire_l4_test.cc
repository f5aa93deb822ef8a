// UDP, TCP and its options: golden bytes, and what check() refuses.
#include <doctest/doctest.h>

#include <vector>

#include "support/packet_builder.h"
#include "wire/tcp_options.h"

namespace sluice::test {
namespace {

using Bytes = std::vector<uint8_t>;

TEST_CASE("DFS-01 UDP: golden bytes, over both IP versions") {
  for (const Hosts& hosts : both_families()) {
    Frame frame =
        PacketBuilder().ip(hosts.client, hosts.virtual_server).udp(40000, 53).text("ping").build();
    const size_t l4 = hosts.client.is_v4() ? 34 : 54;
    Bytes golden = {0x9c, 0x40, 0, 53, 0, 12, 0x00, 0x21, 'p', 'i', 'n', 'g'};
    if (!hosts.client.is_v4()) store_be16(&golden[6], 0x280e);
    CHECK(Bytes(frame.data() + l4, frame.data() + frame.size()) == golden);
    const UdpHeader udp(golden.data());
    CHECK_EQ(udp.src_port(), 40000);
    CHECK_EQ(udp.dst_port(), 53);
    CHECK_EQ(udp.length(), 12);
  }
}

TEST_CASE("DFS-26 UDP: lengths") {
  const auto check = [](uint16_t length, size_t available) {
    Bytes bytes(8);
    store_be16(&bytes[4], length);
    return UdpHeader::check(bytes.data(), available);
  };
  CHECK(check(8, 8));
  CHECK(check(8, 100));
  CHECK_FALSE(check(9, 8));
  CHECK_FALSE(check(7, 8));
  CHECK_FALSE(check(0, 8));
  CHECK_FALSE(check(8, 7));
}

PacketBuilder syn(const Hosts& hosts) {
  PacketBuilder builder;
  builder.ip(hosts.client, hosts.virtual_server).tcp(40000, 80, kTcpSyn).window(64240);
  builder.seq(0x11223344).ack(0);
  return builder.mss(1460).sack_permitted().timestamps(0x10000000, 0).nop().window_scale(7);
}

TEST_CASE("DFS-01 TCP: golden bytes of a SYN, over both IP versions") {
  for (const Hosts& hosts : both_families()) {
    Frame frame = syn(hosts).build();
    const size_t l4 = hosts.client.is_v4() ? 34 : 54;
    Bytes golden = {0x9c, 0x40, 0, 80, 0x11, 0x22, 0x33, 0x44, 0,    0,    0, 0, 0xa0, 0x02,
                    0xfa, 0xf0, 0, 0,  0,    0,    2,    4,    0x05, 0xb4, 4, 2, 8,    10,
                    0x10, 0,    0, 0,  0,    0,    0,    0,    1,    3,    3, 7};
    store_be16(&golden[16], hosts.client.is_v4() ? 0xd7a9 : 0xff96);
    CHECK(Bytes(frame.data() + l4, frame.data() + frame.size()) == golden);
    REQUIRE(TcpHeader::check(golden.data(), golden.size()));
    const TcpHeader tcp(golden.data());
    CHECK_EQ(tcp.src_port(), 40000);
    CHECK_EQ(tcp.dst_port(), 80);
    CHECK(tcp.seq() == Seq(0x11223344));
    CHECK(tcp.ack() == Seq(0));
    CHECK_EQ(tcp.header_length(), 40);
    CHECK_EQ(tcp.options_length(), 20);
    CHECK(tcp.has(kTcpSyn));
    CHECK_FALSE(tcp.has(kTcpAck));
    CHECK_EQ(tcp.window(), 64240);
    CHECK_EQ(tcp.urgent_pointer(), 0);
  }
}

TEST_CASE("DFS-26 TCP: data offsets") {
  const auto check = [](uint8_t words, size_t available) {
    Bytes bytes(60);
    bytes[12] = static_cast<uint8_t>(words << 4 | 0x0f);
    return TcpHeader::check(bytes.data(), available);
  };
  CHECK(check(5, 20));
  CHECK(check(15, 60));
  CHECK_FALSE(check(15, 59));
  CHECK_FALSE(check(4, 60));
  CHECK_FALSE(check(0, 60));
  CHECK_FALSE(check(5, 19));
}

TEST_CASE("TCPX-17 TCPX-18 TCP options: the walk finds each in its place") {
  Frame frame = syn(both_families()[0]).build();
  const TcpHeader tcp(frame.data() + 34);
  TcpOptionWalk walk(tcp);
  REQUIRE(walk.next());
  CHECK(walk.option().is_mss());
  CHECK_EQ(walk.option().mss(), 1460);
  REQUIRE(walk.next());
  CHECK(walk.option().is_sack_permitted());
  REQUIRE(walk.next());
  CHECK(walk.option().is_timestamps());
  CHECK_EQ(walk.option().tsval(), 0x10000000);
  CHECK_EQ(walk.option().tsecr(), 0);
  REQUIRE(walk.next());
  CHECK(walk.option().is_window_scale());
  CHECK_EQ(walk.option().window_scale(), 7);
  CHECK_FALSE(walk.next());
  CHECK_FALSE(walk.next());
}

// Kinds that the walk finds, in order.
Bytes kinds(const Bytes& options) {
  Bytes header(20 + options.size());
  const TcpHeader tcp = TcpHeader::start(header.data(), header.size());
  std::copy(options.begin(), options.end(), tcp.options());
  Bytes found;
  for (TcpOptionWalk walk(tcp); walk.next();) found.push_back(walk.option().kind());
  return found;
}

TEST_CASE("TCPX-27 TCP options: the walk ends at the end, and at what cannot be") {
  CHECK(kinds({}).empty());
  CHECK(kinds({1, 1, 1, 1}).empty());
  CHECK(kinds({0, 2, 4, 0}).empty());
  CHECK(kinds({253, 3, 9, 1, 1, 254, 2, 1}) == Bytes{253, 254});
  CHECK(kinds({253, 2, 2, 0}) == Bytes{253});
  CHECK(kinds({253, 2, 2, 1}) == Bytes{253});
  CHECK(kinds({253, 2, 2, 3}) == Bytes{253});
  CHECK(kinds({253, 4, 0, 0}) == Bytes{253});
  CHECK(kinds({253, 5, 0, 0}).empty());
  CHECK(kinds({1, 1, 1, 253}).empty());
}

TEST_CASE("TCPX-17 TCP options: kind and length go together") {
  const auto option = [](Bytes& bytes) { return TcpOption(bytes.data(), bytes[1]); };
  Bytes sack = {5, 18, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
  REQUIRE(option(sack).is_sack());
  CHECK_EQ(option(sack).sack_edges(), 4);
  CHECK(option(sack).sack_edge(0) == Seq(0xffffffff));
  CHECK(option(sack).sack_edge(3) == Seq(3));
  for (const uint8_t length : {2, 9, 11, 14}) {
    sack[1] = length;
    CHECK_FALSE(option(sack).is_sack());
  }
  Bytes wide = {3, 3, 200};
  CHECK_EQ(option(wide).window_scale(), 14);
  Bytes mss = {2, 3, 5};
  CHECK_FALSE(option(mss).is_mss());
  Bytes timestamps = {8, 8, 0, 0, 0, 0, 0, 0};
  CHECK_FALSE(option(timestamps).is_timestamps());
}

}  // namespace
}  // namespace sluice::test
