// The hostile corpus through parse, rewrite, undo and segmentation. The whole engine gets the same
// frames in its own test.
#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "packet/l4_checksum.h"
#include "packet/segmentation.h"
#include "support/hostile_frames.h"

namespace sluice::test {
namespace {

std::vector<HostileTarget> targets() {
  std::vector<HostileTarget> targets;
  for (const Hosts& hosts : both_families()) targets.push_back({hosts.virtual_server, 80, kMacB});
  return targets;
}

// Whether the engine has a reason not to open a flow for it.
bool is_refused(const Packet& packet) {
  const bool has_ports =
      packet.headers.protocol == kProtocolTcp || packet.headers.protocol == kProtocolUdp;
  return packet.verdict == Verdict::drop || packet.headers.fragment || !has_ports ||
         !l4_checksum_is_right(packet);
}

TEST_CASE("DFS-26 of 100 000 hostile frames none may open a flow, and every reason occurs") {
  HostileFrames frames(26, targets());
  std::map<DropReason, int> dropped;
  for (int i = 0; i < 100'000; ++i) {
    Frame frame = frames.next();
    const Packet packet = frame.parsed();
    REQUIRE(is_refused(packet));
    if (packet.verdict == Verdict::drop) {
      ++dropped[packet.drop_reason];
    } else if (packet.headers.fragment) {
      ++dropped[DropReason::ip_fragment];
    } else if (!l4_checksum_is_right(packet)) {
      ++dropped[DropReason::l4_checksum];
    }
  }
  for (const DropReason reason :
       {DropReason::ethernet_malformed, DropReason::ether_type_unknown, DropReason::arp_malformed,
        DropReason::ip_malformed, DropReason::ip_checksum, DropReason::ip_martian,
        DropReason::ip_fragment, DropReason::ip_options_refused, DropReason::l4_malformed,
        DropReason::l4_checksum, DropReason::tcp_flags_invalid, DropReason::udp_checksum_missing,
        DropReason::land}) {
    CAPTURE(static_cast<int>(reason));
    CHECK_GE(dropped[reason], 100);
  }
}

TEST_CASE("DFS-26 the same seed gives the same hostile frames") {
  HostileFrames one(1, targets());
  HostileFrames same(1, targets());
  HostileFrames other(2, targets());
  bool differ = false;
  for (int i = 0; i < 1000; ++i) {
    const std::vector<uint8_t> bytes = one.next().bytes();
    REQUIRE(bytes == same.next().bytes());
    differ = differ || bytes != other.next().bytes();
  }
  CHECK(differ);
}

TEST_CASE("DFS-26 Law 7 hostile frames that pass the parse stage are rewritten and restored") {
  HostileFrames frames(27, targets());
  Random random(27);
  for (int i = 0; i < 30'000; ++i) {
    Frame frame = frames.next();
    Packet packet = frame.parsed();
    if (packet.verdict == Verdict::drop) continue;
    const std::vector<uint8_t> before = frame.bytes();
    const bool wrong = !l4_checksum_is_right(packet);
    const Rewrite rewrite = random_rewrite(random, packet.headers.family == 4);
    const Rewrite undo = undo_of(rewrite, packet);
    apply(rewrite, packet);
    REQUIRE_EQ(!l4_checksum_is_right(packet), wrong);
    apply(undo, packet);
    REQUIRE(frame.bytes() == before);
  }
}

TEST_CASE("DFS-26 TCPX-34 GSO metadata of any kind is refused, or cut into sound pieces") {
  Random random(34);
  for (int i = 0; i < 20'000; ++i) {
    Frame frame = random_builder(random).payload(random.below(500)).partial().build();
    Offload& offload = frame.offload();
    offload.gso_type = static_cast<GsoType>(random.below(4));
    offload.gso_size = static_cast<uint16_t>(random.below(200));
    if (random.chance(0.1)) offload.checksum_start = random16(random);
    const Packet super = frame.parsed();
    if (super.verdict == Verdict::drop || offload.gso_type == GsoType::none) continue;
    Segmenter segmenter(super, Segmenter::Checksums::complete);
    std::vector<uint8_t> buffer(kHeadroom + segmenter.piece_size());
    while (segmenter.remaining() > 0) {
      Packet piece;
      segmenter.next(buffer.data() + kHeadroom, piece);
      REQUIRE_EQ(checksum_fault(piece), "");
    }
  }
}

}  // namespace
}  // namespace sluice::test
