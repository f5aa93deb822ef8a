// Somebody looks on at what passes the ports of a worker.
#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "segment/live_capture.h"
#include "support/packet_builder.h"

using namespace sluice;
using namespace sluice::test;

namespace {

using Bytes = std::vector<uint8_t>;

const IpAddress kClient = ip("192.0.2.10");
const IpAddress kVirtual = ip("192.0.2.100");

Bytes tcp_frame(const IpAddress& from, uint16_t from_port, const IpAddress& to, uint16_t to_port) {
  return PacketBuilder().ip(from, to).tcp(from_port, to_port).payload(100).build().bytes();
}

class Looking {
 public:
  explicit Looking(const CaptureOrder& order = {}) {
    CHECK(capture.start(order));
    capture.poll();
  }

  void pass(PortId port, Bytes frame) {
    Packet packet;
    packet.data = frame.data();
    packet.length = static_cast<uint32_t>(frame.size());
    capture.received(Instant(), port, {&packet, 1});
    Packet* const pointer = &packet;
    capture.sent(Instant(), port, {&pointer, 1});
  }

  // Lengths of the blocks that were taken: kept, and on the link.
  std::vector<std::pair<uint32_t, uint32_t>> frames() {
    Bytes blocks(1 << 20);
    blocks.resize(capture.drain(blocks));
    std::vector<std::pair<uint32_t, uint32_t>> found;
    for (size_t at = 0; at < blocks.size();) {
      uint32_t words[7];
      std::memcpy(words, blocks.data() + at, sizeof words);
      CHECK(words[0] == 6);
      found.emplace_back(words[5], words[6]);
      at += words[1];
    }
    return found;
  }

  LiveCapture capture{Duration()};
};

}  // namespace

TEST_CASE(
    "a capture takes what was received and what was sent, and no more than it was asked for") {
  Looking all;
  const Bytes frame = tcp_frame(kClient, 40000, kVirtual, 80);
  const auto length = static_cast<uint32_t>(frame.size());
  all.pass(0, frame);
  CHECK(all.frames() ==
        std::vector<std::pair<uint32_t, uint32_t>>{{length, length}, {length, length}});
  CHECK(all.capture.taken(0) == 2);
  CHECK(all.capture.lost(0) == 0);

  Looking head({.most_bytes = 60});
  head.pass(0, frame);
  CHECK(head.frames().front() == std::pair<uint32_t, uint32_t>{60, length});

  Looking other_port({.ports = 2});
  other_port.pass(0, frame);
  CHECK(other_port.frames().empty());
  other_port.pass(1, frame);
  CHECK(other_port.frames().size() == 2);
}

TEST_CASE("a capture of one host, and of one virtual server") {
  const Bytes frame = tcp_frame(kClient, 40000, kVirtual, 80);
  const auto taken_of = [](const CaptureOrder& order, const Bytes& bytes) {
    Looking looking(order);
    looking.pass(0, bytes);
    return looking.frames().size();
  };
  CHECK(taken_of({.host = kClient}, frame) == 2);
  CHECK(taken_of({.host = ip("192.0.2.11")}, frame) == 0);
  CHECK(taken_of({.endpoint = CaptureOrder::Endpoint{kVirtual, 80, kProtocolTcp}}, frame) == 2);
  CHECK(taken_of({.endpoint = CaptureOrder::Endpoint{kVirtual, 81, kProtocolTcp}}, frame) == 0);
  CHECK(taken_of({.endpoint = CaptureOrder::Endpoint{kVirtual, 80, kProtocolUdp}}, frame) == 0);
  // A client's port of the same number is not the server's.
  CHECK(taken_of({.endpoint = CaptureOrder::Endpoint{kVirtual, 80, kProtocolTcp}},
                 tcp_frame(kClient, 80, kVirtual, 443)) == 0);
  // Any port, and any address.
  CHECK(taken_of({.endpoint = CaptureOrder::Endpoint{kVirtual, 0, kProtocolTcp}}, frame) == 2);
  const IpAddress any = ip("0.0.0.0");
  CHECK(taken_of({.endpoint = CaptureOrder::Endpoint{any, 80, kProtocolTcp}}, frame) == 2);
  CHECK(taken_of({.endpoint = CaptureOrder::Endpoint{any, 81, kProtocolTcp}}, frame) == 0);
  CHECK(taken_of({.endpoint = CaptureOrder::Endpoint{ip("::"), 80, kProtocolTcp}}, frame) == 0);
  CHECK(taken_of({.host = kClient}, Bytes(20)) == 0);
  CHECK(taken_of({}, Bytes(20)) == 2);
}

TEST_CASE("what a capture has no room for is counted, and the next frame says how many") {
  Looking looking;
  const Bytes large(60'000);
  for (int i = 0; i < 100; ++i) looking.pass(0, large);
  const uint64_t taken = looking.capture.taken(0);
  CHECK(taken + looking.capture.lost(0) == 200);
  CHECK(taken > 100);
  CHECK(looking.capture.lost(0) > 0);
  Bytes blocks(16 << 20);
  CHECK(looking.capture.drain(blocks) > taken * large.size());
  looking.pass(0, large);
  blocks.resize(looking.capture.drain(blocks));
  // Type to flags, then epb_dropcount (4) of eight bytes.
  const size_t option = 28 + large.size() + 8;
  uint16_t code;
  uint64_t lost;
  std::memcpy(&code, blocks.data() + option, sizeof code);
  std::memcpy(&lost, blocks.data() + option + 4, sizeof lost);
  CHECK(code == 4);
  CHECK(lost == looking.capture.lost(0));
}

TEST_CASE("one capture at a time, and the next one begins with nothing of the last") {
  Looking looking;
  looking.pass(0, tcp_frame(kClient, 1, kVirtual, 2));
  CHECK_FALSE(looking.capture.start({}));
  looking.capture.stop();
  CHECK_FALSE(looking.capture.start({}));  // the worker may be at it still
  looking.capture.poll();
  CHECK(looking.capture.start({}));
  looking.capture.poll();
  CHECK(looking.frames().empty());
  CHECK(looking.capture.taken(0) == 0);
}
