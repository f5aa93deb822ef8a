// A NEWFLOW gives a live flow other TCP offsets: what was sent before keeps the numbers that it
// had.
#include <doctest/doctest.h>

#include "support/switched_flow.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE("TCPX-23 DFSMSG-04 what was sent before the offsets changed keeps its numbers") {
  for_each_case([](Switched& flow) {
    const auto again = flow.from_client(1001, 5001, 100);
    CHECK(again.seq == 1001);
    CHECK(again.ack == 5001);
    const auto answer = flow.from_server(5001, 1001, 200);
    CHECK(answer.seq == 5001);
    CHECK(answer.ack == 1001);
    // A part of it, as a probe of the path or of the window does.
    CHECK(flow.from_client(1100, 5001, 1).seq == 1100);
    CHECK(flow.from_server(5200, 1001, 1).seq == 5200);
  });
}

TEST_CASE("TCPX-23 a NEWFLOW that changes nothing leaves what was sent before as it is") {
  for_each_case([](Switched& flow) {
    flow.engine->tell(new_flow(flow.hosts, flow.hosts.server, moved(flow.before)));
    CHECK(flow.from_client(1001, 5001, 100).seq == 1001);
    CHECK(flow.from_server(5001, 1001, 200).seq == 5001);
    CHECK(flow.from_client(1101, 5201, 10).seq == 1101 + 50);
  });
}

// The client has nothing to say: the numbers of its bytes stay, while the server's come round.
TEST_CASE(
    "TCPX-23 earlier numbers of one direction are forgotten by themselves, and never come again") {
  for_each_case([](Switched& flow) {
    flow.from_client(1101, 5201, 0);
    uint32_t sent = 5201;
    for (; sent - 5201 < 0x8001'0000; sent += 60'000) {
      const auto told = flow.from_server(sent, 1101, 1);
      REQUIRE(told.seq == sent + 30);
      REQUIRE(told.ack == 1101);
      const auto heard = flow.from_client(1101, sent + 31, 0);
      REQUIRE(heard.seq == 1101 + 50);
      REQUIRE(heard.ack == sent + 1);
    }
    // What it says at last is still the first byte behind the switch.
    CHECK(flow.from_client(1101, sent + 30 - 60'000 + 1, 10).seq == 1101 + 50);
  });
}

TEST_CASE("TCPX-23 TCPX-24 an acknowledgement of what was sent before is one of what was sent") {
  for_each_case([](Switched& flow) {
    // With the number of the next byte, which has moved, and with new bytes.
    for (const size_t bytes : {0, 10}) {
      const auto told = flow.from_client(1101, 5201, bytes);
      CHECK(told.seq == 1101 + 50);
      CHECK(told.ack == 5201);
    }
    const auto back = flow.from_server(5201, 1101, 10);
    CHECK(back.seq == 5201 + 30);
    CHECK(back.ack == 1101);
    // Of bytes that the client knows nothing of: all of his that stand before them.
    CHECK(flow.from_server(5201, 1101 + 20, 0).ack == 1101);
    CHECK(flow.from_server(5201, 1101 + 50, 0).ack == 1101);
    CHECK(flow.from_client(1111, 5201 + 12, 0).ack == 5201);
    // And of what was sent since.
    CHECK(flow.from_server(5211, 1111 + 50, 0).ack == 1111);
    CHECK(flow.from_client(1111, 5211 + 30, 0).ack == 5211);
  });
}

TEST_CASE("TCPX-17 TCPX-23 each edge of SACK is moved as the number that it is") {
  for_each_case([](Switched& flow) {
    using Edges = std::vector<uint32_t>;
    flow.from_client(1101, 5001, 100);
    const auto up = flow.from_server(5001, 1001, 0, {1151, 1171, 1041, 1101});
    CHECK(up.ack == 1001);
    CHECK(up.sack == Edges{1101, 1121, 1041, 1101});
    flow.from_server(5201, 1001, 100);
    const auto down = flow.from_client(1201, 5001, 0, {5231, 5241, 5101, 5201});
    CHECK(down.sack == Edges{5201, 5211, 5101, 5201});
  });
}

TEST_CASE("TCPX-23 a segment with bytes of before and of behind the switch is cut between them") {
  for_each_case([](Switched& flow) {
    const auto up = flow.from_client(1051, 5001, 100, {}, kTcpAck | kTcpPsh | kTcpFin);
    CHECK(up.seq == 1051);
    CHECK(up.size == 50);
    CHECK_FALSE(up.fin);
    const auto down = flow.from_server(5101, 1001, 300);
    CHECK(down.seq == 5101);
    CHECK(down.size == 100);
    // An end alone is behind it, too.
    const auto end = flow.from_client(1001, 5001, 100, {}, kTcpAck | kTcpFin);
    CHECK(end.size == 100);
    CHECK_FALSE(end.fin);
  });
}

TEST_CASE("TCPX-23 the earlier offsets are kept until both sides have acknowledged past them") {
  for_each_case([](Switched& flow) {
    constexpr Duration kLong = Duration::seconds(10);
    flow.from_client(1101, 5201, 10);
    flow.engine->run(kLong);
    CHECK(flow.from_client(1001, 5201, 100).seq == 1001);
    // One side has, the other says what it said before.
    flow.from_server(5201, 1111 + 50, 10);
    flow.engine->run(kLong);
    CHECK(flow.from_client(1111, 5201, 0).ack == 5201);
    CHECK(flow.from_server(5001, 1111 + 50, 200).seq == 5001);
    flow.from_client(1111, 5211 + 30, 0);
    // What was sent again meanwhile comes yet, and after that nothing does.
    CHECK(flow.from_server(5001, 1111 + 50, 200).seq == 5001);
    flow.engine->run(kLong);
    flow.from_server(5211, 1111 + 50, 0);
    CHECK(flow.from_client(1001, 5241, 100).seq == 1001 + 50);
    CHECK(flow.from_server(5001, 1161, 200).seq == 5001 + 30);
  });
}

TEST_CASE("TCPX-23 where one direction changes, the other has nothing to wait for") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Switched flow(hosts, {0, 0}, {50, 0});
    flow.from_client(1101, 5001, 10);
    CHECK(flow.from_server(5001, 1111 + 50, 200).ack == 1111);
    flow.from_server(5201, 1111 + 50, 0);
    CHECK(flow.from_client(1001, 5001, 100).seq == 1001);
    flow.engine->run(Duration::seconds(10));
    flow.from_server(5201, 1111 + 50, 0);
    CHECK(flow.from_client(1001, 5001, 100).seq == 1051);
    CHECK(flow.engine->settle() == "");
  }
}

TEST_CASE("DFSMSG-04 another node has nothing of what was sent before") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Switched flow(hosts, {0, 0}, {0, 0});
    Hosts others = hosts;
    others.server.bytes[15] = static_cast<uint8_t>(others.server.bytes[15] + 1);
    flow.engine->introduce(others);
    flow.engine->tell(new_flow(hosts, others.server, {50, 0u - 30}));
    const auto told = flow.from_client(1001, 5001, 100);
    CHECK(told.seq == 1051);
    CHECK(told.ack == 4971);
    CHECK(flow.engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
