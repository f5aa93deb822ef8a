// Clients that are read before they have a server: what cannot be read, too much, too slowly, and
// those that leave (VS-25, TCPX-08).
#include <doctest/doctest.h>

#include "support/inspect_lab.h"

namespace sluice {
namespace {

using namespace test;

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n";
constexpr uint16_t kAsksUnread = VsFlags::http_proxy | VsFlags::ask_unread;

TEST_CASE("VS-25 a request that never comes to its end is closed after the time-out") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {.timeout_s = 10});
    for (int second = 0; second < 9; ++second) {
      lab.client_says("a");
      lab.pass(Duration::seconds(1));
    }
    CHECK(lab.client.connection() != nullptr);
    lab.pass(Duration::seconds(2));
    CHECK(lab.client_was_reset());
    CHECK(lab.questions() == 0);
    CHECK(lab.engine.count(Counter::inspections_slow) == 1);
    CHECK(lab.engine.told_of<DeleteView>().empty());
    CHECK(lab.end() == "");
  }
}

TEST_CASE("VS-25 a client that says nothing is closed after the time-out") {
  const Hosts hosts = both_families()[0];
  InspectLab lab(hosts, {.timeout_s = 2});
  lab.pass(Duration::seconds(3));
  CHECK(lab.client_was_reset());
  CHECK(lab.engine.count(Counter::inspections_slow) == 1);
  CHECK(lab.end() == "");
}

TEST_CASE("VS-25 what cannot be read resets its client, at its first wrong byte") {
  for (const Hosts& hosts : both_families()) {
    for (const std::string_view garbage :
         {"\x16\x03\x01\x02", "GET /\r\n", "GET / HTTP/1.1\nHost: a\n\n", "get it\r\n",
          "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"}) {
      CAPTURE(hosts.family);
      CAPTURE(garbage);
      InspectLab lab(hosts);
      lab.client_says(garbage);
      CHECK(lab.client_was_reset());
      CHECK(lab.questions() == 0);
      CHECK(lab.engine.count(Counter::inspections_unread) == 1);
      CHECK(lab.end() == "");
    }
  }
}

TEST_CASE("VS-25 what cannot be read is decided without it where the virtual server says so") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {.flags = kAsksUnread});
    lab.client_says("SSH-2.0-client\r\n");
    REQUIRE(lab.questions() == 1);
    CHECK(lab.question().app_flags() == (AppFlags::absent | AppFlags::unread));
    CHECK(lab.data() == "");
    CHECK(lab.server_heard() == "SSH-2.0-client\r\n");
    lab.server_says("SSH-2.0-server\r\n");
    CHECK(lab.client_heard() == "SSH-2.0-server\r\n");
    CHECK(lab.engine.count(Counter::inspections_unread) == 1);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("VS-25 a client that waits for its server to speak gets one after the time-out") {
  const Hosts hosts = both_families()[1];
  InspectLab lab(hosts, {.flags = kAsksUnread, .timeout_s = 2});
  lab.pass(Duration::seconds(3));
  CHECK(lab.questions() == 1);
  lab.server_says("220 ready\r\n");
  CHECK(lab.client_heard() == "220 ready\r\n");
  CHECK(lab.engine.count(Counter::inspections_slow) == 1);
  CHECK(lab.end() == "");
}

TEST_CASE("VS-25 of a header of 16 KB the question has the beginning, and all of it is sent on") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {.window_kib = 32});
    const std::string head =
        "GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + std::string(16'384, 'x') + "\r\n\r\n";
    lab.client_says(head);
    lab.pass(Duration::milliseconds(500));
    REQUIRE(lab.questions() == 1);
    CHECK(lab.question().app_flags() == AppFlags::truncated);
    CHECK(lab.data() == head.substr(0, kMostAppData));
    CHECK(lab.server_heard() == head);
    CHECK(lab.end() == "");
  }
}

TEST_CASE(
    "TCPX-08 VS-25 a client may send no more than the proxy's window, and a head has no more") {
  for (const Hosts& hosts : both_families()) {
    for (const bool asks : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(asks);
      InspectLab lab(hosts, {.flags = asks ? kAsksUnread : VsFlags::http_proxy, .window_kib = 4});
      // As told in the SYN-ACK, not scaled.
      CHECK(lab.client.connection()->max_snd_wnd == 4096);
      const std::string head = "GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x');
      lab.client_says(head);
      lab.pass(Duration::milliseconds(300));
      CHECK(lab.engine.count(Counter::inspections_unread) == 1);
      if (asks) {
        lab.pass(Duration::seconds(2));
        CHECK(lab.server_heard() == head);
      } else {
        CHECK(lab.client_was_reset());
      }
      CHECK(lab.end() == "");
    }
  }
}

TEST_CASE("TCPX-08 what a client sends beyond the window before it has a server is not taken") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {.window_kib = 4});
    lab.engine.decide_with(nullptr);
    std::string request(kRequest);
    lab.client_says(request + std::string(20'000, 'b'));
    lab.pass(Duration::milliseconds(100));
    const Connection& c = *lab.client.connection();
    CHECK(c.snd_wnd < 1460);  // not worth a segment
    CHECK(lab.engine.count(Counter::stream_buffers) <= 4096 + 2 * BufferPool::kChunk);
    // One that does not care about it.
    lab.client.call(lab.engine.now(), [](TcpTurn& turn, Connection& each) {
      each.snd_wnd = 60'000;
      sluice::send(turn, each, std::vector<uint8_t>(3000, 'b'));
    });
    lab.pass(Duration::milliseconds(100));
    CHECK(lab.engine.count(Counter::stream_buffers) <= 4096 + 2 * BufferPool::kChunk);
  }
}

TEST_CASE("VS-25 a client that leaves before it has a server leaves nothing behind") {
  for (const Hosts& hosts : both_families()) {
    for (const bool resets : {false, true}) {
      for (const int stage : {0, 1, 2, 3}) {
        CAPTURE(hosts.family);
        CAPTURE(resets);
        CAPTURE(stage);
        InspectLab lab(hosts);
        if (stage < 3) lab.engine.decide_with(nullptr);
        lab.server_is_there = false;
        if (stage == 1) lab.client_says(kRequest.substr(0, 20));
        if (stage >= 2) lab.client_says(kRequest);
        CHECK(lab.questions() == (stage >= 2 ? 1 : 0));
        if (resets) {
          lab.client.call(lab.engine.now(), [&](TcpTurn& turn, Connection& c) {
            lab.client.note(lab.engine.now(), abort(turn, c));
          });
        } else {
          shut_at(lab.client, lab.engine.now());
        }
        lab.pass(Duration::seconds(30));
        CHECK(lab.engine.count(Counter::inspected) == 0);
        // What was asked about is told of.
        CHECK(lab.engine.told_of<DeleteView>().size() == (stage >= 2 ? 1 : 0));
        if (resets || stage < 2) CHECK(lab.engine.count(Counter::inspections_left) == 1);
        lab.pass(Duration::seconds(100));
        CHECK(lab.left() == "");
        CHECK(lab.engine.settle() == "");
      }
    }
  }
}

}  // namespace
}  // namespace sluice
