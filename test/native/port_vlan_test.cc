#include "port/vlan_port.h"

#include <doctest/doctest.h>

#include "packet/parse.h"
#include "support/memory_pair.h"
#include "support/packet_builder.h"
#include "support/packet_check.h"
#include "support/transmit.h"

using namespace sluice;
using namespace sluice::test;

namespace {

PacketBuilder segment() {
  return PacketBuilder().eth(kMacA, kMacB).ipv4("192.0.2.1", "192.0.2.2").tcp(1, 2).payload(100);
}

struct Pair {
  explicit Pair(uint16_t vlan, size_t queue_frames = 256) {
    auto [near, wire] = memory_pair(queue_frames);
    inner = near.get();
    port = std::make_unique<VlanPort>(std::move(near), std::vector<uint16_t>{vlan});
    far = std::move(wire);
  }

  // What the engine gets of a frame from the link.
  Packet received(Frame frame) {
    const Packet packet = frame.packet();
    REQUIRE(inner->inject({packet.data, packet.length}, packet.offload));
    batch.count = 0;
    REQUIRE(port->receive(Instant(), batch) == 1);
    return batch.packets[0];
  }

  MemoryPort* inner;
  std::unique_ptr<VlanPort> port;
  std::unique_ptr<MemoryPort> far;
  Batch batch;
};

}  // namespace

TEST_CASE(
    "TCPX-75 a port in a VLAN takes the tag off what comes in, and puts it on what goes out") {
  Pair link(100);
  Frame plain = segment().build();
  Packet packet = link.received(segment().vlan(100).build());
  CHECK(packet.verdict == Verdict::none);
  CHECK(bytes_of(packet) == plain.bytes());
  link.port->release();
  CHECK(transmit(*link.port, Instant(), {plain.bytes(), plain.bytes()}) == 2);
  for (int i = 0; i < 2; ++i) {
    const auto sent = link.far->take();
    REQUIRE(sent);
    CHECK(sent->bytes == segment().vlan(100).build().bytes());
  }
}

TEST_CASE("TCPX-75 priority bits do not matter, other VLANs and no tag are another network") {
  Pair link(100);
  CHECK(link.received(segment().vlan(0xe000 | 100).build()).verdict == Verdict::none);
  for (const uint16_t other : {uint16_t{0}, uint16_t{99}, uint16_t{101}, uint16_t{4095}}) {
    link.port->release();
    CHECK(link.received(segment().vlan(other).build()).drop_reason == DropReason::vlan_other);
  }
  link.port->release();
  CHECK(link.received(segment().build()).drop_reason == DropReason::vlan_other);
  link.port->release();
  CHECK(link.received(segment().build().resize(15)).drop_reason == DropReason::vlan_other);
}

TEST_CASE("TCPX-75 TCPX-34 offsets of super-packets and open checksums move with the tag") {
  Pair link(100);
  Packet packet = link.received(segment().payload(5000).gso(1000).vlan(100).build());
  parse(packet);
  REQUIRE(packet.verdict == Verdict::none);
  CHECK(packet.offload.checksum_start == packet.headers.l4);
  CHECK(packet.wire_segments() == 5);
  CHECK(checksum_fault(packet) == "");
  // A tag within a frame is more than a kernel segments or sums behind.
  CHECK_FALSE(link.port->capabilities().tso4);
  CHECK_FALSE(link.port->capabilities().checksum);
}

TEST_CASE("TCPX-75 what a full link did not take is as it was") {
  Pair link(100, 2);
  std::vector<Frame> owners;
  std::vector<Packet> packets;
  std::vector<Packet*> pointers;
  for (int i = 0; i < 4; ++i) owners.push_back(segment().build());
  for (Frame& owner : owners) packets.push_back(owner.packet());
  for (Packet& packet : packets) pointers.push_back(&packet);
  CHECK(link.port->transmit(Instant(), pointers) == 2);
  for (const Packet& packet : packets) CHECK(bytes_of(packet) == segment().build().bytes());
}

TEST_CASE("TCPX-75 a port in a VLAN within a VLAN") {
  auto [near, far] = memory_pair();
  MemoryPort* inner = near.get();
  VlanPort port(std::move(near), {200, 100});
  CHECK(port.capabilities().mtu == 1496);
  Frame plain = segment().build();
  CHECK(transmit(port, Instant(), {plain.bytes()}) == 1);
  const auto sent = far->take();
  REQUIRE(sent);
  CHECK(load_be16(&sent->bytes[12]) == 0x88a8);
  CHECK(load_be16(&sent->bytes[14]) == 200);
  CHECK(load_be16(&sent->bytes[16]) == 0x8100);
  CHECK(load_be16(&sent->bytes[18]) == 100);
  REQUIRE(inner->inject(sent->bytes, {}));
  Batch batch;
  REQUIRE(port.receive(Instant(), batch) == 1);
  CHECK(bytes_of(batch.packets[0]) == plain.bytes());
}
