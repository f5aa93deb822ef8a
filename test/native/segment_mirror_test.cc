// An associated connection is opened as the client opened its own.
#include <doctest/doctest.h>

#include "support/socket_lab.h"
#include "tcp/calls.h"

namespace sluice {
namespace {

using namespace test;

// The SYN that the engine has sent to a server that does not answer.
TcpSegment syn_in(SocketLab& lab) {
  REQUIRE(lab.engine.to_server.size() == 1);
  Sent sent(lab.engine.to_server[0]);
  complete_checksum(sent.packet());
  const TcpSegment syn = read_segment(sent.packet());
  REQUIRE(syn.flags == kTcpSyn);
  return syn;
}

// One that it sends for a client that offers these options.
struct Opened {
  Opened(const Hosts& hosts, uint8_t offered, bool as_client, bool mirrored) : lab(hosts, {}) {
    lab.client.tcp().config.offer = offered;
    inbound = lab.connect();
    iss = lab.client.connection()->snd_una - 1;
    lab.server_is_there = false;
    lab.engine.clear_sent();
    outbound = lab.open(inbound, hosts.server, 8080, as_client, mirrored);
    syn = syn_in(lab);
  }
  SocketLab lab;
  uint32_t inbound;
  uint32_t outbound;
  Seq iss;
  TcpSegment syn;
};

TEST_CASE("HS-21 TCPX-04 a mirrored SYN has the client's numbers and options") {
  for (const Hosts& hosts : both_families()) {
    for (uint8_t offered = 0; offered < 8; ++offered) {
      CAPTURE(hosts.family);
      CAPTURE(int{offered});
      Opened opened(hosts, offered, true, true);
      CHECK(opened.syn.seq == opened.iss);
      CHECK(opened.syn.has_timestamps == ((offered & TcpFlow::kTimestamps) != 0));
      CHECK(opened.syn.sack_permitted == ((offered & TcpFlow::kSack) != 0));
      const bool scales = (offered & TcpFlow::kWindowScale) != 0;
      const uint8_t scale = opened.lab.client.tcp().window_scale();
      CHECK(opened.syn.window_scale == (scales ? scale : kNoWindowScale));
    }
  }
}

TEST_CASE("HS-21 a SYN that is not mirrored is the engine's own") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Opened opened(hosts, 0, true, false);
    CHECK(opened.syn.seq != opened.iss);
    CHECK(opened.syn.has_timestamps);
    CHECK(opened.syn.sack_permitted);
    CHECK(opened.syn.window_scale != kNoWindowScale);
  }
}

TEST_CASE("HS-21 bytes pass both ways over scales and options that differ from the engine's") {
  for (const Hosts& hosts : both_families()) {
    for (uint8_t offered = 0; offered < 8; ++offered) {
      CAPTURE(hosts.family);
      CAPTURE(int{offered});
      SocketLab lab(hosts, {});
      lab.client.tcp().config.offer = offered;
      lab.client.tcp().config.most_share = 100'000;  // a scale of 1
      const uint32_t inbound = lab.connect();
      const uint32_t outbound = lab.open(inbound, hosts.server, 8080, true);
      REQUIRE(lab.sockets[outbound].connected);
      lab.relay(inbound, outbound);
      const std::vector<uint8_t> bytes = numbered(200'000);
      for (const auto& [from, to] :
           {std::pair{&lab.client, &lab.server}, std::pair{&lab.server, &lab.client}}) {
        std::vector<uint8_t> came;
        size_t sent = 0;
        for (int turn = 0; turn < 500 && came.size() < bytes.size(); ++turn) {
          const ConstByteSpan left = ConstByteSpan(bytes).subspan(sent);
          if (!left.empty()) sent += send_from(*from, lab.engine.now(), left);
          lab.pass(Duration::milliseconds(20));
          const std::vector<uint8_t> part = receive_at(*to, lab.engine.now());
          came.insert(came.end(), part.begin(), part.end());
        }
        CHECK(came == bytes);
      }
      CHECK(lab.engine.balanced());
    }
  }
}

TEST_CASE("HS-21 a mirrored SYN offers no larger MSS than the client's, and no crumbs") {
  for (const Hosts& hosts : both_families()) {
    for (const uint16_t mtu : {1400, 100}) {
      CAPTURE(hosts.family);
      CAPTURE(mtu);
      SocketLab lab(hosts, {}, 40000, {.config = {}, .path = {mtu}});
      const uint32_t inbound = lab.connect();
      lab.server_is_there = false;
      lab.engine.clear_sent();
      lab.open(inbound, hosts.server, 8080, true);
      const bool v4 = hosts.client.is_v4();
      const int least = v4 ? 536 : 1220;
      CHECK(int{syn_in(lab).mss} == (mtu == 1400 ? 1400 - (v4 ? 40 : 60) : least));
    }
  }
}

TEST_CASE("TCPX-04 from an endpoint of the engine's own, numbers are its own, too") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Opened opened(hosts, TcpFlow::kSack, false, true);
    CHECK(opened.syn.seq != opened.iss);
    CHECK(opened.syn.sack_permitted);
    CHECK_FALSE(opened.syn.has_timestamps);
  }
}

TEST_CASE(
    "TCPX-04 TCPX-50 a second connection of the same client does not begin as the first one did") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Opened opened(hosts, 0, true, true);
    REQUIRE(opened.syn.seq == opened.iss);
    opened.lab.say<AbortSocketView>(opened.outbound);
    opened.lab.engine.clear_sent();
    opened.lab.open(opened.inbound, hosts.server, 8080, true);
    CHECK(syn_in(opened.lab).seq != opened.iss);
  }
}

class Nowhere final : public SegmentSink {
 public:
  void send(LegIndex, const OutgoingSegment&) override {}
};

TEST_CASE("TCPX-14 a scale too large to tell of the smallest share is not taken over") {
  Tcp tcp({}, {}, 1);
  Nowhere sink;
  TcpTurn turn{tcp, sink, Instant()};
  const FlowKey key = SocketLab::key(ip("192.0.2.7"), 40000, ip("10.1.0.11"), 80);
  for (const auto& [offered, taken] : {std::pair{0, 0}, std::pair{7, 7}, std::pair{14, 10}}) {
    TcpFlow flow;
    const Likeness like{std::nullopt, TcpFlow::kWindowScale, static_cast<uint8_t>(offered), 1460};
    REQUIRE(open_connection(turn, flow, 0, key, {}, {std::nullopt, like}) != nullptr);
    CHECK(int{flow.rcv_wscale()} == taken);
    CHECK((tcp.config.least_share >> flow.rcv_wscale()) >= 8);
  }
}

}  // namespace
}  // namespace sluice
