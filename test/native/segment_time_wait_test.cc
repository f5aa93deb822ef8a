// TIME-WAITs beside flows: who has a signature, and until when.
#include <doctest/doctest.h>

#include "support/icmp_error.h"
#include "support/socket_lab.h"

namespace sluice {
namespace {

using namespace test;

constexpr uint32_t kPlainId = 40;

IpAddress plain_address(const Hosts& hosts) {
  return ip(hosts.client.is_v4() ? "192.0.2.101" : "2001:db8::101");
}

TEST_CASE("MEM-12 VS-24 a port that is used again within TIME-WAIT is for whom the server is now") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    close_first(lab, lab.connect());
    lab.pass(Duration::seconds(2));
    lab.engine.delete_virtual_server(kServiceId);
    lab.engine.add_virtual_server(kServiceId + 1, hosts.virtual_server, kServicePort);
    lab.connect();
    lab.pass(Duration::milliseconds(10));
    CHECK(lab.engine.count(Counter::queries) == 1);
    CHECK(lab.engine.count(Counter::own_time_wait) == 0);
  }
}

TEST_CASE(
    "TCPX-48 a FIN that comes again begins the time that the compactor has said, not the usual "
    "one") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    const uint32_t socket = lab.connect();
    lab.say<ShutSocketView>(socket);
    lab.pass(Duration::milliseconds(50));
    lab.client_hears = false;  // the last ACK is lost, again and again
    shut_at(lab.client, lab.engine.now());
    lab.pass(Duration::milliseconds(50));
    REQUIRE(lab.time_waits.size() == 1);
    const TimeWaitView told(lab.time_waits[0].data());
    KeepTimeWaitView keep = lab.order<KeepTimeWaitView>(0);
    keep.set_entry(told.entry());
    keep.set_serial(told.serial());
    keep.set_keep_ms(5000);
    lab.say();
    lab.pass(Duration::seconds(4));
    lab.client_hears = true;
    lab.pass(Duration::seconds(4));  // a FIN has come and was answered
    CHECK(lab.client.flow().state == ConnectionState::closed);
    CHECK(lab.engine.count(Counter::own_time_wait) == 1);
    lab.pass(Duration::seconds(5));
    CHECK(lab.left() == "");
  }
}

TEST_CASE("trap 3 FLOWLIFE-16 a translated flow with the signature of a TIME-WAIT ends it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    lab.engine.add_virtual_server(kPlainId, plain_address(hosts), kServicePort);
    const uint32_t inbound = lab.connect();
    const uint32_t outbound = lab.open(inbound, hosts.server, 8080, true);
    REQUIRE(lab.sockets[outbound].connected);
    lab.say<ShutSocketView>(outbound);
    lab.pass(Duration::milliseconds(50));
    shut_at(lab.server, lab.engine.now());
    lab.pass(Duration::milliseconds(50));
    REQUIRE(lab.engine.count(Counter::own_time_wait) == 1);
    lab.engine.told.clear();
    lab.engine.from_client(PacketBuilder()
                               .ip(hosts.client, plain_address(hosts))
                               .tcp(40000, kServicePort, kTcpSyn)
                               .seq(1000));
    lab.engine.answer_all(TestEngine::to_endpoint(hosts.server, 8080));
    CHECK(lab.engine.count(Counter::flows_opened) == 2);
    CHECK(lab.engine.count(Counter::own_time_wait) == 0);
  }
}

TEST_CASE("MEM-08 what is left of a connection has nothing to say where its server has gone") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    close_first(lab, lab.connect());
    lab.engine.delete_virtual_server(kServiceId);
    lab.engine.clear_sent();
    lab.engine.from_client(PacketBuilder()
                               .ip(hosts.client, hosts.virtual_server)
                               .tcp(40000, kServicePort, kTcpAck | kTcpFin)
                               .seq(1)
                               .ack(1));
    CHECK(lab.engine.to_client.empty());
    CHECK(lab.engine.count(Counter::own_time_wait) == 0);
  }
}

TEST_CASE("MEM-12 a SYN that finds no room leaves the TIME-WAIT to answer") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.connections = 1;
    SocketLab lab(hosts, options);
    close_first(lab, lab.connect());
    lab.engine.from_client(PacketBuilder()
                               .ip(hosts.client, hosts.virtual_server)
                               .tcp(50000, kServicePort, kTcpSyn)
                               .seq(1000));
    REQUIRE(lab.engine.count(Counter::connections) == 1);
    lab.last_accepted = 0;
    lab.pass(Duration::seconds(1));
    lab.client.connect(lab.engine.now());
    lab.settle();
    CHECK(lab.last_accepted == 0);
    CHECK(lab.engine.dropped(DropReason::connections_full) == 1);
    CHECK(lab.engine.count(Counter::own_time_wait) == 1);
  }
}

TEST_CASE("law 3 an ICMP error about a TIME-WAIT is taken where it is whole, and changes nothing") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SocketLab lab(hosts, {});
    close_first(lab, lab.connect());
    const Frame sent = PacketBuilder()
                           .ip(hosts.virtual_server, hosts.client)
                           .tcp(kServicePort, 40000, kTcpAck)
                           .seq(1)
                           .build();
    std::vector<uint8_t> quote = sent.bytes();
    quote.erase(quote.begin(), quote.begin() + EthernetHeader::kSize);
    for (const bool broken : {false, true}) {
      CAPTURE(broken);
      const uint64_t delivered = lab.engine.count(Counter::delivered);
      Frame error = too_big_error(hosts.client, hosts.virtual_server, 1300, quote)
                        .eth(kClientMac, kOutsideMac)
                        .build();
      const Packet packet = error.packet();
      if (broken) packet.data[packet.length - 1] ^= 1;
      lab.engine.inject(0, error);
      lab.settle();
      CHECK(lab.engine.count(Counter::delivered) == delivered + (broken ? 0 : 1));
      CHECK(lab.engine.dropped(DropReason::l4_checksum) == (broken ? 1 : 0));
      CHECK(lab.engine.count(Counter::own_time_wait) == 1);
    }
  }
}

}  // namespace
}  // namespace sluice
