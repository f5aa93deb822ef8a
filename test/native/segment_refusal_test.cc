// Flows that the control segment refuses: by silence or by RST, and without a storm of queries.
#include <doctest/doctest.h>

#include "segment/refusals.h"
#include "support/icmp_error.h"
#include "support/packet_check.h"
#include "support/virtual_server_messages.h"

namespace sluice {
namespace {

using namespace test;

// How a REPLY refuses.
struct Refused {
  const char* what;
  uint8_t error;
  uint16_t mask;
  bool answers;
};
constexpr Refused kRefusals[] = {
    {"UNKNOWN", SsmbError::unknown, 0, false},
    {"DROP", SsmbError::none, XlatMask::drop, false},
    {"RESET", SsmbError::none, XlatMask::reset, true},
    {"UNREACHABLE", SsmbError::none, XlatMask::unreachable, true},
    {"NOTAVAIL", SsmbError::notavail, 0, true},
    {"CONNLIMIT", SsmbError::connlimit, 0, true},
};

TestEngine::Decider refusing(const Refused& refusal) {
  return [refusal](const QueryView&, ReplyView reply) {
    reply.set_error_code(refusal.error);
    reply.xlat().set_xlat_mask(refusal.mask);
    return true;
  };
}

TEST_CASE(
    "SSMB-32 CS-01 a refused client's repetitions ask nobody until the refusal is forgotten") {
  for (const Hosts& hosts : both_families()) {
    for (const Refused& refusal : kRefusals) {
      for (const bool udp : {false, true}) {
        CAPTURE(hosts.family);
        CAPTURE(refusal.what);
        CAPTURE(udp);
        auto engine = engine_for(hosts);
        engine->decide_with(refusing(refusal));
        const PacketBuilder packet =
            udp ? client_datagram(hosts) : Dialogue(*engine, hosts).client(kTcpSyn);
        for (int i = 0; i < 10; ++i) {
          engine->from_client(packet);
          engine->run(Duration::milliseconds(190));
        }
        CHECK(engine->count(Counter::queries) == 1);
        CHECK(engine->count(Counter::flows_refused) == 1);
        CHECK(engine->dropped(DropReason::refused) == 10);
        CHECK(engine->to_server.empty());
        CHECK(engine->to_client.size() == (refusal.answers ? 10u : 0u));
        CHECK(engine->told_of<DeleteView>().empty());
        engine->run(Duration::milliseconds(200));
        CHECK(engine->count(Counter::flow_entries) == 0);
        engine->from_client(packet);
        CHECK(engine->count(Counter::queries) == 2);
        CHECK(engine->settle() == "");
      }
    }
  }
}

// What a host without such a connection would answer (RFC 9293 3.10.7.1).
struct Answered {
  const char* what;
  uint8_t flags;
  uint32_t seq, ack, payload;
  uint8_t answer;
  uint32_t answer_seq, answer_ack;
};
constexpr Answered kAnswered[] = {
    {"SYN", kTcpSyn, 1000, 0, 0, kTcpRst | kTcpAck, 0, 1001},
    {"SYN at the wrap", kTcpSyn, 0xffffffff, 0, 0, kTcpRst | kTcpAck, 0, 0},
    {"SYN with data", kTcpSyn, 1000, 0, 100, kTcpRst | kTcpAck, 0, 1101},
    {"ACK", kTcpAck, 1000, 5000, 0, kTcpRst, 5000, 0},
    {"data", kTcpAck | kTcpPsh, 1000, 5000, 100, kTcpRst, 5000, 0},
    {"FIN", kTcpFin | kTcpAck, 1000, 0x80000000, 0, kTcpRst, 0x80000000, 0},
};

TEST_CASE("SSMB-33 SSMB-37 the RST of a refusal is the one that RFC 9293 3.10.7.1 asks for") {
  for (const Hosts& hosts : both_families()) {
    for (const Answered& each : kAnswered) {
      CAPTURE(hosts.family);
      CAPTURE(each.what);
      auto engine = engine_for(hosts);
      engine->decide_with(refusing(kRefusals[2]));
      PacketBuilder packet =
          Dialogue(*engine, hosts).client(each.flags).seq(each.seq).ack(each.ack);
      engine->from_client(packet.payload(each.payload).timestamps(1, 2));
      REQUIRE(engine->to_client.size() == 1);
      Sent answer(engine->to_client[0]);
      const FlowKey key{hosts.virtual_server, hosts.client, kServicePort, 40000, kProtocolTcp, 0};
      CHECK(answer.key() == key);
      CHECK(answer.flags() == each.answer);
      CHECK(answer.tcp().seq().raw() == each.answer_seq);
      CHECK(answer.tcp().ack().raw() == each.answer_ack);
      CHECK(answer.tcp().window() == 0);
      CHECK(answer.packet().headers.payload == answer.packet().headers.end);
      CHECK(answer.packet().headers.l3 == 14);
      CHECK(checksum_fault(answer.packet()) == "");
      CHECK(MacAddress::load(answer.packet().data) == kClientMac);
      CHECK(MacAddress::load(answer.packet().data + 6) == kOutsideMac);
      CHECK(engine->count(Counter::originated) > 0);
      CHECK(engine->settle() == "");
    }
  }
}

TEST_CASE("SSMB-37 a refusal is by RST, by ICMP port unreachable, or by silence") {
  for (const Hosts& hosts : both_families()) {
    for (const Refused& refusal : kRefusals) {
      for (const bool udp : {false, true}) {
        CAPTURE(hosts.family);
        CAPTURE(refusal.what);
        CAPTURE(udp);
        auto engine = engine_for(hosts);
        engine->decide_with(refusing(refusal));
        engine->from_client(udp ? client_datagram(hosts)
                                : Dialogue(*engine, hosts).client(kTcpSyn));
        REQUIRE(engine->to_client.size() == refusal.answers);
        if (!refusal.answers) continue;
        const bool by_icmp = udp || refusal.mask == XlatMask::unreachable;
        const SentError answer(engine->to_client[0]);
        CHECK(answer.is_one() == by_icmp);
        CHECK(engine->count(Counter::resets) == !by_icmp);
        if (!by_icmp) continue;
        CHECK(answer.type() == (hosts.client.is_v4() ? 3 : 1));
        CHECK(answer.code() == (hosts.client.is_v4() ? 3 : 4));
        CHECK(answer.key().dst == hosts.client);
      }
    }
  }
}

TEST_CASE("SSMB-37 in maintenance clients are told as the virtual server says") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    for (const uint16_t how :
         {uint16_t{0}, VsFlags::refuse_unreachable, VsFlags::refuse_silently}) {
      CAPTURE(how);
      auto engine = engine_for(hosts);
      const uint16_t flags = VsFlags::maintenance | how;
      CHECK(answered(*engine, add_vs(kService, hosts.virtual_server, kServicePort, kProtocolTcp, "",
                                     flags)) == CsmbError::none);
      engine->clear_sent();
      engine->from_client(Dialogue(*engine, hosts).client(kTcpSyn));
      REQUIRE(engine->to_client.size() == (how != VsFlags::refuse_silently));
      if (how == VsFlags::refuse_silently) continue;
      CHECK(SentError(engine->to_client[0]).is_one() == (how == VsFlags::refuse_unreachable));
    }
  }
}

TEST_CASE("SSMB-37 RSTs keep to a rate, of which each client has its share") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(refusing(kRefusals[2]));
    const Dialogue tcp(*engine, hosts);
    constexpr int kSent = 3 * Refusals::kResets.burst;
    for (int i = 0; i < kSent; ++i) engine->from_client(tcp.client(kTcpSyn));
    CHECK(engine->count(Counter::resets) >= static_cast<uint64_t>(Refusals::kResets.burst));
    CHECK(engine->count(Counter::resets) < kSent);
    CHECK(engine->count(Counter::resets) + engine->count(Counter::resets_limited) == kSent);
    CHECK(engine->to_client.size() == engine->count(Counter::resets));
    engine->run(Duration::seconds(1));
    engine->clear_sent();
    engine->from_client(tcp.client(kTcpSyn));
    CHECK(engine->to_client.size() == 1);
  }
}

TEST_CASE("SSMB-37 a RST is never answered by a RST") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(refusing(kRefusals[2]));
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    engine->clear_sent();
    tcp.client_sends(kTcpRst);
    CHECK(engine->to_client.empty());
    CHECK(engine->dropped(DropReason::refused) == 2);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("SSMB-32 every packet that waited gets the refusal") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with(nullptr);
    Dialogue tcp(*engine, hosts);
    tcp.client_sends(kTcpSyn);
    tcp.client_sends(kTcpAck, 10);
    engine->answer_all(refusing(kRefusals[2]));
    REQUIRE(engine->to_client.size() == 2);
    CHECK(Sent(engine->to_client[0]).flags() == (kTcpRst | kTcpAck));
    CHECK(Sent(engine->to_client[1]).flags() == kTcpRst);
    CHECK(engine->dropped(DropReason::refused) == 2);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
