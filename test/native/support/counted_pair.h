// A pair of which so many bytes are to pass, each direction by itself.
#pragma once

#include <doctest/doctest.h>

#include <vector>

#include "support/socket_lab.h"

namespace sluice::test {

inline constexpr size_t kMss = 1448;  // with timestamps

// A client's connection and the one beside it, opened over whatever links there are, nothing handed
// up.
struct Pair {
  Pair(SocketLab& lab, const Hosts& hosts) {
    lab.client.connect(lab.engine.now());
    await(lab, [&] { return lab.last_accepted != 0; });
    inbound = lab.last_accepted;
    outbound = lab.open(inbound, hosts.server, 8080, true);
    await(lab, [&] { return lab.sockets[outbound].connected; });
    hold(lab);
  }
  template <class Done>
  static void await(SocketLab& lab, Done&& done) {
    for (int i = 0; i < 3000 && !done(); ++i) lab.pass(Duration::milliseconds(10));
    REQUIRE(done());
  }
  void hold(SocketLab& lab) const {
    for (const uint32_t socket : {inbound, outbound}) lab.say<HoldSocketView>(socket);
  }
  uint32_t inbound = 0, outbound = 0;
};

// Of a stream of numbered() bytes.
inline std::vector<uint8_t> part(size_t from, size_t to) { return numbered(to - from, from); }

// One direction of a pair.
struct Way {
  Way(SocketLab& lab, const Pair& pair, bool to_server)
      : from(to_server ? pair.inbound : pair.outbound),
        to(to_server ? pair.outbound : pair.inbound),
        sender(to_server ? lab.client : lab.server),
        receiver(to_server ? lab.server : lab.client) {}

  // The other one is not counted.
  void pass(SocketLab& lab, uint64_t bytes, uint8_t depth = RelayDepth::splice) const {
    lab.relay_one_way(to, from, RelayEnds::pass, depth);
    lab.relay_counted(from, to, RelayCount::pair, bytes, depth);
  }
  uint32_t from, to;
  TcpHost& sender;
  TcpHost& receiver;
};

}  // namespace sluice::test
