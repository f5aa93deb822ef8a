// Clients that are read on, and have sent too much, for too long, or have left (VS-25).
#include <doctest/doctest.h>

#include "support/pieces_lab.h"

namespace sluice {
namespace {

using namespace test;

TEST_CASE("VS-25 LB-19 a line that never comes to its end has the time that any client has") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    PiecesLab lab(hosts, {.flags = VsFlags::raw_proxy, .timeout_s = 10});
    for (int second = 0; second < 9; ++second) {
      lab.client_says("a");
      lab.pass(Duration::seconds(1));
    }
    CHECK(lab.questions() == 9);
    CHECK(lab.client.connection() != nullptr);
    lab.pass(Duration::seconds(2));
    CHECK(lab.client_was_reset());
    CHECK(lab.engine.count(Counter::inspections_slow) == 1);
    // It was asked about.
    CHECK(lab.engine.told_of<DeleteView>().size() == 1);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("VS-25 LB-19 an answer that wants more when the time is over gets no more") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    PiecesLab lab(hosts, {.flags = VsFlags::raw_proxy, .timeout_s = 2});
    lab.engine.decide_with(nullptr);
    lab.pass(Duration::milliseconds(1500));
    lab.client_says("a");
    lab.pass(Duration::seconds(1));
    REQUIRE(lab.questions() > 0);
    lab.client_says("b");
    lab.answer_more(0, 1);
    CHECK(lab.client_was_reset());
    CHECK(lab.engine.count(Counter::inspections_slow) == 1);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("VS-25 LB-19 at the limits it is decided without where the virtual server says so") {
  constexpr uint16_t kAsksUnread = VsFlags::raw_proxy | VsFlags::ask_unread;
  for (const Hosts& hosts : both_families()) {
    for (const bool is_long : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(is_long);
      PiecesLab lab(hosts, {.flags = kAsksUnread, .window_kib = 1, .timeout_s = 2});
      std::vector<int> unread;
      lab.engine.decide_with([&](const QueryView& query, ReplyView reply) {
        const AppQueryView question(query.data());
        if (question.app_flags() & AppFlags::unread) {
          unread.push_back(question.app_flags());
          return TestEngine::to_endpoint(hosts.server, kChosenPort)(query, reply);
        }
        want_more(reply, question.app_len());
        return true;
      });
      const std::string said(is_long ? 3000 : 20, 'a');
      lab.client_says(said);
      lab.pass(Duration::milliseconds(is_long ? 100 : 3000));
      CHECK(unread == std::vector<int>{AppFlags::absent | AppFlags::unread});
      CHECK(lab.engine.count(is_long ? Counter::inspections_unread : Counter::inspections_slow) ==
            1);
      lab.pass(Duration::seconds(2));
      CHECK(lab.server_heard() == said);
      CHECK(lab.end() == "");
    }
  }
}

TEST_CASE("VS-25 LB-19 no more is wanted of a client than a question has room for") {
  for (const Hosts& hosts : both_families()) {
    for (const uint16_t window_kib : {1, 16}) {
      const size_t most = std::min<size_t>(window_kib * 1024u, kMostAppData);
      CAPTURE(hosts.family);
      CAPTURE(window_kib);
      PiecesLab lab(hosts, {.flags = VsFlags::raw_proxy, .window_kib = window_kib});
      lab.client_says(std::string(most - 1, 'a'));
      lab.pass(Duration::milliseconds(300));
      CHECK(lab.client.connection() != nullptr);
      CHECK(lab.data(lab.questions() - 1).size() == most - 1);
      lab.client_says("a");
      lab.pass(Duration::seconds(2));  // the last byte of a window is sent as a probe
      CHECK(lab.client_was_reset());
      CHECK(lab.data(lab.questions() - 1).size() == most);
      CHECK(lab.engine.count(Counter::inspections_unread) == 1);
      CHECK(lab.end() == "");
    }
  }
}

TEST_CASE("VS-25 a client that leaves while it is read on leaves nothing behind") {
  for (const Hosts& hosts : both_families()) {
    for (const bool resets : {false, true}) {
      for (const bool awaited : {false, true}) {
        CAPTURE(hosts.family);
        CAPTURE(resets);
        CAPTURE(awaited);
        PiecesLab lab(hosts);
        if (awaited) lab.engine.decide_with(nullptr);
        lab.client_says("ROUTE");
        resets ? lab.reset_by_client() : shut_at(lab.client, lab.engine.now());
        lab.settle();
        if (awaited) lab.answer_more(0, 5);
        lab.pass(Duration::milliseconds(10));
        CHECK(lab.engine.count(Counter::inspections_left) == 1);
        CHECK(lab.engine.count(Counter::inspected) == 0);
        CHECK(lab.questions() == 1);
        lab.pass(Duration::seconds(100));
        CHECK(lab.engine.told_of<DeleteView>().size() == 1);
        CHECK(lab.left() == "");
        CHECK(lab.engine.settle() == "");
      }
    }
  }
}

}  // namespace
}  // namespace sluice
