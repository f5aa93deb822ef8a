// Flows of UDP that the engine ends itself, from the frames on the links to the messages of
// sockets.
#include <doctest/doctest.h>

#include "support/datagram_lab.h"
#include "support/fragments.h"
#include "support/icmp_error.h"

namespace sluice {
namespace {

using namespace test;
using Texts = std::vector<std::string>;

TEST_CASE("SOCK-32 a client's flow of UDP ends at the virtual address, datagram by datagram") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    DatagramLab lab(hosts);
    lab.ask("one");
    const uint32_t socket = lab.last_accepted;
    REQUIRE(socket != 0);
    CHECK((socket & SocketTable::kDatagrams) != 0);
    const HeardDatagrams& heard = lab.sockets[socket];
    CHECK(heard.remote == hosts.client);
    CHECK(heard.remote_port == 40000);
    CHECK(heard.local == hosts.virtual_server);
    CHECK(heard.local_port == kNamePort);
    CHECK(heard.vs == kNameId);
    CHECK(heard.mss == (hosts.client.is_v4() ? 1472 : 1452));
    lab.ask("");
    lab.ask("three");
    CHECK(heard.datagrams == Texts{"one", "", "three"});
    CHECK(lab.accepted == 1);
    lab.send(socket, "answer");
    lab.send(socket, "");
    CHECK(lab.at_client() ==
          Texts{"virtual:53 > client:40000 answer", "virtual:53 > client:40000 "});
    CHECK(lab.engine.told_of<QueryView>().empty());

    lab.say<CloseSocketView>(socket);
    CHECK(heard.closed);
    CHECK(heard.end == StreamEnd::finished);
    CHECK(heard.received == 8);
    CHECK(heard.sent == 6);
    lab.ask("again");  // another flow
    CHECK(lab.accepted == 2);
    CHECK(lab.sockets[lab.last_accepted].datagrams == Texts{"again"});
    CHECK(lab.engine.settle() == "");
    lab.hear();
    lab.engine.poll();
    CHECK(lab.engine.count(Counter::datagram_sockets) == 0);
  }
}

TEST_CASE("SOCK-08 SOCK-32 an associated socket sends from the client's endpoint") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    DatagramLab lab(hosts);
    const auto [inbound, outbound] = lab.open_pair();
    REQUIRE(outbound != 0);
    CHECK(lab.sockets[outbound].serial == lab.sockets[inbound].serial);  // one pair
    CHECK(lab.sockets[outbound].local == hosts.client);
    CHECK(lab.sockets[outbound].local_port == 40000);
    CHECK(lab.engine.count(Counter::flow_entries) == 2);
    lab.send(outbound, "question");
    CHECK(lab.at_server() == Texts{"client:40000 > server:8053 question"});
    lab.answer("answer");
    CHECK(lab.sockets[outbound].datagrams == Texts{"answer"});
    CHECK(lab.at_client().empty());
    // SOCK-10: the server could not tell another one from it.
    CHECK(lab.open(inbound, hosts.server, 8053, true) == 0);
    CHECK(lab.cannot_open == StreamEnd::tuple_in_use);
    // SOCK-24: one side goes, the other stays.
    lab.say<CloseSocketView>(inbound);
    CHECK(lab.sockets[inbound].closed);
    lab.answer("more");
    CHECK(lab.sockets[outbound].datagrams == Texts{"answer", "more"});
    CHECK(lab.engine.settle() == "");
    CHECK(lab.open(inbound, hosts.server, 8053, true) == 0);
    CHECK(lab.cannot_open == StreamEnd::no_such_socket);
  }
}

TEST_CASE("SOCK-09 without association a socket has an address of the engine, and no pair") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    DatagramLab lab(hosts);
    const uint32_t socket = lab.open(0, hosts.server, 8053, false);
    REQUIRE(socket != 0);
    CHECK(lab.sockets[socket].connected);
    CHECK(lab.sockets[socket].local == hosts.engine);
    lab.send(socket, "question");
    REQUIRE(lab.engine.to_server.size() == 1);
    const L4Port port = lab.sockets[socket].local_port;
    CHECK(port >= 49152);
    lab.engine.from_server(
        PacketBuilder().ip(hosts.server, hosts.engine).udp(8053, port).text("answer"));
    lab.hear();
    CHECK(lab.sockets[socket].datagrams == Texts{"answer"});
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("SOCK-32 a server that speaks while its socket is opened is heard behind that") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    DatagramLab lab(hosts);
    lab.ask("question");
    const uint32_t inbound = lab.last_accepted;
    lab.ask_to_open(inbound, hosts.server, 8053, true);
    lab.answer("early");  // both in one turn of the worker
    CHECK(lab.sockets[lab.last_opened].connected);
    CHECK(lab.sockets[lab.last_opened].datagrams == Texts{"early"});
  }
}

TEST_CASE("SOCK-12 SOCK-20 SOCK-32 a spliced pair is translated, and read again afterwards") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    DatagramLab lab(hosts);
    const auto pair = lab.open_pair();
    const uint32_t inbound = pair.first, outbound = pair.second;
    for (int round = 1; round <= 3; ++round) {
      lab.splice(inbound, outbound);
      CHECK(lab.sockets[inbound].held == round);
      CHECK(lab.sockets[outbound].held == round);
      const size_t before = lab.sockets[inbound].datagrams.size();
      lab.ask("there");
      lab.answer("and back");
      CHECK(lab.at_server() == Texts{"client:40000 > server:8053 there"});
      CHECK(lab.at_client() == Texts{"virtual:53 > client:40000 and back"});
      // What JavaScript had yet to send goes its way.
      lab.send(outbound, "late");
      lab.send(inbound, "later");
      CHECK(lab.at_server() == Texts{"client:40000 > server:8053 late"});
      CHECK(lab.at_client() == Texts{"virtual:53 > client:40000 later"});
      CHECK(lab.sockets[inbound].datagrams.size() == before);

      lab.say<UnrelaySocketView>(outbound);
      CHECK(lab.sockets[inbound].unrelayed == round);
      CHECK(lab.sockets[inbound].relayed == 5u * round);
      CHECK(lab.sockets[inbound].relayed_datagrams == 1u * round);
      CHECK(lab.sockets[outbound].relayed == 8u * round);
      lab.ask("read");  // without another word of credit
      lab.answer("too");
      CHECK(lab.sockets[inbound].datagrams.size() == before + 1);
      CHECK(lab.sockets[outbound].datagrams.back() == "too");
      CHECK(lab.engine.to_server.empty());
    }
    CHECK(lab.engine.count(Counter::messages_invalid) == 0);
    lab.splice(inbound, outbound);
    lab.ask("moved");
    lab.say<CloseSocketView>(outbound);
    CHECK(lab.sockets[outbound].closed);
    CHECK(lab.sockets[inbound].unrelayed == 4);
    CHECK(lab.sockets[inbound].relayed == 20);
    lab.ask("back");
    CHECK(lab.sockets[inbound].datagrams.back() == "back");
    CHECK(lab.engine.settle() == "");
    CHECK(lab.engine.told_of<StateView>().empty());
    CHECK(lab.engine.told_of<DeleteView>().empty());
  }
}

TEST_CASE("SOCK-32 SOCK-36 a splice with a socket that is over has ended at once") {
  for (const bool inbound_is_over : {false, true}) {
    CAPTURE(inbound_is_over);
    DatagramLab lab(both_families()[0]);
    lab.forgets = false;  // it has not heard of the end when it asks
    const auto [inbound, outbound] = lab.open_pair();
    const uint32_t over = inbound_is_over ? inbound : outbound;
    const uint32_t kept = inbound_is_over ? outbound : inbound;
    lab.say<CloseSocketView>(over);
    lab.splice(inbound, outbound);
    CHECK(lab.sockets[kept].held == 1);
    CHECK(lab.sockets[kept].unrelayed == 1);
    inbound_is_over ? lab.answer("here") : lab.ask("here");
    CHECK(lab.sockets[kept].datagrams.back() == "here");
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("SOCK-32 what is spliced passes as any translated packet: TTL, fragments, errors") {
  const Hosts hosts = both_families()[0];
  DatagramLab lab(hosts);
  const auto [inbound, outbound] = lab.open_pair();
  lab.splice(inbound, outbound);
  lab.engine.from_client(lab.asks("hop").ttl(9));
  REQUIRE(lab.engine.to_server.size() == 1);
  CHECK(Sent(lab.engine.to_server[0]).ttl() == 8);
  lab.engine.clear_sent();
  // The server's kernel has nobody there: the client hears of it from the virtual address.
  const auto sent =
      ip_bytes(PacketBuilder().ip(hosts.client, hosts.server).udp(40000, 8053).text("hop").ttl(8));
  lab.engine.from_server(
      icmp_error(hosts.server, hosts.client, kIcmpUnreachable, kIcmpPortUnreachable, 0, sent));
  REQUIRE(lab.engine.to_client.size() == 1);
  const SentError error(lab.engine.to_client[0]);
  CHECK(error.is_one());
  CHECK(error.key().src == hosts.virtual_server);
  CHECK_FALSE(lab.sockets[outbound].closed);
  CHECK(lab.engine.settle() == "");
}

TEST_CASE("SOCK-32 a port unreachable ends the socket that it is about, no other error does") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const bool v4 = hosts.client.is_v4();
    DatagramLab lab(hosts);
    const auto [inbound, outbound] = lab.open_pair();
    const auto sent =
        ip_bytes(PacketBuilder().ip(hosts.client, hosts.server).udp(40000, 8053).text("question"));
    const auto error = [&](uint8_t code, const IpAddress& to) {
      lab.engine.from_server(
          icmp_error(hosts.server, to, v4 ? kIcmpUnreachable : kIcmpv6Unreachable, code, 0, sent));
      lab.hear();
    };
    const uint8_t port = v4 ? kIcmpPortUnreachable : kIcmpv6PortUnreachable;
    error(port, hosts.client);  // nothing was sent yet: a forged one
    CHECK(lab.engine.dropped(DropReason::icmp_implausible) == 1);
    lab.send(outbound, "question");
    error(v4 ? kIcmpHostUnreachable : kIcmpv6AddressUnreachable, hosts.client);
    CHECK_FALSE(lab.sockets[outbound].closed);
    error(port, hosts.client);
    CHECK(lab.sockets[outbound].closed);
    CHECK(lab.sockets[outbound].end == StreamEnd::refused);
    CHECK_FALSE(lab.sockets[inbound].closed);
    lab.ask("more");
    CHECK(lab.sockets[inbound].datagrams.back() == "more");
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("SOCK-32 silence ends both sides of a pair, what is sent keeps them") {
  for (const bool spliced : {false, true}) {
    CAPTURE(spliced);
    DatagramLab lab(both_families()[0]);
    const auto [inbound, outbound] = lab.open_pair();
    lab.set_idle(outbound, 10);
    if (spliced) lab.splice(inbound, outbound);
    for (int i = 0; i < 5; ++i) {
      lab.pass(Duration::seconds(9));
      i & 1 ? lab.ask("hello") : lab.send(outbound, "hello");
    }
    CHECK_FALSE(lab.sockets[inbound].closed);
    lab.pass(Duration::seconds(9));
    CHECK_FALSE(lab.sockets[inbound].closed);
    lab.pass(Duration::seconds(2));
    for (const uint32_t socket : {inbound, outbound}) {
      CHECK(lab.sockets[socket].closed);
      CHECK(lab.sockets[socket].end == StreamEnd::timed_out);
      CHECK(lab.sockets[socket].unrelayed == (spliced ? 1 : 0));
    }
    CHECK(lab.engine.count(Counter::flows_expired) == 1);
    lab.ask("anew");
    CHECK(lab.accepted == 2);
    lab.pass(Duration::seconds(119));  // as long as any of UDP
    CHECK_FALSE(lab.sockets[lab.last_accepted].closed);
    lab.pass(Duration::seconds(2));
    CHECK(lab.sockets[lab.last_accepted].closed);
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("SOCK-32 DFS-26 what is damaged, or comes in fragments, is no datagram of a socket") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    DatagramLab lab(hosts);
    Frame damaged = lab.asks("damaged").eth(kClientMac, kOutsideMac).build();
    damaged.data()[damaged.size() - 1] ^= 1;
    lab.engine.inject(0, std::move(damaged));
    CHECK(lab.engine.dropped(DropReason::l4_checksum) == 1);
    lab.engine.from_client(lab.asks("a fragment of it").fragment(0, true));
    lab.hear();
    CHECK(lab.engine.dropped(DropReason::ip_fragment) == 1);
    CHECK(lab.accepted == 0);
    if (hosts.client.is_v4()) {
      lab.engine.from_client(lab.asks("without").without_udp_checksum());
      lab.hear();
      CHECK(lab.sockets[lab.last_accepted].datagrams == Texts{"without"});
    }
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("SOCK-32 TCPX-34 a super-packet is as many datagrams as it has segments") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    DatagramLab lab(hosts);
    lab.engine.from_client(lab.asks("aaaabbbbcc").gso(4));
    lab.hear();
    CHECK(lab.sockets[lab.last_accepted].datagrams == Texts{"aaaa", "bbbb", "cc"});
    CHECK(lab.engine.count(Counter::datagrams_read) == 3);
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("SOCK-32 a large datagram goes in fragments over IPv4, and is lost over IPv6") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const bool v4 = hosts.client.is_v4();
    TestEngineOptions options;
    options.outside.checksum = false;  // it is complete before it is cut
    DatagramLab lab(hosts, options);
    lab.ask("question");
    const uint32_t socket = lab.last_accepted;
    const std::string largest(lab.sockets[socket].mss, 'x');
    lab.send(socket, largest);
    CHECK(lab.at_client() == Texts{"virtual:53 > client:40000 " + largest});
    lab.send(socket, largest + "y");
    CHECK(lab.engine.to_client.size() == (v4 ? 2 : 0));
    CHECK(lab.engine.count(Counter::originated_lost) == (v4 ? 0 : 1));
    lab.engine.clear_sent();
    lab.send(socket, std::string(65508, 'x'));  // more than a packet of IPv4 has
    CHECK(lab.engine.to_client.empty());
    CHECK(lab.engine.settle() == "");
  }
}

TEST_CASE("SOCK-32 a socket that reads no more loses its datagrams, and nobody else's") {
  DatagramLab lab(both_families()[0]);
  lab.ask("slow", 40000);
  const uint32_t slow = lab.last_accepted;
  lab.ask("quick", 40001);
  const uint32_t quick = lab.last_accepted;
  const std::string text(1000, 'x');
  for (int i = 0; i < 50; ++i) {
    lab.read(quick, 1064);
    lab.ask(text, 40000);
    lab.ask(text, 40001);
  }
  // The datagram that needs the last of the credit comes whole.
  constexpr uint32_t kEach = 1000 + SocketCredit::each_datagram;
  const uint32_t left = lab.sockets[slow].credit - 4 - SocketCredit::each_datagram;
  CHECK(lab.sockets[slow].datagrams.size() == 1 + (left + kEach - 1) / kEach);
  CHECK(lab.sockets[quick].datagrams.size() == 51);
  CHECK(lab.engine.dropped(DropReason::socket_unread) == 51 - lab.sockets[slow].datagrams.size());
  CHECK(lab.engine.count(Counter::datagrams_unread) == 51 - lab.sockets[slow].datagrams.size());
  lab.read(slow, kEach);  // what it owed, and more
  lab.ask("on again", 40000);
  CHECK(lab.sockets[slow].datagrams.back() == "on again");
  CHECK(lab.engine.settle() == "");
}

TEST_CASE("SOCK-32 no socket is made of what nobody reads, and news waits for room") {
  DatagramLab lab(both_families()[0]);
  lab.ask("before", 39999);
  const uint32_t before = lab.last_accepted;
  lab.reads = false;
  for (L4Port port = 40000; port < 42000; ++port) lab.ask(std::string(1400, 'x'), port);
  CHECK(lab.engine.dropped(DropReason::socket_unread) +
            lab.engine.dropped(DropReason::connections_full) >
        1000);
  CHECK(lab.engine.balanced());
  CHECK(lab.engine.count(Counter::datagram_sockets) <= 64);
  lab.say<CloseSocketView>(before);
  lab.reads = true;
  lab.hear();
  lab.pass(Duration::seconds(1));
  CHECK(lab.sockets[before].closed);
  CHECK(lab.engine.settle() == "");
  lab.hear();
  lab.engine.poll();
  CHECK(lab.engine.count(Counter::datagram_sockets) == 0);
}

TEST_CASE("SOCK-32 VS-24 the end of a virtual server, or a RESET, ends its sockets") {
  for (const bool spliced : {false, true}) {
    CAPTURE(spliced);
    DatagramLab lab(both_families()[0]);
    const auto [inbound, outbound] = lab.open_pair();
    if (spliced) lab.splice(inbound, outbound);
    lab.engine.delete_virtual_server(kNameId);
    lab.pass(Duration::milliseconds(10));
    for (const uint32_t socket : {inbound, outbound}) {
      CHECK(lab.sockets[socket].closed);
      CHECK(lab.sockets[socket].end == StreamEnd::aborted);
    }
    lab.send(inbound, "too late");
    CHECK(lab.engine.to_client.empty());
    CHECK(lab.engine.settle() == "");
  }
}

}  // namespace
}  // namespace sluice
