// A pair that is to be let go, and the packets that its hosts send and get meanwhile.
#pragma once

#include <vector>

#include "support/socket_lab.h"

namespace sluice::test {

// A client's connection and the one beside it, opened as the client's was, nothing handed up.
struct Joined {
  Joined(SocketLab& lab, const Hosts& hosts) : Joined(lab, hosts, lab.connect()) {}
  // Beside one that was accepted.
  Joined(SocketLab& lab, const Hosts& hosts, uint32_t accepted)
      : inbound(accepted), outbound(lab.open(inbound, hosts.server, 8080, true)) {
    lab.pass(Duration::milliseconds(50));
    for (const uint32_t socket : {inbound, outbound}) lab.say<HoldSocketView>(socket);
    lab.pass(Duration::milliseconds(50));
  }
  uint32_t inbound, outbound;
};

struct SplicedPair : Joined {
  template <class... Accepted>
  SplicedPair(SocketLab& lab_in_use, const Hosts& hosts, Accepted... accepted)
      : Joined(lab_in_use, hosts, accepted...), lab(lab_in_use) {
    lab.tap = [this](const TcpHost& host, const Packet& packet, bool sent) {
      Packet copy = packet;
      if (take_tcp(copy)) note(host, sent, read_segment(copy));
    };
  }
  // At once, where nothing is on its way.
  void let_go() {
    lab.splice(inbound, outbound);
    lab.pass(Duration::milliseconds(10));
  }
  void take_back() {
    for (const uint32_t socket : {inbound, outbound}) lab.say<UnrelaySocketView>(socket);
  }
  // The server has sent so much, which the engine has acknowledged; the client has not heard of it.
  // Then the pair is let go.
  void drain(size_t bytes) {
    lab.relay(inbound, outbound);
    lab.client_hears = false;
    send_from(lab.server, lab.engine.now(), numbered(bytes));
    lab.pass(Duration::milliseconds(1));
    for (const uint32_t socket : {inbound, outbound}) {
      lab.say<UnrelaySocketView>(socket);
      lab.say<HoldSocketView>(socket);
    }
    let_go();
    REQUIRE(is_spliced());
    REQUIRE(has_blocks());
    forget();
  }
  bool is_spliced() { return lab.sockets[inbound].spliced; }
  bool has_blocks() { return lab.engine.count(Counter::connections) > 0; }
  uint64_t returns() { return lab.engine.count(Counter::splices_returned); }

  // Of each host, the client first. Payloads are empty: they are gone.
  struct Seen {
    std::vector<TcpSegment> sent, got;
    uint32_t largest_got = 0;
    bool was_reset = false;  // by exactly the number that it expected
  };
  Seen at_client, at_server;
  void forget() { at_client = at_server = {}; }

  SocketLab& lab;

 private:
  void note(const TcpHost& host, bool sent, TcpSegment segment) {
    Seen& seen = &host == &lab.client ? at_client : at_server;
    const Connection* c = host.connection();
    if (!sent) {
      seen.largest_got = std::max(seen.largest_got, static_cast<uint32_t>(segment.payload.size()));
      seen.was_reset |= segment.has(kTcpRst) && c != nullptr && segment.seq == c->flow->rcv_nxt;
    }
    segment.payload = {};
    (sent ? seen.sent : seen.got).push_back(segment);
  }
};

}  // namespace sluice::test
