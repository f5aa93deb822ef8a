// Clients whose server is chosen by what they send first: read, asked about, joined (HS-07 to
// HS-11).
#include <doctest/doctest.h>

#include "base/random.h"
#include "support/inspect_lab.h"

namespace sluice {
namespace {

using namespace test;

constexpr std::string_view kRequest =
    "GET /img/a.png?x=1 HTTP/1.1\r\nHost: site.test\r\nCookie: a=1; sid=two\r\n\r\n";

TEST_CASE(
    "VS-05 VS-21 HS-07 HS-09 HS-10 a request is read, asked about, and sent on with all that "
    "follows") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts);
    // No packet inside before the request.
    CHECK(lab.engine.to_server.empty());
    CHECK(lab.server.connection() == nullptr);
    lab.client_says(kRequest);
    REQUIRE(lab.questions() == 1);
    CHECK(lab.question().app_type() == AppType::http);
    CHECK(lab.question().app_flags() == 0);
    CHECK(lab.question().reason() == QueryReason::open);
    CHECK(lab.question().vs_id() == kServiceId);
    CHECK(lab.data() == kRequest);
    const FlowKey asked = load_signature(lab.question().sig());
    CHECK(asked == SocketLab::key(hosts.client, 40000, hosts.virtual_server, kServicePort));
    CHECK(lab.server_heard() == kRequest);
    lab.server_says("HTTP/1.1 200 OK\r\n\r\nfirst");
    CHECK(lab.client_heard() == "HTTP/1.1 200 OK\r\n\r\nfirst");
    lab.client_says("more");
    CHECK(lab.server_heard() == "more");
    CHECK(lab.questions() == 1);
    CHECK(lab.engine.count(Counter::inspections_joined) == 1);
    CHECK(lab.sockets.size() <= 1);  // nobody in TypeScript has heard of a socket
    CHECK(lab.end() == "");
    const auto ends = lab.engine.told_of<DeleteView>();
    REQUIRE(ends.size() == 1);
    DeleteView told(const_cast<uint8_t*>(ends[0].data()));
    CHECK(told.serial() == lab.question().serial());
    CHECK(told.reason() == EndReason::fin);
    CHECK(told.node_hint() == 1);
    CHECK(load_signature(told.sig()) == asked);
    CHECK(told.cnt().bytes_in() > kRequest.size());
    CHECK(told.cnt().pkts_out() > 3);
  }
}

TEST_CASE("HS-08 a request cut at every byte is asked about once, with its last byte") {
  const Hosts hosts = both_families()[0];
  for (size_t cut = 1; cut < kRequest.size(); ++cut) {
    CAPTURE(cut);
    InspectLab lab(hosts);
    lab.client_says(kRequest.substr(0, cut));
    CHECK(lab.questions() == 0);
    lab.client_says(kRequest.substr(cut));
    REQUIRE(lab.questions() == 1);
    CHECK(lab.data() == kRequest);
    CHECK(lab.server_heard() == kRequest);
  }
}

TEST_CASE("HS-08 byte by byte it is asked about once") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts);
    lab.client.call(lab.engine.now(),
                    [](TcpTurn& turn, Connection& c) { set_no_delay(turn, c, true); });
    for (const char& byte : kRequest) {
      CHECK(lab.questions() == 0);
      lab.client_says({&byte, 1});
    }
    REQUIRE(lab.questions() == 1);
    CHECK(lab.data() == kRequest);
    CHECK(lab.server_heard() == kRequest);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("HS-08 HS-19 in segments with gaps it is asked about once, and sent on whole") {
  const std::string body(3000, 'b');
  for (const Hosts& hosts : both_families()) {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
      CAPTURE(hosts.family);
      CAPTURE(seed);
      TestEngineOptions options;
      options.seed = seed;
      InspectLab lab(hosts, {.flags = VsFlags::http_proxy}, options);
      lab.client.call(lab.engine.now(),
                      [](TcpTurn& turn, Connection& c) { set_no_delay(turn, c, true); });
      Random random(seed);
      const std::string all = std::string(kRequest) + body;
      const auto part = [&](size_t at) { return at < kRequest.size() ? size_t{15} : all.size(); };
      CHECK(lab.passed_with_gaps(all, random, part) == all);
      REQUIRE(lab.questions() == 1);
      CHECK(lab.data() == kRequest);
    }
  }
}

}  // namespace
}  // namespace sluice
