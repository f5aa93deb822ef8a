// What the flags of ADD_VS change: which virtual server has a flow, who is answered, who is
// refused.
#include <doctest/doctest.h>

#include "support/virtual_server_messages.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

Bytes flagged(uint32_t id, const IpAddress& address, L4Port port, uint16_t flags) {
  return add_vs(id, address, port, kProtocolTcp, "", flags);
}

// Which virtual server a SYN is asked for; 0 for none.
uint32_t asked_for(TestEngine& engine, const Hosts& hosts, const IpAddress& address, L4Port port) {
  engine.told.clear();
  engine.from_client(PacketBuilder().ip(hosts.client, address).tcp(1234, port, kTcpSyn));
  const auto told = engine.told_of<QueryView>();
  if (told.empty()) return 0;
  Bytes query = told[0];
  return QueryView(query.data()).vs_id();
}

TEST_CASE("VS-13 VS-14 VS-15 the most exact virtual server has a flow") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngine engine;
    engine.introduce(hosts);
    const IpAddress& vip = hosts.virtual_server;
    IpAddress elsewhere = ip(hosts.client.is_v4() ? "203.0.113.7" : "2001:db8:7::7");
    const IpAddress own = ip(hosts.client.is_v4() ? "192.0.2.1" : "2001:db8::1");
    CHECK(answered(engine, flagged(1, vip, 0, VsFlags::wildcard_addr | VsFlags::wildcard_port)) ==
          CsmbError::none);
    CHECK(answered(engine, flagged(2, vip, 80, VsFlags::wildcard_addr)) == CsmbError::none);
    CHECK(answered(engine, flagged(3, vip, 0, VsFlags::wildcard_port)) == CsmbError::none);
    CHECK(answered(engine, flagged(4, vip, 80, 0)) == CsmbError::none);
    CHECK(answered(engine, flagged(5, own, 80, VsFlags::wildcard_addr)) == CsmbError::vs_exists);
    // One of the other family is another one.
    const IpAddress other = hosts.client.is_v4() ? IpAddress{} : IpAddress::v4(0);
    CHECK(answered(engine, flagged(6, other, 80, VsFlags::wildcard_addr)) == CsmbError::none);
    CHECK(asked_for(engine, hosts, vip, 80) == 4);
    CHECK(asked_for(engine, hosts, vip, 81) == 3);
    CHECK(asked_for(engine, hosts, elsewhere, 80) == 2);
    CHECK(asked_for(engine, hosts, elsewhere, 81) == 1);
    // To the engine itself and from inside none of them takes it.
    CHECK(asked_for(engine, hosts, own, 80) == 0);
    engine.told.clear();
    engine.from_server(PacketBuilder().ip(hosts.server, hosts.client).tcp(9, 80, kTcpSyn));
    CHECK(Told<QueryView>(engine).last().vs_id() == 0);
    engine.delete_virtual_server(4);
    CHECK(asked_for(engine, hosts, vip, 80) == 3);
    engine.delete_virtual_server(3);
    CHECK(asked_for(engine, hosts, vip, 80) == 2);
    engine.delete_virtual_server(2);
    CHECK(asked_for(engine, hosts, vip, 80) == 1);
    CHECK(engine.settle() == "");
  }
}

TEST_CASE("VS-16 VS-17 a silent address is served and not answered for") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngine engine;
    engine.introduce(hosts);
    engine.decide_with(TestEngine::to_endpoint(hosts.server, kNodePort));
    engine.neighbor_messages.clear();
    CHECK(answered(engine, flagged(1, hosts.virtual_server, 80, VsFlags::noarp_mode)) ==
          CsmbError::none);
    engine.run(Duration::seconds(5));
    CHECK(engine.neighbor_messages.empty());
    CHECK_FALSE(owns(engine, hosts, hosts.virtual_server));
    Dialogue(engine, hosts).open();
    CHECK(engine.to_server.size() == 2);
    // Another one of the address that answers: announced, and silent again without it.
    engine.neighbor_messages.clear();
    CHECK(answered(engine, flagged(2, hosts.virtual_server, 81, 0)) == CsmbError::none);
    engine.run(Duration::seconds(5));
    CHECK_FALSE(engine.neighbor_messages.empty());
    CHECK(owns(engine, hosts, hosts.virtual_server));
    engine.delete_virtual_server(2);
    CHECK_FALSE(owns(engine, hosts, hosts.virtual_server));
    CHECK(engine.settle() == "");
  }
}

TEST_CASE(
    "VS-18 VS-23 CSMB-27 flags that contradict, and what this segment cannot do, are refused") {
  constexpr uint16_t kProxies[] = {VsFlags::ssl_proxy, VsFlags::cookie_proxy, VsFlags::http_proxy,
                                   VsFlags::raw_proxy};
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngine engine;
    const auto add = [&](uint16_t flags, uint8_t protocol = kProtocolTcp, uint8_t vs_class = 0) {
      Bytes message = add_vs(1, hosts.virtual_server, 80, protocol, "", flags);
      AddVsView(message.data()).set_vs_class(vs_class);
      return answered(engine, message);
    };
    for (const uint16_t one : kProxies) {
      CHECK(add(one) == CsmbError::bad_vs);  // without its limits
      if (one != VsFlags::raw_proxy) CHECK(add(one, kProtocolUdp) == CsmbError::bad_vs);
      for (const uint16_t other : kProxies) {
        if (other != one) CHECK(add(one | other) == CsmbError::bad_vs);
      }
    }
    CHECK(add(VsFlags::refuse_unreachable | VsFlags::refuse_silently) == CsmbError::bad_vs);
    CHECK(add(0x2000) == CsmbError::bad_vs);
    CHECK(add(0, kProtocolTcp, VsClass::cs_assist) == CsmbError::bad_vs);
    CHECK(add(0, kProtocolTcp, VsClass::hybrid) == CsmbError::no_capability);
    CHECK(add(0, kProtocolTcp, 3) == CsmbError::bad_vs);
    CHECK_FALSE(owns(engine, hosts, hosts.virtual_server));
    // VS-03, VS-04: one that the data flow segment assists, without special flags.
    CHECK(add(0) == CsmbError::none);
    CHECK(owns(engine, hosts, hosts.virtual_server));
  }
}

TEST_CASE("VS-05 VS-23 VS-25 a proxy has its limits, and one that reads a cookie its name") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngine engine;
    engine.introduce(hosts);
    const auto add = [&](uint16_t flags, const std::string& name, uint16_t window, uint16_t timeout,
                         uint16_t server_timeout) {
      Bytes message = add_vs(1, hosts.virtual_server, 80, kProtocolTcp, name, flags);
      AddVsView view(message.data());
      view.set_proxy_window(window);
      view.set_proxy_timeout(timeout);
      view.set_server_timeout(server_timeout);
      return answered(engine, message);
    };
    for (const uint16_t one : {VsFlags::ssl_proxy, VsFlags::http_proxy, VsFlags::cookie_proxy}) {
      CAPTURE(one);
      const bool by_cookie = one == VsFlags::cookie_proxy;
      const std::string name = by_cookie ? "sid" : "";
      CHECK(add(one, name, 16, 10, 3000) == CsmbError::none);
      CHECK(add(one | VsFlags::ask_unread, name, 63, 1, 1) == CsmbError::none);
      CHECK(add(one, by_cookie ? "" : "sid", 16, 10, 3000) == CsmbError::bad_vs);
      CHECK(add(one | VsFlags::terminate, name, 16, 10, 3000) == CsmbError::bad_vs);
      CHECK(add(one, name, 0, 10, 3000) == CsmbError::bad_vs);
      CHECK(add(one, name, 64, 10, 3000) == CsmbError::bad_vs);
      CHECK(add(one, name, 16, 0, 3000) == CsmbError::bad_vs);
      CHECK(add(one, name, 16, 10, 0) == CsmbError::bad_vs);
    }
    CHECK(add(VsFlags::cookie_proxy, std::string(256, 'x'), 16, 10, 3000) == CsmbError::bad_vs);
    CHECK(add(VsFlags::ask_unread, "", 0, 0, 0) == CsmbError::bad_vs);
    CHECK(engine.settle() == "");
  }
}

TEST_CASE("LB-21 in maintenance new connections are refused, and those that live go on") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    Dialogue tcp(*engine, hosts, 1);
    tcp.open();
    CHECK(answered(*engine, flagged(kService, hosts.virtual_server, kServicePort,
                                    VsFlags::maintenance)) == CsmbError::none);
    engine->clear_sent();
    engine->told.clear();
    tcp.client_sends(kTcpAck, 10);
    CHECK(engine->to_server.size() == 1);
    Dialogue(*engine, hosts, 2).client_sends(kTcpSyn);
    REQUIRE(engine->to_client.size() == 1);
    Sent answer(engine->to_client[0]);
    CHECK((answer.packet().headers.tcp_flags & kTcpRst) != 0);
    CHECK(engine->told_of<QueryView>().empty());
    CHECK(engine->dropped(DropReason::refused) == 1);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
