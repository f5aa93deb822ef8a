// What a server of TLS says first, behind a decision: the id of a session is told (LB-16).
#include <doctest/doctest.h>

#include "support/inspect_lab.h"
#include "support/tls_hello_bytes.h"

namespace sluice {
namespace {

using namespace test;

std::string text(const TlsBytes::Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

const std::string kClientHello = text(records(1, client_hello(nullptr)));

// Which has a certificate behind it, in the same flight.
std::string answer(const TlsBytes* extensions, size_t record = 16384) {
  return text(records(2, server_hello(extensions), record)) + std::string(3000, 'c');
}

struct SessionLab : InspectLab {
  explicit SessionLab(const Hosts& hosts) : InspectLab(hosts, {.flags = VsFlags::ssl_proxy}) {
    client_says(kClientHello);
    REQUIRE(server_heard() == kClientHello);
  }
  std::vector<TestEngine::Bytes> learned() const { return engine.told_of<AppLearnView>(); }
};

TEST_CASE(
    "LB-16 the id that a server gives is told, however its hello is cut, and all of it passes") {
  const std::string stream = answer(nullptr, 30);
  for (const Hosts& hosts : both_families()) {
    for (size_t cut = 1; cut < 120; cut += 7) {
      CAPTURE(hosts.family);
      CAPTURE(cut);
      SessionLab lab(hosts);
      lab.server_says(stream.substr(0, cut));
      if (lab.learned().empty()) CHECK(lab.client_heard().empty());
      lab.server_says(stream.substr(cut));
      REQUIRE(lab.learned().size() == 1);
      TestEngine::Bytes told = lab.learned()[0];
      const AppLearnView message(told.data());
      CHECK(told.size() == AppLearnView::kSize + 32);
      CHECK(message.app_type() == AppType::tls);
      CHECK(message.serial() == lab.question().serial());
      CHECK(message.node_id() != 0);
      CHECK(text({message.app_data().begin(), message.app_data().end()}) == std::string(32, 5));
      CHECK(lab.engine.count(Counter::sslid_learned) == 1);
      lab.client_says("finished");
      CHECK(lab.server_heard() == "finished");
      CHECK(lab.end() == "");
    }
  }
}

TEST_CASE("LB-16 of a session of TLS 1.3, and of one without an id, nothing is told but a count") {
  TlsBytes versions;
  versions.extension(43, {3, 4});
  TlsBytes::Bytes without = server_hello(nullptr);
  without.erase(without.begin() + 35, without.begin() + 67);
  without[34] = 0;
  for (const Hosts& hosts : both_families()) {
    for (const std::string& stream : {answer(&versions), text(records(2, without))}) {
      CAPTURE(hosts.family);
      SessionLab lab(hosts);
      lab.server_says(stream);
      CHECK(lab.learned().empty());
      CHECK(lab.engine.count(Counter::sslid_unusable) == 1);
      CHECK(lab.client_heard() == stream);
      CHECK(lab.end() == "");
    }
  }
}

TEST_CASE("LB-16 a server that speaks no TLS, or breaks off, is passed on as it is") {
  for (const Hosts& hosts : both_families()) {
    for (const std::string& stream :
         {std::string("no TLS at all"), answer(nullptr).substr(0, 20)}) {
      CAPTURE(hosts.family);
      SessionLab lab(hosts);
      lab.server_says(stream);
      shut_at(lab.server, lab.engine.now());
      lab.settle();
      CHECK(lab.client_heard() == stream);
      CHECK(lab.learned().empty());
      CHECK(lab.end() == "");
    }
  }
}

TEST_CASE(
    "LB-16 a server that stops within its hello is waited for until the time-out, no longer") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SessionLab lab(hosts);
    const std::string stream = answer(nullptr);
    lab.server_says(stream.substr(0, 20));
    lab.pass(Duration::seconds(9));
    CHECK(lab.client_heard().empty());
    lab.pass(Duration::seconds(2));
    CHECK(lab.client_heard() == stream.substr(0, 20));
    lab.server_says(stream.substr(20));
    CHECK(lab.client_heard() == stream.substr(20));
    CHECK(lab.learned().empty());
    CHECK(lab.end() == "");
  }
}

TEST_CASE("LB-16 a reset of either side while the hello is waited for leaves nothing") {
  for (const Hosts& hosts : both_families()) {
    for (const bool by_client : {false, true}) {
      CAPTURE(hosts.family);
      CAPTURE(by_client);
      SessionLab lab(hosts);
      lab.server_says(answer(nullptr).substr(0, 20));
      TcpHost& host = by_client ? lab.client : lab.server;
      host.call(lab.engine.now(),
                [&](TcpTurn& turn, Connection& c) { host.note(lab.engine.now(), abort(turn, c)); });
      lab.settle();
      CHECK(lab.engine.count(Counter::inspected) == 0);
      CHECK(lab.end() == "");
    }
  }
}

}  // namespace
}  // namespace sluice
