// Datagrams in fragments, as a router or a kernel makes them, and whole again.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "port/memory_port.h"
#include "support/frame.h"
#include "wire/ipv6.h"

namespace sluice::test {

// An untagged packet without IPv4 options or extension headers in fragments of `size` bytes, a
// multiple of 8, behind the IP header.
inline std::vector<Frame> fragments_of(Frame whole, size_t size, uint32_t id) {
  constexpr size_t kL3 = EthernetHeader::kSize;
  const std::vector<uint8_t> bytes = whole.bytes();
  const bool v4 = bytes[kL3] >> 4 == 4;
  const size_t l4 = kL3 + (v4 ? Ipv4Header::kSize : Ipv6Header::kSize);
  std::vector<Frame> fragments;
  for (size_t offset = 0; l4 + offset < bytes.size(); offset += size) {
    const size_t length = std::min(size, bytes.size() - l4 - offset);
    const bool more = l4 + offset + length < bytes.size();
    std::vector<uint8_t> piece(bytes.begin(), bytes.begin() + static_cast<long>(l4));
    if (!v4) {
      const auto field = static_cast<uint16_t>(offset | (more ? 1 : 0));
      piece.insert(piece.end(), {bytes[kL3 + 6], 0, 0, 0, 0, 0, 0, 0});
      store_be16(&piece[l4 + 2], field);
      store_be32(&piece[l4 + 4], id);
      piece[kL3 + 6] = 44;
    }
    const auto from = bytes.begin() + static_cast<long>(l4 + offset);
    piece.insert(piece.end(), from, from + static_cast<long>(length));
    Frame frame(piece, {});
    if (v4) {
      Ipv4Header ip(frame.data() + kL3);
      ip.set_total_length(static_cast<uint16_t>(Ipv4Header::kSize + length));
      ip.set_id(static_cast<uint16_t>(id));
      ip.set_fragment(static_cast<uint16_t>(offset / 8 | (more ? Ipv4Header::kMoreFragments : 0)));
      frame.fix_ipv4_checksum();
    } else {
      Ipv6Header(frame.data() + kL3).set_payload_length(static_cast<uint16_t>(8 + length));
    }
    fragments.push_back(std::move(frame));
  }
  return fragments;
}

// What one host made of the fragments that reached it, in any order: the packet of which they are
// all. Fails the test where they are not.
inline Frame rejoined(const std::vector<MemoryFrame>& frames) {
  struct Piece {
    size_t offset;
    bool more;
    std::vector<uint8_t> payload;
  };
  constexpr size_t kL3 = EthernetHeader::kSize;
  std::vector<Piece> pieces;
  for (const MemoryFrame& each : frames) {
    Frame frame(each.bytes, each.offload);
    uint8_t* l3 = frame.data() + kL3;
    const bool v4 = l3[0] >> 4 == 4;
    const size_t l4 = kL3 + (v4 ? Ipv4Header::kSize : Ipv6Header::kSize + kIpv6FragmentHeader);
    const uint16_t field = v4 ? uint16_t{0} : load_be16(frame.data() + l4 - 6);
    const std::vector<uint8_t> bytes = frame.bytes();
    pieces.push_back({v4 ? Ipv4Header(l3).fragment_offset() : field & 0xfff8u,
                      v4 ? Ipv4Header(l3).more_fragments() : (field & 1) != 0,
                      {bytes.begin() + static_cast<long>(l4), bytes.end()}});
  }
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.offset < b.offset; });
  REQUIRE(!pieces.empty());
  Frame first(frames[0].bytes, {});
  const bool v4 = first.data()[kL3] >> 4 == 4;
  std::vector<uint8_t> whole = first.bytes();
  const uint8_t protocol = v4 ? uint8_t{0} : whole[kL3 + Ipv6Header::kSize];
  const size_t l4 = kL3 + (v4 ? Ipv4Header::kSize : Ipv6Header::kSize);
  whole.resize(l4);
  for (size_t i = 0; i < pieces.size(); ++i) {
    REQUIRE(pieces[i].offset == whole.size() - l4);
    REQUIRE(pieces[i].more == (i + 1 < pieces.size()));
    whole.insert(whole.end(), pieces[i].payload.begin(), pieces[i].payload.end());
  }
  Frame frame(whole, {});
  if (v4) {
    Ipv4Header ip(frame.data() + kL3);
    ip.set_total_length(static_cast<uint16_t>(whole.size() - kL3));
    ip.set_fragment(0);
    frame.fix_ipv4_checksum();
  } else {
    Ipv6Header ip(frame.data() + kL3);
    ip.set_payload_length(static_cast<uint16_t>(whole.size() - l4));
    ip.set_next_header(protocol);
  }
  return frame;
}

}  // namespace sluice::test
