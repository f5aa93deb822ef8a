// Clients whose first message comes in pieces: the control segment says that it needs more, and
// they are read on (HS-12 to HS-14).
#include <doctest/doctest.h>

#include "base/random.h"
#include "support/pieces_lab.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE("HS-12 LB-19 VS-22 byte by byte a client is read until the decision can be made") {
  constexpr std::string_view kLine = "ROUTE 2\n";
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    PiecesLab lab(hosts);
    for (size_t i = 0; i < kLine.size(); ++i) {
      CHECK(lab.engine.to_server.empty());
      lab.client_says(kLine.substr(i, 1));
      // Each has everything from the beginning.
      REQUIRE(lab.questions() == i + 1);
      CHECK(lab.data(i) == kLine.substr(0, i + 1));
      CHECK(lab.question(i).app_type() == AppType::raw);
      CHECK(lab.question(i).serial() == lab.question().serial());
      CHECK(lab.question(i).flags() == 0);
    }
    CHECK(lab.engine.count(Counter::inspections_read_on) == kLine.size() - 1);
    CHECK(lab.engine.count(Counter::inspections_joined) == 1);
    lab.client_says("more");
    CHECK(lab.questions() == kLine.size());
    CHECK(lab.server_heard() == std::string(kLine) + "more");
    CHECK(lab.end() == "");
    CHECK(lab.engine.told_of<DeleteView>().size() == 1);
  }
}

TEST_CASE("HS-12 LB-19 in pieces of any size, with losses, it is read and sent on whole") {
  for (const Hosts& hosts : both_families()) {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
      CAPTURE(hosts.family);
      CAPTURE(seed);
      TestEngineOptions options;
      options.seed = seed;
      PiecesLab lab(hosts, kRaw, options);
      Random random(seed);
      const std::string line = std::string(random.below(1200), 'p') + "ROUTE 2\n";
      const std::string all = line + std::string(3000, 'b');
      CHECK(lab.passed_with_gaps(all, random, [&](size_t) { return 1 + random.below(300); }) ==
            all);
      REQUIRE(lab.questions() > 0);
      const std::string asked = lab.data(lab.questions() - 1);
      CHECK(asked.find('\n') != std::string::npos);
      CHECK(all.substr(0, asked.size()) == asked);
      CHECK(lab.engine.count(Counter::inspections_read_on) == lab.questions() - 1);
      CHECK(lab.end() == "");
    }
  }
}

TEST_CASE("HS-12 what came while the answer was awaited is asked about at once") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    PiecesLab lab(hosts);
    lab.engine.decide_with(nullptr);
    lab.client_says("RO");
    lab.client_says("UTE");
    lab.client_says(" 2");
    REQUIRE(lab.questions() == 1);
    lab.answer_more(0, 2);
    REQUIRE(lab.questions() == 2);
    CHECK(lab.data(1) == "ROUTE 2");
    // One question at a time, repeated as any is.
    lab.client_says("\n");
    CHECK(lab.questions() == 2);
    lab.pass(Duration::milliseconds(60));
    REQUIRE(lab.questions() == 3);
    CHECK(lab.data(2) == "ROUTE 2");
    lab.engine.decide_with(by_line(hosts));
    lab.answer_more(2, 7);
    REQUIRE(lab.questions() == 4);
    CHECK(lab.server_heard() == "ROUTE 2\n");
    CHECK(lab.end() == "");
  }
}

// Who reads them tells by that which of them nobody waits for any more.
TEST_CASE("DFS-19 HS-12 a question is as old as the flow at first, and then of when it was put") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    PiecesLab lab(hosts);
    lab.engine.decide_with(nullptr);
    lab.pass(Duration::milliseconds(300));
    lab.client_says("RO");
    REQUIRE(lab.questions() == 1);
    const uint64_t opened = lab.question(0).timestamp();
    const auto age = [&](size_t i) { return (lab.question(i).timestamp() - opened) / 1000; };
    lab.pass(Duration::milliseconds(60));
    REQUIRE(lab.questions() == 2);
    CHECK(age(1) >= 350);
    lab.pass(Duration::milliseconds(400));
    const size_t before = lab.questions();
    lab.client_says("UTE");
    lab.answer_more(0, 2);
    REQUIRE(lab.questions() == before + 1);
    CHECK(age(before) >= 760);
    lab.engine.decide_with(by_line(hosts));
    lab.answer_more(before, 5);
    lab.client_says(" 2\n");
    CHECK(lab.end() == "");
  }
}

TEST_CASE("HS-12 SSMB-13 an answer to an earlier question has no client read on") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    PiecesLab lab(hosts);
    lab.engine.decide_with(nullptr);
    lab.client_says("RO");
    lab.answer_more(0, 2);
    lab.answer_more(0, 2);  // that was a repetition's
    CHECK(lab.questions() == 1);
    lab.client_says("UTE");
    REQUIRE(lab.questions() == 2);
    lab.client_says(" 2\n");
    for (const uint32_t seen : {0u, 2u, 4u, 6u, 0xffffffffu}) lab.answer_more(0, seen);
    CHECK(lab.questions() == 2);
    CHECK(lab.engine.count(Counter::inspections_read_on) == 1);
    lab.answer_more(1, 5);
    REQUIRE(lab.questions() == 3);
    lab.answer(0, TestEngine::to_endpoint(hosts.server, kChosenPort));
    lab.answer_more(2, 8);  // too late
    CHECK(lab.server_heard() == "ROUTE 2\n");
    CHECK(lab.end() == "");
  }
}

TEST_CASE("HS-13 a NEWFLOW is a decision as well") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    PiecesLab lab(hosts);
    lab.client_says("ROUTE");
    lab.engine.decide_with(nullptr);
    lab.client_says(" 2\n");
    CHECK(lab.engine.to_server.empty());
    lab.tell_newflow(1, TestEngine::to_endpoint(hosts.server, kChosenPort));
    CHECK(lab.engine.count(Counter::inspections_joined) == 1);
    CHECK(lab.server_heard() == "ROUTE 2\n");
    CHECK(lab.end() == "");
    CHECK(lab.engine.told_of<DeleteView>().size() == 1);
  }
}

TEST_CASE("HS-14 until its server has answered, what a client sends waits, in order") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    PiecesLab lab(hosts);
    lab.server_is_there = false;
    for (const std::string_view piece : {"ROU", "TE 2", "\n"}) lab.client_says(piece);
    CHECK(lab.engine.to_server.size() == 1);  // a SYN
    lab.client_says("one ");
    lab.pass(Duration::milliseconds(500));
    lab.client_says("two ");
    lab.client_says("three");
    CHECK(lab.engine.to_server.size() == 1);
    lab.server_is_there = true;
    lab.settle();
    CHECK(lab.server_heard() == "ROUTE 2\none two three");
    CHECK(lab.end() == "");
  }
}

TEST_CASE("HS-12 a client that ends behind its line is served") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    PiecesLab lab(hosts);
    lab.engine.decide_with(nullptr);
    lab.client_says("ROUTE");
    lab.client_says(" 2\n");
    shut_at(lab.client, lab.engine.now());
    lab.settle();
    lab.engine.decide_with(by_line(hosts));
    lab.answer_more(0, 5);
    CHECK(lab.server_heard() == "ROUTE 2\n");
    CHECK(lab.engine.count(Counter::inspections_joined) == 1);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("VS-22 of what is read by the engine there is no more to be had") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    PiecesLab lab(hosts, {.flags = VsFlags::http_proxy, .timeout_s = 2});
    const std::string request = "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n";
    lab.engine.decide_with([](const QueryView& query, ReplyView reply) {
      want_more(reply, AppQueryView(query.data()).app_len());
      return true;
    });
    lab.client_says(request + "body");
    CHECK(lab.engine.count(Counter::inspections_read_on) == 0);
    lab.pass(Duration::milliseconds(60));
    CHECK(lab.data(1) == request);  // repeated, as if nobody had answered
    lab.pass(Duration::seconds(3));
    CHECK(lab.client_was_reset());
    CHECK(lab.engine.count(Counter::inspections_unanswered) == 1);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("VS-22 a flow that is no connection of ours is not read on") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TestEngine engine;
    engine.introduce(hosts);
    engine.add_virtual_server(3, hosts.virtual_server, 53, kProtocolUdp, VsFlags::raw_proxy);
    engine.told.clear();
    engine.decide_with([](const QueryView& query, ReplyView reply) {
      want_more(reply, AppQueryView(query.data()).app_len());
      return true;
    });
    engine.from_client(
        PacketBuilder().ip(hosts.client, hosts.virtual_server).udp(5353, 53).payload(20));
    CHECK(engine.count(Counter::messages_stale) == 1);
    CHECK(engine.count(Counter::waiting_flows) == 1);
    engine.run(Duration::seconds(1));
    CHECK(engine.count(Counter::waiting_flows) == 0);
    CHECK(engine.to_server.empty());
    CHECK(engine.count(Counter::flows_opened) == 0);
    CHECK(engine.settle() == "");
  }
}

}  // namespace
}  // namespace sluice
