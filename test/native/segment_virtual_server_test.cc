// ADD_VS and DELETE_VS: what is acknowledged, and what becomes of addresses and flows.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/virtual_server_messages.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

TEST_CASE(
    "CS-05 VS-01 a virtual server that is added is acknowledged, announced and answered for") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngine engine;
    engine.introduce(hosts);
    CHECK_FALSE(owns(engine, hosts, hosts.virtual_server));
    engine.neighbor_messages.clear();
    CHECK(answered(engine, add_vs(7, hosts.virtual_server)) == CsmbError::none);
    CHECK(AckView(engine.told[0].data()).vs_id() == 7);
    CHECK_FALSE(engine.neighbor_messages.empty());  // a gratuitous ARP or an unsolicited NA
    CHECK(owns(engine, hosts, hosts.virtual_server));
    engine.decide_with(TestEngine::to_endpoint(hosts.server, kNodePort));
    Dialogue(engine, hosts).client_sends(kTcpSyn);
    CHECK(engine.to_server.size() == 1);
    CHECK(engine.settle() == "");
  }
}

TEST_CASE("VS-01 TCP and UDP of one address and port are two virtual servers") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngine engine;
    CHECK(answered(engine, add_vs(1, hosts.virtual_server, 53, kProtocolTcp)) == CsmbError::none);
    CHECK(answered(engine, add_vs(2, hosts.virtual_server, 53, kProtocolUdp)) == CsmbError::none);
    CHECK(answered(engine, add_vs(3, hosts.virtual_server, 54, kProtocolUdp)) == CsmbError::none);
    engine.introduce(hosts);
    engine.told.clear();
    engine.from_client(PacketBuilder().ip(hosts.client, hosts.virtual_server).udp(9, 53));
    engine.from_client(PacketBuilder().ip(hosts.client, hosts.virtual_server).udp(9, 54));
    engine.from_client(PacketBuilder().ip(hosts.client, hosts.virtual_server).tcp(9, 53, kTcpSyn));
    Told<QueryView> told(engine);
    REQUIRE(told.count() == 3);
    CHECK(told.view(0).vs_id() == 2);
    CHECK(told.view(1).vs_id() == 3);
    CHECK(told.view(2).vs_id() == 1);
    CHECK(engine.settle() == "");
  }
}

TEST_CASE("CS-14 an ADD_VS that makes no sense is refused, and changes nothing") {
  for (const Hosts& hosts : both_families()) {
    const IpAddress& vip = hosts.virtual_server;
    const bool v4 = hosts.client.is_v4();
    const struct {
      const char* what;
      Bytes message;
      int error;
    } cases[] = {
        {"id 0", add_vs(0, vip), CsmbError::bad_vs},
        {"id of 17 bits", add_vs(0x10007, vip), CsmbError::bad_vs},
        {"port 0", add_vs(9, vip, 0), CsmbError::bad_vs},
        {"ICMP", add_vs(9, vip, 80, v4 ? 1 : 58), CsmbError::bad_vs},
        {"no address", add_vs(9, v4 ? IpAddress::v4(0) : IpAddress{}), CsmbError::bad_vs},
        {"multicast", add_vs(9, ip(v4 ? "224.0.0.5" : "ff02::5")), CsmbError::bad_vs},
        {"broadcast", add_vs(9, ip("255.255.255.255")), CsmbError::bad_vs},
        {"another listens there", add_vs(9, vip, kServicePort), CsmbError::vs_exists},
        {"another listens where it is to move", add_vs(kService, vip, kServicePort, kProtocolUdp),
         CsmbError::vs_exists},
    };
    for (const auto& each : cases) {
      CAPTURE(hosts.family);
      CAPTURE(each.what);
      auto engine = engine_for(hosts);
      CHECK(answered(*engine, each.message) == each.error);
      Dialogue(*engine, hosts).client_sends(kTcpSyn);
      CHECK(Told<QueryView>(*engine).last().vs_id() == kService);
      CHECK(owns(*engine, hosts, vip));
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("CS-14 SSMB-25 CSMB messages of wrong type or length are answered with BAD_MSG") {
  const Hosts& hosts = both_families()[0];
  auto engine = engine_for(hosts);
  Bytes unknown(CsmbHeader::kSize);
  CsmbHeader(unknown.data()).set_msg_type(0x77);
  CsmbHeader(unknown.data()).set_msg_length(CsmbHeader::kSize);
  CHECK(answered(*engine, unknown) == CsmbError::bad_msg);
  Bytes cut = add_vs(9, hosts.virtual_server, 81);
  cut.resize(AddVsView::kSize - 4);
  CsmbHeader(cut.data()).set_msg_length(AddVsView::kSize - 4);
  CHECK(answered(*engine, cut) == CsmbError::bad_msg);
  Bytes without_data = add_vs(9, hosts.virtual_server, 81);
  AddVsView(without_data.data()).set_app_len(5);
  CHECK(answered(*engine, without_data) == CsmbError::bad_msg);
  Bytes longer(DeleteVsView::kSize + 4);
  CsmbHeader(longer.data()).set_msg_type(DeleteVsView::kCode);
  CsmbHeader(longer.data()).set_msg_length(DeleteVsView::kSize + 4);
  CHECK(answered(*engine, longer) == CsmbError::bad_msg);
  CHECK(engine->count(Counter::messages_invalid) == 4);
  CHECK(answered(*engine, add_vs(9, hosts.virtual_server, 81, kProtocolTcp, "sid")) ==
        CsmbError::none);
}

TEST_CASE("CS-05 the same id again replaces its virtual server: address, port and protocol") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const IpAddress other = ip(hosts.client.is_v4() ? "192.0.2.101" : "2001:db8::101");
    auto engine = engine_for(hosts);
    engine->delete_virtual_server(kService + 1);
    Dialogue old(*engine, hosts);
    old.open();
    CHECK(answered(*engine, add_vs(kService, other, 81)) == CsmbError::none);
    CHECK(owns(*engine, hosts, other));
    CHECK_FALSE(owns(*engine, hosts, hosts.virtual_server));
    old.client_sends(kTcpAck, 1);  // flows that exist go on
    CHECK(engine->to_server.size() == 3);
    engine->told.clear();
    engine->from_client(PacketBuilder().ip(hosts.client, other).tcp(1, 81, kTcpSyn));
    CHECK(engine->told_of<QueryView>().size() == 1);
    CHECK(answered(*engine, add_vs(kService, other, 81)) == CsmbError::none);  // as it is
    CHECK(owns(*engine, hosts, other));
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("CS-05 an address belongs to the engine as long as one virtual server has it") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);  // two virtual servers on one address
    engine->delete_virtual_server(kService);
    CHECK(owns(*engine, hosts, hosts.virtual_server));
    engine->delete_virtual_server(kService + 1);
    CHECK_FALSE(owns(*engine, hosts, hosts.virtual_server));
    // The engine's own address stays its own, whoever listens on it.
    const IpAddress own = TestEngine::engine_outside(hosts);
    CHECK(answered(*engine, add_vs(30, own, 8000)) == CsmbError::none);
    engine->delete_virtual_server(30);
    CHECK(owns(*engine, hosts, own));
  }
}

TEST_CASE("VS-24 without time to drain the flows of a removed virtual server end at once") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts, 1);
    tcp.open();
    engine->from_client(client_datagram(hosts));
    engine->decide_with(nullptr);
    Dialogue(*engine, hosts, 2).client_sends(kTcpSyn);
    engine->told.clear();
    engine->clear_sent();
    engine->delete_virtual_server(kService);
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().reason() == EndReason::vs_removed);
    CHECK(told.last().tcp_state() == TcpState::established);
    CHECK(told.last().sig().src_port() == 1);
    CHECK(engine->count(Counter::waiting_flows) == 0);
    CHECK(engine->count(Counter::flows) == 1);  // that of the other virtual server
    tcp.client_sends(kTcpAck, 10);
    tcp.client_sends(kTcpSyn);
    CHECK(engine->to_server.empty());
    CHECK(engine->told_of<QueryView>().empty());
    engine->told.clear();
    engine->delete_virtual_server(kService);
    CHECK(AckView(engine->told.at(0).data()).error_code() == CsmbError::no_such_vs);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("VS-24 many flows of a removed virtual server end in parts, packets served between") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    constexpr L4Port kFlows = 20000;
    TestEngineOptions options;
    options.limits.flows = 2 * kFlows;
    options.limits.bus_bytes = 8 << 20;
    auto engine = engine_for(hosts, options);
    for (L4Port port = 1; port <= kFlows; ++port) {
      Dialogue(*engine, hosts, port).client_sends(kTcpSyn);
      engine->told.clear();
    }
    engine->delete_virtual_server(kService);
    CHECK(engine->told_of<DeleteView>().size() > 0);
    CHECK(engine->told_of<DeleteView>().size() < kFlows);
    CHECK(owns(*engine, hosts, hosts.virtual_server));
    engine->from_client(client_datagram(hosts));  // to the other one
    CHECK(engine->to_server.size() == kFlows + 1);
    engine->run(Duration::milliseconds(10));
    CHECK(engine->told_of<DeleteView>().size() == kFlows);
    CHECK(engine->count(Counter::flows) == 1);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE(
    "VS-24 with time to drain the flows live on, and the address with them, no new ones come") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->delete_virtual_server(kService + 1);
    Dialogue tcp(*engine, hosts, 1);
    tcp.open();
    engine->told.clear();
    engine->delete_virtual_server(kService, 60);
    CHECK(AckView(engine->told.at(0).data()).error_code() == CsmbError::none);
    for (int i = 0; i < 59; ++i) {
      engine->run(Duration::seconds(1));
      engine->clear_sent();
      tcp.client_sends(kTcpAck, 10);
      tcp.server_sends(kTcpAck, 10);
      CHECK(engine->to_server.size() == 1);
      CHECK(engine->to_client.size() == 1);
    }
    CHECK(owns(*engine, hosts, hosts.virtual_server));
    Dialogue(*engine, hosts, 2).client_sends(kTcpSyn);
    CHECK(engine->told_of<QueryView>().empty());
    engine->run(Duration::seconds(1));
    CHECK_FALSE(owns(*engine, hosts, hosts.virtual_server));
    Told<DeleteView> told(*engine);
    REQUIRE(told.count() == 1);
    CHECK(told.last().reason() == EndReason::vs_removed);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("VS-24 a drain can be cut short, and a virtual server that comes back keeps its flows") {
  for (const Hosts& hosts : both_families()) {
    for (const bool comes_back : {true, false}) {
      CAPTURE(hosts.family);
      CAPTURE(comes_back);
      auto engine = engine_for(hosts);
      engine->delete_virtual_server(kService + 1);
      Dialogue tcp(*engine, hosts, 1);
      tcp.open();
      engine->delete_virtual_server(kService, 1000);
      if (comes_back) {
        engine->add_virtual_server(kService, hosts.virtual_server, kServicePort);
        engine->run(Duration::seconds(2000));
        tcp.client_sends(kTcpAck, 10);
        CHECK(engine->to_server.size() == 3);
        CHECK(owns(*engine, hosts, hosts.virtual_server));
        engine->delete_virtual_server(kService, 1000);
      }
      engine->delete_virtual_server(kService, 0);
      CHECK(engine->told_of<DeleteView>().size() == 1);
      CHECK_FALSE(owns(*engine, hosts, hosts.virtual_server));
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("CS-05 an ADD_VS waits until there is room for its ACK, and is not forgotten") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngineOptions options;
    options.limits.bus_bytes = 4096;
    auto engine = engine_for(hosts, options);
    engine->read_messages(false);
    fill_ring(*engine);
    engine->tell(add_vs(9, hosts.virtual_server, 81));
    engine->run(Duration::milliseconds(10));
    engine->told.clear();
    engine->read_messages(true);
    engine->run(Duration::milliseconds(2));
    const AckView ack(engine->told.back().data());
    CHECK(ack.vs_id() == 9);
    CHECK(ack.error_code() == CsmbError::none);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
