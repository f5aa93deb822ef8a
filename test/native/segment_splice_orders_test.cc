// What sockets ask of a pair that others run, or that is on its way back.
#include <doctest/doctest.h>

#include "support/spliced_pair.h"

namespace sluice {
namespace {

using namespace test;

// Something of the server's is lost on its way to the client, and the pair is on its way back.
void begin_return(SplicedPair& pair) {
  SocketLab& lab = pair.lab;
  pair.let_go();
  REQUIRE_FALSE(pair.has_blocks());
  lab.client_hears = false;
  send_from(lab.server, lab.engine.now(), numbered(1000));
  lab.settle();
  pair.forget();
  pair.take_back();
  REQUIRE(pair.returns() == 0);
  REQUIRE(lab.sockets[pair.inbound].unrelayed == 1);
}

void arrive(SplicedPair& pair) {
  pair.lab.client_hears = true;
  pair.lab.pass(Duration::seconds(2));
}

TEST_CASE("SOCK-20 what is asked for on the way back is done when it has come to its end") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SUBCASE("written") {
      SocketLab lab(hosts, {});
      SplicedPair pair(lab, hosts);
      begin_return(pair);
      lab.write(pair.inbound, numbered(500, 1000));
      lab.say<ShutSocketView>(pair.inbound);
      CHECK(pair.at_client.got.empty());
      arrive(pair);
      CHECK(pair.returns() == 1);
      CHECK(receive_at(lab.client, lab.engine.now()) == numbered(1500));
      CHECK(at_end(*lab.client.connection()));
      CHECK(lab.engine.count(Counter::messages_invalid) == 0);
    }
    SUBCASE("one side is closed: the other one goes on") {
      SocketLab lab(hosts, {});
      SplicedPair pair(lab, hosts);
      begin_return(pair);
      lab.say<CloseSocketView>(pair.inbound);
      arrive(pair);
      CHECK(receive_at(lab.client, lab.engine.now()) == numbered(1000));
      CHECK(at_end(*lab.client.connection()));
      CHECK_FALSE(lab.sockets[pair.outbound].closed);
      lab.write(pair.outbound, numbered(800));
      lab.pass(Duration::milliseconds(50));
      CHECK(receive_at(lab.server, lab.engine.now()) == numbered(800));
    }
    SUBCASE("both are reset") {
      SocketLab lab(hosts, {});
      SplicedPair pair(lab, hosts);
      begin_return(pair);
      lab.client_hears = true;
      // What is missing has not arrived, and need not.
      for (const uint32_t socket : {pair.inbound, pair.outbound}) {
        lab.say<AbortSocketView>(socket);
      }
      CHECK(pair.at_client.was_reset);
      CHECK(pair.at_server.was_reset);
      lab.engine.run(Duration::seconds(300));
      CHECK(lab.left() == "");
      CHECK(lab.engine.settle() == "");
    }
  }
}

TEST_CASE("SOCK-12 an end is not for a pair that is let go, and bytes would leave a gap") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.let_go();
    lab.say<ShutSocketView>(pair.inbound);
    CHECK(lab.engine.count(Counter::messages_invalid) == 1);
    send_from(lab.server, lab.engine.now(), numbered(3000));
    lab.pass(Duration::milliseconds(50));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(3000));
    lab.write(pair.inbound, numbered(100));
    CHECK(lab.engine.count(Counter::messages_invalid) == 2);
    CHECK(pair.at_client.was_reset);
    CHECK(pair.at_server.was_reset);
  }
}

// Between the two the client sends nothing, and the server would take little of it: what the client
// is offered by the engine meanwhile it could never use up.
TEST_CASE("SOCK-20 TCPX-22 what is taken back can be let go again, though one side sends nothing") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    LabHost server;
    server.config.most_share = 511 * 128;  // as any window scale can tell it
    SocketLab lab(hosts, {}, 40000, {}, server);
    SplicedPair pair(lab, hosts);
    for (uint64_t turn = 1; turn <= 3; ++turn) {
      CAPTURE(turn);
      pair.let_go();
      REQUIRE_FALSE(pair.has_blocks());
      pair.take_back();
      REQUIRE(pair.returns() == turn);
      const size_t known = lab.sockets[pair.outbound].bytes.size();
      lab.read(pair.outbound, 60'000);
      send_from(lab.server, lab.engine.now(), numbered(60'000));
      lab.pass(Duration::milliseconds(100));
      CHECK(lab.sockets[pair.outbound].bytes.size() == known + 60'000);
      for (const uint32_t socket : {pair.inbound, pair.outbound}) lab.say<HoldSocketView>(socket);
      lab.pass(Duration::milliseconds(50));
    }
  }
}

TEST_CASE("SOCK-20 TCPX-61 options that are set meanwhile hold when it comes back") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.let_go();
    pair.forget();
    const auto set = [&](uint8_t option, uint32_t value) {
      SetSocketView message = lab.order<SetSocketView>(pair.inbound);
      message.set_option(option);
      message.set_value(value);
      lab.say();
    };
    set(SocketOption::keep_alive, 10);
    set(SocketOption::tos, 0x20);
    set(99, 0);
    CHECK(lab.engine.count(Counter::messages_invalid) == 1);
    lab.pass(Duration::seconds(15));
    CHECK(pair.at_client.got.empty());
    pair.take_back();
    CHECK(pair.returns() == 1);
    pair.forget();
    lab.engine.clear_sent();
    lab.pass(Duration::seconds(11));
    REQUIRE(pair.at_client.got.size() == 1);
    CHECK(pair.at_client.got[0].seq + 1 == lab.client.connection()->flow->rcv_nxt);
  }
}

TEST_CASE("SOCK-19 a pair of which one end has come to its end stays let go, and says so") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    SplicedPair pair(lab, hosts);
    pair.let_go();
    shut_at(lab.client, lab.engine.now());
    lab.pass(Duration::milliseconds(50));
    pair.take_back();
    for (const uint32_t socket : {pair.inbound, pair.outbound}) {
      CHECK(lab.sockets[socket].splice_block == SpliceBlock::stays);
      CHECK(lab.sockets[socket].unrelayed == 0);
    }
    send_from(lab.server, lab.engine.now(), numbered(3000));
    shut_at(lab.server, lab.engine.now());
    lab.pass(Duration::milliseconds(50));
    CHECK(receive_at(lab.client, lab.engine.now()) == numbered(3000));
    CHECK(lab.sockets[pair.inbound].closed);
    CHECK(lab.sockets[pair.inbound].end == StreamEnd::finished);
  }
}

}  // namespace
}  // namespace sluice
