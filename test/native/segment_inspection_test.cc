// Questions with data: what the first datagram of a UDP flow carries (CS-11).
#include <doctest/doctest.h>

#include <algorithm>

#include "support/fragments.h"
#include "support/virtual_server_messages.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = TestEngine::Bytes;

// As engine_for(), but that the virtual server for UDP is asked with data.
std::unique_ptr<TestEngine> inspecting_engine(const Hosts& hosts) {
  auto engine = engine_for(hosts);
  const Bytes message = add_vs(kService + 1, hosts.virtual_server, kServicePort, kProtocolUdp, "",
                               VsFlags::raw_proxy);
  REQUIRE(answered(*engine, message) == CsmbError::none);
  engine->told.clear();
  return engine;
}

Bytes numbered(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + 1);
  return bytes;
}

Bytes data_of(AppQueryView question) {
  const ByteSpan data = question.app_data();
  return {data.begin(), data.end()};
}

TEST_CASE("CS-11 HS-09 VS-18 a flow is asked for with its first datagram, once for each") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = inspecting_engine(hosts);
    const Bytes payload = numbered(61);
    engine->from_client(client_datagram(hosts, 5353).payload(payload));
    engine->from_client(client_datagram(hosts, 5353).payload(numbered(9)));
    Told<AppQueryView> questions(*engine);
    REQUIRE(questions.count() == 1);
    AppQueryView question = questions.last();
    CHECK(data_of(question) == payload);
    CHECK(question.app_type() == AppType::datagram);
    CHECK(question.app_flags() == 0);
    CHECK(question.reason() == QueryReason::udp);
    CHECK(question.vs_id() == kService + 1);
    CHECK(question.timestamp() != 0);
    const FlowKey asked = load_signature(question.sig());
    CHECK(asked ==
          FlowKey{hosts.client, hosts.virtual_server, 5353, kServicePort, kProtocolUdp, 0});
    // Padded to a multiple of four, by zeros.
    const Bytes message = engine->told_of<AppQueryView>()[0];
    REQUIRE(message.size() == AppQueryView::kSize + 64);
    CHECK(std::count(message.end() - 3, message.end(), 0) == 3);
    CHECK(engine->told_of<QueryView>().empty());
    CHECK(engine->to_server.size() == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("CS-11 TCP, and virtual servers without the flag, are asked for as ever") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = inspecting_engine(hosts);
    Dialogue(*engine, hosts).client_sends(kTcpSyn);
    REQUIRE(answered(*engine, add_vs(9, hosts.virtual_server, 99, kProtocolUdp)) == 0);
    engine->from_client(
        PacketBuilder().ip(hosts.client, hosts.virtual_server).udp(1, 99).payload(20));
    CHECK(engine->told_of<AppQueryView>().empty());
    CHECK(engine->told_of<QueryView>().size() == 1);
    // Without it again.
    REQUIRE(answered(*engine,
                     add_vs(kService + 1, hosts.virtual_server, kServicePort, kProtocolUdp)) == 0);
    engine->from_client(client_datagram(hosts, 5353).payload(20));
    CHECK(engine->told_of<AppQueryView>().empty());
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("CS-11 SSMB-24 the data is bounded, and what is missing is told") {
  struct Case {
    size_t payload, told;
    uint16_t flags;
  };
  constexpr Case kCases[] = {{0, 0, AppFlags::absent},
                             {1, 1, 0},
                             {kMostAppData, kMostAppData, 0},
                             {kMostAppData + 1, kMostAppData, AppFlags::truncated},
                             {1400, kMostAppData, AppFlags::truncated}};
  for (const Hosts& hosts : both_families()) {
    auto engine = inspecting_engine(hosts);
    for (const Case& each : kCases) {
      CAPTURE(hosts.family);
      CAPTURE(each.payload);
      engine->told.clear();
      const auto port = static_cast<L4Port>(2000 + each.payload);
      engine->from_client(client_datagram(hosts, port).payload(numbered(each.payload)));
      Told<AppQueryView> questions(*engine);
      REQUIRE(questions.count() == 1);
      CHECK(data_of(questions.last()) == numbered(each.told));
      CHECK(questions.last().app_flags() == each.flags);
    }
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("CS-11 law 6 of a super-packet it is the first datagram") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = inspecting_engine(hosts);
    engine->from_client(client_datagram(hosts).payload(numbered(900)).gso(300));
    Told<AppQueryView> questions(*engine);
    REQUIRE(questions.count() == 1);
    CHECK(data_of(questions.last()) == numbered(300));
    CHECK(questions.last().app_flags() == 0);
  }
}

TEST_CASE("CS-11 of a datagram in fragments it is what the first one has, whichever comes first") {
  for (const Hosts& hosts : both_families()) {
    for (const bool reversed : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(reversed);
      auto engine = inspecting_engine(hosts);
      Frame whole =
          client_datagram(hosts).payload(numbered(1000)).eth(kClientMac, kOutsideMac).build();
      std::vector<Frame> fragments = fragments_of(std::move(whole), 408, 77);
      if (reversed) std::reverse(fragments.begin(), fragments.end());
      for (Frame& each : fragments) engine->inject(0, std::move(each));
      Told<AppQueryView> questions(*engine);
      REQUIRE(questions.count() == 1);
      CHECK(data_of(questions.last()) == numbered(400));
      CHECK(questions.last().app_flags() == AppFlags::truncated);
      CHECK(engine->to_server.size() == fragments.size());
    }
  }
}

TEST_CASE("CS-11 SSMB-09 a question with data is repeated with it until it is answered") {
  const Hosts hosts = both_families()[0];
  auto engine = inspecting_engine(hosts);
  engine->decide_with(nullptr);
  engine->from_client(client_datagram(hosts).payload(numbered(100)));
  engine->run(Duration::milliseconds(60));
  const auto asked = engine->told_of<AppQueryView>();
  REQUIRE(asked.size() == 2);
  CHECK(asked[0] == asked[1]);
  engine->tell(TestEngine::reply_to(asked[0], TestEngine::to_endpoint(hosts.server, kNodePort)));
  CHECK(engine->to_server.size() == 1);
  CHECK(engine->settle() == "");
}

}  // namespace
}  // namespace sluice
