// From what was read to a server: cookies and hellos, decisions, servers that fail (HS-10 to
// HS-20).
#include <doctest/doctest.h>

#include "support/pieces_lab.h"
#include "support/tls_hello_bytes.h"

namespace sluice {
namespace {

using namespace test;

constexpr std::string_view kRequest =
    "GET / HTTP/1.1\r\nHost: site.test\r\nCookie: other=1; sid=two\r\n\r\n";

std::string_view text(const TlsBytes::Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_CASE(
    "VS-20 LB-17 of a request with cookies the question has the value of the one that is named") {
  for (const Hosts& hosts : both_families()) {
    const auto asked = [&](std::string_view cookies) {
      InspectLab lab(hosts, {.flags = VsFlags::cookie_proxy, .cookie = "sid"});
      const std::string request =
          "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(cookies) + "\r\n\r\n";
      lab.client_says(request);
      CHECK(lab.server_heard() == request);
      CHECK(lab.question().app_type() == AppType::cookie);
      return std::pair{lab.data(), int{lab.question().app_flags()}};
    };
    CAPTURE(hosts.family);
    CHECK(asked("Cookie: other=1; sid=two; sid=three") == std::pair{std::string("two"), 0});
    CHECK(asked("Cookie: sid=\"quoted\"") == std::pair{std::string("\"quoted\""), 0});
    CHECK(asked("Cookie: sid=") == std::pair{std::string(), 0});
    CHECK(asked("Cookie: SID=two") == std::pair{std::string(), int{AppFlags::absent}});
    CHECK(asked("Accept: */*") == std::pair{std::string(), int{AppFlags::absent}});
    const auto [value, flags] = asked("Cookie: sid=" + std::string(2000, 'v'));
    CHECK(value == std::string(kMostAppData, 'v'));
    CHECK(flags == AppFlags::truncated);
  }
}

TEST_CASE("VS-19 of a hello the question has session, name and protocols, however it is cut") {
  TlsBytes extensions;
  extensions.extension(0, server_name("api.test"));
  extensions.extension(16, TlsBytes().vector16(TlsBytes().vector8({'h', '2'}).done()).done());
  const TlsBytes::Bytes stream = records(1, client_hello(&extensions), 40);
  for (const Hosts& hosts : both_families()) {
    for (size_t cut = 1; cut < stream.size(); cut += 7) {
      CAPTURE(hosts.family);
      CAPTURE(cut);
      InspectLab lab(hosts, {.flags = VsFlags::ssl_proxy});
      lab.client_says(text(stream).substr(0, cut));
      CHECK(lab.questions() == 0);
      lab.client_says(text(stream).substr(cut));
      REQUIRE(lab.questions() == 1);
      CHECK(lab.question().app_type() == AppType::tls);
      TlsBytes told;
      told.vector8(TlsBytes::Bytes(32, 9)).vector16(bytes_of_text("api.test")).vector8({'h', '2'});
      CHECK(lab.data() == text(told.done()));
      CHECK(lab.server_heard() == text(stream));
    }
  }
}

TEST_CASE("VS-06 VS-22 of an unknown protocol the question has what came first") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {.flags = VsFlags::raw_proxy});
    CHECK(lab.questions() == 0);
    lab.client_says("ROUTE 2\n");
    REQUIRE(lab.questions() == 1);
    CHECK(lab.question().app_type() == AppType::raw);
    CHECK(lab.data() == "ROUTE 2\n");
    lab.client_says("more");
    CHECK(lab.questions() == 1);
    CHECK(lab.server_heard() == "ROUTE 2\nmore");
    CHECK(lab.end() == "");
  }
}

TEST_CASE("HS-08 HS-11 while a server does not answer, what a client sends waits, in order") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts);
    lab.server_is_there = false;
    lab.client_says(kRequest);
    CHECK(lab.engine.to_server.size() == 1);  // a SYN
    lab.client_says("body ");
    lab.pass(Duration::milliseconds(500));
    lab.client_says("and more");
    CHECK(lab.engine.to_server.size() == 1);
    lab.server_is_there = true;
    lab.settle();
    CHECK(lab.server_heard() == std::string(kRequest) + "body and more");
    CHECK(lab.end() == "");
  }
}

TEST_CASE("HS-19 TCPX-12 what the server has not got the engine sends again, and no client") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts);
    lab.server_is_there = false;
    lab.client_says(kRequest);
    std::vector<MemoryFrame> syn = std::exchange(lab.engine.to_server, {});
    REQUIRE(syn.size() == 1);
    Frame copy(syn[0].bytes, syn[0].offload);
    lab.server.deliver(lab.engine.now(), copy.packet());
    lab.settle();  // the SYN-ACK: the engine sends the request
    CHECK(lab.engine.count(Counter::inspections_joined) == 1);
    lab.engine.clear_sent();  // which is lost
    lab.client_hears = false;
    lab.client_is_there = false;
    lab.server_is_there = true;
    lab.pass(Duration::seconds(3));
    CHECK(lab.server_heard() == kRequest);
  }
}

// Which node each question was about, the failed one or none.
struct Chooser {
  explicit Chooser(InspectLab& lab, int servers_down) : lab(lab), left(servers_down) {
    lab.engine.decide_with([this](const QueryView& query, ReplyView reply) {
      failed.push_back(query.error_code() == SsmbError::srvfail ? int(query.tcp_ack()) : 0);
      const bool up = left-- <= 0;
      const L4Port port = up ? kChosenPort : 9999;
      const auto node = static_cast<uint16_t>(failed.size());
      return TestEngine::to_endpoint(this->lab.hosts.server, port, node)(query, reply);
    });
  }
  InspectLab& lab;
  int left;
  std::vector<int> failed;
};

TEST_CASE("HS-20 where a server does not answer in time another one is asked for") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {.server_timeout_ms = 1000});
    Chooser chooser(lab, 2);
    lab.client_says(kRequest);
    lab.pass(Duration::milliseconds(900));
    CHECK(chooser.failed == std::vector<int>{0});
    lab.pass(Duration::milliseconds(1500));
    CHECK(chooser.failed == std::vector<int>{0, 1, 2});
    CHECK(lab.server_heard() == kRequest);
    CHECK(lab.engine.count(Counter::inspections_server_failed) == 2);
    // With all that was asked before.
    CHECK(lab.data(2) == kRequest);
    CHECK(lab.question(2).flags() == SsmbFlags::another);
    lab.server_says("answer");
    CHECK(lab.client_heard() == "answer");
    CHECK(lab.end() == "");
    REQUIRE(lab.engine.told_of<DeleteView>().size() == 1);
    CHECK(DeleteView(lab.engine.told_of<DeleteView>()[0].data()).node_hint() == 3);
  }
}

TEST_CASE("HS-20 SSMB-32 a client whose request is refused is reset, and nobody is told twice") {
  for (const Hosts& hosts : both_families()) {
    for (const uint16_t mask : {XlatMask::reset, XlatMask::drop, XlatMask::unreachable}) {
      CAPTURE(hosts.family);
      CAPTURE(mask);
      InspectLab lab(hosts);
      lab.engine.decide_with([&](const QueryView&, ReplyView reply) {
        reply.xlat().set_xlat_mask(mask);
        return true;
      });
      lab.client_says(kRequest);
      CHECK(lab.client_was_reset());
      CHECK(lab.engine.to_server.empty());
      CHECK(lab.engine.count(Counter::flows_refused) == 1);
      CHECK(lab.end() == "");
      CHECK(lab.engine.told_of<DeleteView>().empty());
    }
  }
}

TEST_CASE("SSMB-13 an answer that comes when its client has left opens nothing") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts);
    lab.engine.decide_with(nullptr);
    lab.client_says(kRequest);
    lab.client.call(lab.engine.now(), [&](TcpTurn& turn, Connection& c) {
      lab.client.note(lab.engine.now(), abort(turn, c));
    });
    lab.settle();
    const TestEngine::Bytes asked = lab.engine.told_of<AppQueryView>()[0];
    lab.engine.tell(
        TestEngine::reply_to(asked, TestEngine::to_endpoint(hosts.server, kChosenPort)));
    CHECK(lab.engine.count(Counter::messages_stale) == 1);
    CHECK(lab.engine.count(Counter::flows) == 0);
    // The next one from the same port is read as the first was.
    lab.engine.told.clear();
    lab.engine.decide_with(TestEngine::to_endpoint(hosts.server, kChosenPort));
    lab.client.connect(lab.engine.now());
    lab.settle();
    lab.client_says(kRequest);
    CHECK(lab.questions() == 1);
    CHECK(lab.server_heard() == kRequest);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("HS-09 SSMB-09 a question that is not answered is repeated, and then given up") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts, {.timeout_s = 2});
    lab.engine.decide_with(nullptr);
    lab.client_says(kRequest);
    lab.pass(Duration::milliseconds(500));
    CHECK(lab.questions() >= 4);
    CHECK(lab.data(3) == kRequest);
    lab.pass(Duration::seconds(2));
    CHECK(lab.client_was_reset());
    CHECK(lab.engine.count(Counter::inspections_unanswered) == 1);
    CHECK(lab.engine.told_of<DeleteView>().size() == 1);
    CHECK(lab.end() == "");
  }
}

// A client whose first decision cannot be had: a flow of another virtual server has the same port
// to the same node (trap 4). It was asked for twice, as JavaScript was busy, and once more then.
struct TakenLab : PiecesLab {
  explicit TakenLab(const Hosts& hosts) : PiecesLab(hosts, {}) {
    const IpAddress other = ip(hosts.client.is_v4() ? "192.0.2.101" : "2001:db8::101");
    engine.add_virtual_server(20, other, kServicePort);
    engine.decide_with(taken());
    engine.from_client(
        PacketBuilder().ip(hosts.client, other).tcp(40000, kServicePort, kTcpSyn).seq(1000));
    engine.clear_sent();
    engine.told.clear();
    engine.decide_with(nullptr);
    client_says(kRequest);
    pass(Duration::milliseconds(60));
    REQUIRE(questions() == 2);
    answer(0, taken());
    REQUIRE(questions() == 3);
    CHECK(question(2).flags() == SsmbFlags::another);
  }
  TestEngine::Decider taken() const { return TestEngine::to_endpoint(hosts.server, 9999); }
  TestEngine::Decider free() const { return TestEngine::to_endpoint(hosts.server, kChosenPort); }
};

TestEngine::Decider refusal() {
  return [](const QueryView&, ReplyView reply) {
    reply.xlat().set_xlat_mask(XlatMask::reset);
    return true;
  };
}

TEST_CASE(
    "trap 4 SSMB-13 HS-13 once another decision was asked for, the one before counts no more") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TakenLab lab(hosts);
    lab.answer(1, lab.taken());
    lab.answer(1, lab.free());
    lab.answer(1, refusal());
    CHECK(lab.engine.count(Counter::inspections_unanswered) == 0);
    CHECK(lab.engine.to_server.empty());
    lab.pass(Duration::milliseconds(60));
    CHECK(lab.questions() == 4);  // it is asked for as before
    lab.answer(2, lab.free());
    CHECK(lab.server_heard() == kRequest);
    lab.answer(3, lab.free());
    CHECK_FALSE(lab.client_was_reset());
    CHECK(lab.engine.count(Counter::flows_asked_again) == 1);
    CHECK(lab.engine.count(Counter::inspections_joined) == 1);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("trap 4 HS-20 where the server of another decision fails its node tells old answers") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TakenLab lab(hosts);
    lab.answer(2, TestEngine::to_endpoint(hosts.server, 9998, 2));  // nobody listens there
    lab.pass(Duration::seconds(4));
    const size_t last = lab.questions() - 1;
    REQUIRE(lab.question(last).error_code() == SsmbError::srvfail);
    lab.answer(2, TestEngine::to_endpoint(hosts.server, 9998, 2));
    // Of a control segment that has taken the flow over, and knows of no question before.
    const auto taken_over = [&](const QueryView& query, ReplyView reply) {
      reply.set_flags(0);
      return TestEngine::to_endpoint(hosts.server, kChosenPort, 3)(query, reply);
    };
    lab.answer(last, taken_over);
    CHECK(lab.server_heard() == kRequest);
    CHECK(lab.engine.count(Counter::inspections_server_failed) == 1);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("trap 4 HS-13 a NEWFLOW is a decision, whatever was asked for") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TakenLab lab(hosts);
    lab.tell_newflow(1, lab.free());
    CHECK(lab.server_heard() == kRequest);
    CHECK(lab.engine.count(Counter::inspections_joined) == 1);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("trap 4 SSMB-24 where the second decision cannot be had either its client is reset") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    TakenLab lab(hosts);
    lab.answer(2, lab.taken());
    CHECK(lab.client_was_reset());
    CHECK(lab.engine.count(Counter::inspections_unanswered) == 1);
    REQUIRE(lab.engine.told_of<DeleteView>().size() == 1);
    CHECK(DeleteView(lab.engine.told_of<DeleteView>()[0].data()).error_code() == SsmbError::nores);
    CHECK(lab.end() == "");
  }
}

TEST_CASE("HS-24 the end of a connection is told when there is room for it") {
  const Hosts hosts = both_families()[0];
  InspectLab lab(hosts);
  lab.client_says(kRequest);
  lab.engine.read_messages(false);
  while (lab.engine.has_room_to_tell(DeleteView::kSize)) {
    TestEngine::Bytes request(StateReqView::kSize);
    StateReqView(request.data()).set_msg_type(StateReqView::kCode);
    lab.engine.tell(request);
    lab.engine.run(Duration::milliseconds(2));
  }
  shut_at(lab.client, lab.engine.now());
  lab.pass(Duration::milliseconds(100));
  shut_at(lab.server, lab.engine.now());
  lab.pass(Duration::milliseconds(100));
  CHECK(lab.engine.told_of<DeleteView>().empty());
  lab.engine.read_messages(true);
  lab.pass(Duration::seconds(1));
  CHECK(lab.engine.told_of<DeleteView>().size() == 1);
  CHECK(lab.end() == "");
}

void reap(InspectLab& lab, uint32_t idle_seconds) {
  TestEngine::Bytes bytes(ReapView::kSize);
  ReapView reap(bytes.data());
  reap.set_msg_type(ReapView::kCode);
  reap.set_serial(lab.question().serial());
  store_signature(reap.sig(), load_signature(lab.question().sig()));
  reap.set_idle_secs(idle_seconds);
  lab.engine.tell(bytes);
}

TEST_CASE("HS-23 HS-24 a spliced connection in its close is alive, and its end is told once") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts);
    lab.client_says(kRequest);
    lab.pass(Duration::milliseconds(50));
    REQUIRE(lab.engine.count(Counter::splices) == 1);
    shut_at(lab.server, lab.engine.now());
    lab.pass(Duration::milliseconds(50));
    reap(lab, 0);
    const auto alive = lab.engine.told_of<StatsView>();
    REQUIRE(alive.size() == 1);
    CHECK(StatsView(const_cast<uint8_t*>(alive[0].data())).error_code() == SsmbError::connalive);
    lab.client_says("more");
    CHECK(lab.server_heard() == std::string(kRequest) + "more");
    CHECK(lab.engine.told_of<DeleteView>().empty());
    CHECK(lab.end() == "");
    CHECK(lab.engine.told_of<DeleteView>().size() == 1);
  }
}

TEST_CASE(
    "FLOWLIFE-11 a connection that was asked about ends by its idle time-out, and answers REAP") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    InspectLab lab(hosts);
    lab.client_says(kRequest);
    reap(lab, 60);
    const auto alive = lab.engine.told_of<StatsView>();
    REQUIRE(alive.size() == 1);
    CHECK(StatsView(const_cast<uint8_t*>(alive[0].data())).error_code() == SsmbError::connalive);
    lab.pass(Duration::seconds(7430));
    CHECK(lab.engine.told_of<DeleteView>().empty());
    lab.pass(Duration::seconds(20));
    REQUIRE(lab.engine.told_of<DeleteView>().size() == 1);
    CHECK(DeleteView(lab.engine.told_of<DeleteView>()[0].data()).reason() == EndReason::idle);
    CHECK(lab.client_was_reset());
    CHECK(lab.end() == "");
  }
}

}  // namespace
}  // namespace sluice
