// How connections that the engine ends come to their end, and what is left of them.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/socket_lab.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE("MEM-08 MEM-09 MEM-11 who closes first keeps one flow entry, and no block, for 2MSL") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t socket = lab.connect();
    lab.read(socket, 1000);
    close_first(lab, socket);
    CHECK(lab.sockets[socket].closed);
    CHECK(lab.engine.count(Counter::connections) == 0);
    REQUIRE(lab.time_waits.size() == 1);
    const TimeWaitView told(lab.time_waits[0].data());
    CHECK(told.vs_id() == kServiceId);
    CHECK(told.bytes_freed() == sizeof(Connection));
    CHECK(told.in_time_wait() == 1);
    lab.pass(Duration::seconds(58));
    CHECK(lab.engine.count(Counter::own_time_wait) == 1);
    lab.pass(Duration::seconds(3));
    CHECK(lab.left() == "");
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("MEM-10 a TIME-WAIT ends when the compactor says so") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    close_first(lab, lab.connect());
    REQUIRE(lab.time_waits.size() == 1);
    const TimeWaitView told(lab.time_waits[0].data());
    const uint32_t entry = told.entry(), serial = told.serial();
    const auto keep = [&](uint32_t of, uint32_t ms) {
      KeepTimeWaitView order = lab.order<KeepTimeWaitView>(0);
      order.set_entry(entry);
      order.set_serial(of);
      order.set_keep_ms(ms);
      lab.say();
      lab.pass(Duration::milliseconds(2));
    };
    keep(serial + 1, 0);
    CHECK(lab.engine.count(Counter::own_time_wait) == 1);
    CHECK(lab.engine.count(Counter::messages_stale) == 1);
    keep(serial, 120'000);
    lab.pass(Duration::seconds(100));
    CHECK(lab.engine.count(Counter::own_time_wait) == 1);
    keep(serial, 5000);
    lab.pass(Duration::seconds(4));
    CHECK(lab.engine.count(Counter::own_time_wait) == 1);
    keep(serial, 0);
    CHECK(lab.left() == "");
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("MEM-12 VS-24 a port that is used again within TIME-WAIT is for a server that is there") {
  for (const Hosts& hosts : both_families()) {
    for (const bool gone : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(gone);
      SocketLab lab(hosts, {});
      close_first(lab, lab.connect());
      lab.pass(Duration::seconds(2));
      if (gone) lab.engine.delete_virtual_server(kServiceId, 600);
      lab.last_accepted = 0;
      lab.connect();
      lab.pass(Duration::milliseconds(10));
      CHECK((lab.last_accepted != 0) == !gone);
      CHECK(lab.engine.count(Counter::own_time_wait) == 0);
    }
  }
}

TEST_CASE("SOCK-36 who gives up a connect and begins anew is not refused for it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t inbound = lab.connect();
    lab.server_is_there = false;  // its answer is late
    const uint32_t given_up = lab.open(inbound, hosts.server, 8080, true);
    lab.say<AbortSocketView>(given_up);
    CHECK(lab.sockets[given_up].closed);
    lab.sockets.erase(given_up);  // its place may be used again
    const uint32_t outbound = lab.open(inbound, hosts.server, 8080, true);
    REQUIRE(outbound != 0);
    lab.server_is_there = true;
    lab.pass(Duration::seconds(5));
    CHECK(lab.sockets[outbound].connected);
    CHECK_FALSE(lab.sockets[outbound].closed);
  }
}

TEST_CASE("PROXY-19 a server whose neighbour is silent is told of, and other opens are not") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t inbound = lab.connect();
    IpAddress silent = hosts.server;
    silent.bytes[15] = static_cast<uint8_t>(silent.bytes[15] + 1);
    // More than wait for one next hop: the oldest gives way, and its connection sends again.
    std::vector<uint32_t> opened;
    for (int i = 0; i < 12; ++i) opened.push_back(lab.open(0, silent, 8080, false));
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.engine.balanced());  // law 9: what waits for ARP was sent by us, and not received
    for (const uint32_t socket : opened) {
      REQUIRE(socket != 0);
      CHECK_FALSE(lab.sockets[socket].closed);
    }
    // Those whose SYN still waited hear of it when ARP gives up, the others when their time is
    // over.
    lab.pass(Duration::seconds(10));
    const auto told = std::count_if(opened.begin(), opened.end(), [&](uint32_t socket) {
      return lab.sockets[socket].closed && lab.sockets[socket].end == StreamEnd::no_route;
    });
    CHECK(told >= 4);
    lab.pass(Duration::seconds(200));
    for (const uint32_t socket : opened) CHECK(lab.sockets[socket].closed);
    CHECK_FALSE(lab.sockets[inbound].closed);
  }
}

TEST_CASE("a virtual server that goes takes its connections along") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t inbound = lab.connect();
    lab.engine.delete_virtual_server(kServiceId);
    lab.pass(Duration::milliseconds(10));
    CHECK(lab.sockets[inbound].closed);
    CHECK(lab.sockets[inbound].end == StreamEnd::aborted);
    CHECK(lab.client.take_events().has(TcpEvents::kReset));
    CHECK(lab.left() == "");
    CHECK(lab.engine.settle() == "");
  }
}

}  // namespace
}  // namespace sluice
