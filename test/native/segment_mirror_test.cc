// An associated connection is opened as the client opened its own.
#include <doctest/doctest.h>

#include "support/socket_lab.h"

namespace sluice {
namespace {

using namespace test;

// The SYN that the engine sends to a server, for a client that offers these options.
struct Opened {
  Opened(const Hosts& hosts, uint8_t offered, bool mirrored) : lab(hosts, {}) {
    lab.client.tcp().config.offer = offered;
    inbound = lab.connect();
    iss = lab.client.connection()->snd_una - 1;
    lab.server_is_there = false;
    lab.engine.clear_sent();
    lab.open(inbound, hosts.server, 8080, mirrored);
    REQUIRE(lab.engine.to_server.size() == 1);
    Sent sent(lab.engine.to_server[0]);
    complete_checksum(sent.packet());
    syn = read_segment(sent.packet());
    REQUIRE(syn.flags == kTcpSyn);
  }
  SocketLab lab;
  uint32_t inbound;
  Seq iss;
  TcpSegment syn;
};

TEST_CASE("HS-21 TCPX-04 a mirrored SYN has the client's numbers and options") {
  for (const Hosts& hosts : both_families()) {
    for (uint8_t offered = 0; offered < 8; ++offered) {
      CAPTURE(hosts.family);
      CAPTURE(int{offered});
      Opened opened(hosts, offered, true);
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
    Opened opened(hosts, 0, false);
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

TEST_CASE("HS-21 a mirrored SYN offers no larger MSS than the client's") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {}, 40000, 1000);
    const uint32_t inbound = lab.connect();
    lab.server_is_there = false;
    lab.engine.clear_sent();
    lab.open(inbound, hosts.server, 8080, true);
    REQUIRE(lab.engine.to_server.size() == 1);
    Sent sent(lab.engine.to_server[0]);
    complete_checksum(sent.packet());
    CHECK(read_segment(sent.packet()).mss == 1000 - (hosts.client.is_v4() ? 40 : 60));
  }
}

}  // namespace
}  // namespace sluice
