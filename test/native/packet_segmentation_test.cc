// Super-packets cut in software, piece by piece against frames built one at a time.
#include "packet/segmentation.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "support/packet_builder.h"
#include "support/packet_check.h"

namespace sluice::test {
namespace {

using Checksums = Segmenter::Checksums;

// A piece and the bytes it lies in.
struct Piece {
  std::vector<uint8_t> buffer;
  Packet packet;

  std::vector<uint8_t> bytes() const { return {packet.data, packet.data + packet.length}; }
  TcpHeader tcp() const { return TcpHeader(packet.at(packet.headers.l4)); }
};

std::vector<Piece> cut(const Packet& super, Checksums checksums) {
  std::vector<Piece> pieces;
  Segmenter segmenter(super, checksums);
  REQUIRE_EQ(segmenter.remaining(), super.wire_segments());
  while (segmenter.remaining() > 0) {
    Piece& piece = pieces.emplace_back();
    piece.buffer.resize(kHeadroom + segmenter.piece_size());
    segmenter.next(piece.buffer.data() + kHeadroom, piece.packet);
    REQUIRE_LE(piece.packet.length, segmenter.piece_size());
  }
  return pieces;
}

// Parsing a piece again must find what the segmenter said of it.
void check_description(const Piece& piece) {
  Packet again = piece.packet;
  parse(again);
  REQUIRE(again.verdict == Verdict::none);
  CHECK(again.key == piece.packet.key);
  CHECK_EQ(again.headers.l4, piece.packet.headers.l4);
  CHECK_EQ(again.headers.payload, piece.packet.headers.payload);
  CHECK_EQ(again.headers.end, piece.packet.headers.end);
  CHECK_EQ(again.headers.tcp_flags, piece.packet.headers.tcp_flags);
}

constexpr uint8_t kEveryFlag = kTcpAck | kTcpPsh | kTcpFin | kTcpCwr | kTcpEce;

struct SuperCase {
  size_t payload;
  uint16_t gso_size;
  size_t pieces;
};

constexpr SuperCase kSuperCases[] = {{1, 1448, 1},    {1448, 1448, 1},   {1449, 1448, 2},
                                     {4344, 1448, 3}, {65000, 1448, 45}, {9, 1, 9}};

PacketBuilder tcp_segment(const Hosts& hosts) {
  return PacketBuilder().ip(hosts.client, hosts.server).dscp(10).ttl(63).tcp(40000, 80, kEveryFlag);
}

std::vector<uint8_t> slice(const std::vector<uint8_t>& bytes, size_t from, size_t size) {
  const auto begin = bytes.begin() + static_cast<ptrdiff_t>(from);
  return {begin, begin + static_cast<ptrdiff_t>(std::min(size, bytes.size() - from))};
}

// What the i-th of n pieces must be, built from scratch.
Frame expected_tcp(const Hosts& hosts, const std::vector<uint8_t>& payload, size_t i, size_t n,
                   size_t size, bool partial) {
  uint8_t flags = kEveryFlag;
  if (i + 1 < n) flags &= static_cast<uint8_t>(~(kTcpFin | kTcpPsh));
  if (i > 0) flags &= static_cast<uint8_t>(~kTcpCwr);
  PacketBuilder builder = tcp_segment(hosts).tcp(40000, 80, flags);
  builder.id(static_cast<uint16_t>(0xfffe + i)).seq(static_cast<uint32_t>(0xfffffc00 + i * size));
  builder.nop().nop().timestamps(7, 8).payload(slice(payload, i * size, size));
  if (partial) builder.partial();
  return builder.build();
}

TEST_CASE("TCPX-34 TCP pieces are the frames that would have been sent one at a time") {
  for (const Hosts& hosts : both_families()) {
    for (const SuperCase& c : kSuperCases) {
      for (const Checksums checksums : {Checksums::complete, Checksums::partial}) {
        CAPTURE(hosts.family);
        CAPTURE(c.payload);
        PacketBuilder builder = tcp_segment(hosts).id(0xfffe).seq(0xfffffc00);
        builder.nop().nop().timestamps(7, 8).payload(c.payload).gso(c.gso_size);
        Frame frame = builder.build();
        const Packet super = frame.parsed();
        REQUIRE(super.verdict == Verdict::none);
        const std::vector<uint8_t> payload = slice(frame.bytes(), super.headers.payload, c.payload);
        const std::vector<Piece> pieces = cut(super, checksums);
        REQUIRE_EQ(pieces.size(), c.pieces);
        for (size_t i = 0; i < pieces.size(); ++i) {
          const bool partial = checksums == Checksums::partial;
          Frame expected = expected_tcp(hosts, payload, i, c.pieces, c.gso_size, partial);
          REQUIRE(pieces[i].bytes() == expected.bytes());
          REQUIRE_EQ(checksum_fault(pieces[i].packet), "");
          CHECK_EQ(pieces[i].packet.offload.needs_checksum, partial);
          CHECK(pieces[i].packet.offload.gso_type == GsoType::none);
          check_description(pieces[i]);
        }
      }
    }
  }
}

TEST_CASE("TCPX-34 UDP pieces have headers, lengths and checksums of their own") {
  for (const Hosts& hosts : both_families()) {
    for (const Checksums checksums : {Checksums::complete, Checksums::partial}) {
      Frame frame = PacketBuilder()
                        .ip(hosts.client, hosts.server)
                        .id(100)
                        .udp(40000, 443)
                        .payload(3000)
                        .gso(1200)
                        .build();
      const Packet super = frame.parsed();
      REQUIRE(super.verdict == Verdict::none);
      const std::vector<uint8_t> payload = slice(frame.bytes(), super.headers.payload, 3000);
      const std::vector<Piece> pieces = cut(super, checksums);
      REQUIRE_EQ(pieces.size(), 3);
      for (size_t i = 0; i < 3; ++i) {
        PacketBuilder builder;
        builder.ip(hosts.client, hosts.server).id(static_cast<uint16_t>(100 + i)).udp(40000, 443);
        builder.payload(slice(payload, i * 1200, 1200));
        if (checksums == Checksums::partial) builder.partial();
        CHECK(pieces[i].bytes() == builder.build().bytes());
        CHECK_EQ(checksum_fault(pieces[i].packet), "");
        check_description(pieces[i]);
      }
    }
  }
}

TEST_CASE("TCPX-34 VLAN tags, IP options and extension headers go onto every piece") {
  for (const Hosts& hosts : both_families()) {
    PacketBuilder builder;
    builder.vlan(5, kEtherTypeQinQ).vlan(6).ip(hosts.client, hosts.server);
    if (hosts.client.is_v4()) builder.ip_options({7, 7, 4, 0, 0, 0, 0});
    if (!hosts.client.is_v4()) builder.extension(60, {0, 1, 4, 0, 0, 0, 0});
    Frame frame = builder.tcp(1, 2).payload(250).gso(100).build();
    const Packet super = frame.parsed();
    const std::vector<Piece> pieces = cut(super, Checksums::complete);
    REQUIRE_EQ(pieces.size(), 3);
    for (const Piece& piece : pieces) {
      CHECK_EQ(checksum_fault(piece.packet), "");
      CHECK_EQ(load_be16(piece.packet.at(12)), kEtherTypeQinQ);
      check_description(piece);
    }
  }
}

TEST_CASE("TCPX-34 TCPX-77 Ethernet padding behind a super-packet is not cut into it") {
  for (const Hosts& hosts : both_families()) {
    Frame frame = PacketBuilder()
                      .ip(hosts.client, hosts.server)
                      .tcp(1, 2)
                      .payload(30)
                      .padding(9)
                      .gso(20)
                      .build();
    const std::vector<Piece> pieces = cut(frame.parsed(), Checksums::complete);
    REQUIRE_EQ(pieces.size(), 2);
    const Packet& last = pieces[1].packet;
    CHECK_EQ(last.headers.end - last.headers.payload, 10);
    CHECK_EQ(last.length, last.headers.end);
    CHECK_EQ(checksum_fault(last), "");
  }
}

TEST_CASE("TCPX-26 TCPX-34 the urgent pointer counts from each piece's own sequence number") {
  for (const Hosts& hosts : both_families()) {
    Frame frame = PacketBuilder()
                      .ip(hosts.client, hosts.server)
                      .tcp(1, 2, kTcpAck | kTcpUrg)
                      .urgent(150)
                      .payload(300)
                      .gso(100)
                      .build();
    const std::vector<Piece> pieces = cut(frame.parsed(), Checksums::complete);
    REQUIRE_EQ(pieces.size(), 3);
    CHECK(pieces[0].tcp().has(kTcpUrg));
    CHECK_EQ(pieces[0].tcp().urgent_pointer(), 150);
    CHECK(pieces[1].tcp().has(kTcpUrg));
    CHECK_EQ(pieces[1].tcp().urgent_pointer(), 50);
    CHECK_FALSE(pieces[2].tcp().has(kTcpUrg));
    CHECK_EQ(pieces[2].tcp().urgent_pointer(), 0);
    for (const Piece& piece : pieces) CHECK_EQ(checksum_fault(piece.packet), "");
    // RFC 6093 2.1: it names the byte behind the urgent data, so at a cut that data has passed.
    store_be16(frame.data() + frame.parsed().headers.l4 + 18, 100);
    const std::vector<Piece> at_cut = cut(frame.parsed(), Checksums::complete);
    CHECK(at_cut[0].tcp().has(kTcpUrg));
    CHECK_FALSE(at_cut[1].tcp().has(kTcpUrg));
  }
}

}  // namespace
}  // namespace sluice::test
