// What a connection is offered before it has sent much.
#include <doctest/doctest.h>

#include "support/socket_lab.h"

namespace sluice {
namespace {

using namespace test;

// Sends so much to a socket that reads it all; how long that took.
Duration upload(SocketLab& lab, size_t bytes) {
  lab.client.connect(lab.engine.now());
  while (lab.last_accepted == 0) lab.pass(Duration::milliseconds(1));
  const uint32_t socket = lab.last_accepted;
  lab.read(socket, static_cast<uint32_t>(bytes));
  const Instant start = lab.engine.now();
  for (size_t sent = 0; lab.sockets[socket].bytes.size() < bytes;) {
    const size_t most = std::min<size_t>(bytes - sent, 1 << 20);
    sent += send_from(lab.client, lab.engine.now(), numbered(most, sent));
    lab.pass(Duration::milliseconds(1));
    REQUIRE(lab.engine.now() - start < Duration::seconds(60));
  }
  CHECK(lab.sockets[socket].bytes == numbered(bytes));
  return lab.engine.now() - start;
}

TEST_CASE("BUF-16 TCPX-55 a first window of 32 KiB keeps no slow start waiting") {
  TestEngineOptions options;
  options.limits.buffer_bytes = 64 << 20;
  options.receiving.delay = options.transmitting.delay = Duration::milliseconds(20);
  options.receiving.capacity = options.transmitting.capacity = 4096;
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, options);
    uint32_t first = 0;
    lab.tap = [&](const TcpHost&, const Packet& packet, bool sent) {
      Packet copy = packet;
      if (!sent && take_tcp(copy) && read_segment(copy).has(kTcpSyn)) {
        first = read_segment(copy).window;
      }
    };
    // 14 KiB, 28, 56 and so on: ten round trips, and the way of the last bytes.
    CHECK(upload(lab, 10'000'000) <= Duration::milliseconds(12 * 40));
    CHECK(first == 32 * 1024);
  }
}

TEST_CASE("TCPX-21 TCPX-58 what a window of 16 bits cannot tell is no reason for an ACK") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    LabHost client;
    client.config.offer = 0;
    SocketLab lab(hosts, {}, 40000, client);
    TcpSegment last;
    int again = 0;
    lab.tap = [&](const TcpHost&, const Packet& packet, bool sent) {
      Packet copy = packet;
      if (sent || !take_tcp(copy)) return;
      const TcpSegment segment = read_segment(copy);
      again += segment.ack == last.ack && segment.window == last.window;
      last = segment;
      last.payload = {};
    };
    upload(lab, 1'000'000);
    CHECK(again == 0);
  }
}

}  // namespace
}  // namespace sluice
