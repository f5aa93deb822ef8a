// What the walks hold against a RST that a host gets.
#include <doctest/doctest.h>

#include "support/socket_lab.h"
#include "support/stream_watch.h"

namespace sluice {
namespace {

using namespace test;

// A host that has a connection, as a watch sees it: it sends nothing but its end, and gets ten
// bytes.
struct Watched {
  static constexpr uint32_t kOwn = 1000, kPeer = 5000;

  explicit Watched(const Hosts& hosts) : lab(hosts, {}) {
    lab.connect();
    out(kTcpSyn, kOwn, 0);
    in(kTcpSyn | kTcpAck, kPeer, kOwn + 1);
    out(kTcpAck, kOwn + 1, kPeer + 1);
    in(kTcpAck | kTcpFin, kPeer + 1, kOwn + 1, coming);
  }
  void out(uint8_t flags, uint32_t seq, uint32_t ack) {
    const FlowKey key = lab.client.key().reversed();
    Frame frame = builder(key, flags, seq, ack).build();
    watch.sent(frame.packet());
  }
  void in(uint8_t flags, uint32_t seq, uint32_t ack, const std::vector<uint8_t>& bytes = {}) {
    Frame frame = builder(lab.client.key(), flags, seq, ack).payload(bytes).build();
    watch.got(lab.client, frame.packet(), lab.engine.now());
  }
  bool blames_reset(uint32_t seq) {
    CHECK(watch.problem() == "");
    in(kTcpRst, seq, 0);
    return !watch.problem().empty();
  }

  SocketLab lab;
  std::vector<uint8_t> coming = numbered(10);
  StreamWatch watch{"the host", coming, false};

 private:
  static PacketBuilder builder(const FlowKey& key, uint8_t flags, uint32_t seq, uint32_t ack) {
    return PacketBuilder()
        .ip(key.src, key.dst)
        .tcp(key.src_port, key.dst_port, flags)
        .seq(seq)
        .ack(ack);
  }
};

TEST_CASE("TCPX-40 a RST is held against who sends it, but to a host that has all and is told so") {
  constexpr uint32_t kOwnEnd = Watched::kOwn + 2, kPeerEnd = Watched::kPeer + 12;
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    {
      Watched host(hosts);
      host.out(kTcpAck | kTcpFin, kOwnEnd - 1, kPeerEnd);
      host.in(kTcpAck, kPeerEnd, kOwnEnd);
      CHECK_FALSE(host.blames_reset(kPeerEnd));
      CHECK(host.blames_reset(kPeerEnd - 1));  // that answers nothing
    }
    {
      Watched host(hosts);  // it may have more to say
      host.out(kTcpAck, kOwnEnd - 1, kPeerEnd);
      CHECK(host.blames_reset(kPeerEnd));
    }
    {
      Watched host(hosts);  // its end has not arrived
      host.out(kTcpAck | kTcpFin, kOwnEnd - 1, kPeerEnd);
      CHECK(host.blames_reset(kPeerEnd));
    }
    {
      Watched host(hosts);  // it has not got everything
      host.out(kTcpAck | kTcpFin, kOwnEnd - 1, kPeerEnd - 1);
      host.in(kTcpAck, kPeerEnd, kOwnEnd);
      CHECK(host.blames_reset(kPeerEnd - 1));
    }
  }
}

}  // namespace
}  // namespace sluice
