// SYN cookies by themselves: what one says, to whom, and for how long.
#include <doctest/doctest.h>

#include "base/random.h"
#include "support/frame.h"
#include "tcp/syn_cookie.h"

namespace sluice {
namespace {

using namespace test;

constexpr uint8_t kAllOptions =
    TcpFlow::kTimestamps | TcpFlow::kSack | TcpFlow::kWindowScale | TcpFlow::kEcn;

FlowKey key_of(const Hosts& hosts) {
  FlowKey key;
  key.src = hosts.client;
  key.dst = hosts.virtual_server;
  key.src_port = 40000;
  key.dst_port = 80;
  key.protocol = kProtocolTcp;
  return key;
}

CookieTerms terms_of(uint8_t options, uint8_t scale = 7, uint16_t mss = 1460) {
  TcpSegment syn;
  syn.window_scale = scale;
  return SynCookies::terms_of(syn, options, mss);
}

// What a client sends that was told this cookie: its first data or its ACK.
TcpSegment answer_to(Seq cookie, Seq irs, const CookieTerms& terms) {
  TcpSegment segment;
  segment.flags = kTcpAck;
  segment.seq = irs + 1;
  segment.ack = cookie + 1;
  segment.has_timestamps = (terms.options & TcpFlow::kTimestamps) != 0;
  segment.tsecr = SynCookies::timestamp_with(terms, 123'456'789);
  return segment;
}

Instant at(int64_t seconds) { return Instant::from_nanoseconds(seconds * 1'000'000'000); }

TEST_CASE("TCPX-01 TCPX-02 a cookie that comes back says what the SYN offered") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SynCookies cookies({1, 2});
    const FlowKey key = key_of(hosts);
    for (uint8_t options = 0; options < 16; ++options) {
      for (const uint8_t scale : {0, 7, 14}) {
        for (const uint16_t mss : {1, 64, 535, 536, 1220, 1459, 1460, 9000, 65535}) {
          const CookieTerms terms = terms_of(options, scale, mss);
          const Seq irs(0xfffffff0U + options);
          const Seq cookie = cookies.make(at(5), key, irs, terms);
          CHECK(cookies.find(at(6), key, answer_to(cookie, irs, terms)) == terms);
          // Never more than the peer takes, but for one that takes next to nothing.
          CHECK((terms.mss() <= mss || terms.mss() == 64));
        }
      }
    }
  }
}

TEST_CASE("TCPX-02 without timestamps there is neither window scale nor SACK nor ECN") {
  const CookieTerms terms = terms_of(kAllOptions & ~TcpFlow::kTimestamps);
  CHECK(terms.options == 0);
  CHECK(terms.window_scale == kNoWindowScale);
  CHECK(terms.mss() == 1460);
  CHECK(terms_of(TcpFlow::kTimestamps | TcpFlow::kSack).window_scale == kNoWindowScale);
}

TEST_CASE("TCPX-01 a cookie is good for its slot and the next, and each slot has its own") {
  const FlowKey key = key_of(both_families()[0]);
  const CookieTerms terms = terms_of(kAllOptions);
  const Seq irs(1000);
  for (int64_t slot = 0; slot < 5; ++slot) {
    CAPTURE(slot);
    SynCookies cookies({3, 4});
    CHECK_FALSE(cookies.looked_for(at(slot * 64)));
    const Seq cookie = cookies.make(at(slot * 64 + 63), key, irs, terms);
    const TcpSegment answer = answer_to(cookie, irs, terms);
    CHECK(cookies.find(at(slot * 64 + 63), key, answer) == terms);
    CHECK(cookies.find(at(slot * 64 + 64), key, answer) == terms);
    CHECK(cookies.find(at(slot * 64 + 127), key, answer) == terms);
    CHECK_FALSE(cookies.looked_for(at(slot * 64 + 128)));
    CHECK(cookies.find(at(slot * 64 + 128), key, answer) == std::nullopt);
    // Nor while others are looked for, by the slot that has its bit again.
    const Seq next = cookies.make(at(slot * 64 + 128), key, irs, terms);
    CHECK(next != cookie);
    CHECK(cookies.find(at(slot * 64 + 128), key, answer) == std::nullopt);
    CHECK(cookies.find(at(slot * 64 + 192), key, answer) == std::nullopt);
    CHECK(cookies.find(at(slot * 64 + 192), key, answer_to(next, irs, terms)) == terms);
  }
}

TEST_CASE("TCPX-01 a cookie is good for one endpoint, one SYN and one secret") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    SynCookies cookies({5, 6});
    const FlowKey key = key_of(hosts);
    const CookieTerms terms = terms_of(kAllOptions);
    const Seq irs(77);
    const Seq cookie = cookies.make(at(0), key, irs, terms);
    const TcpSegment answer = answer_to(cookie, irs, terms);
    REQUIRE(cookies.find(at(0), key, answer) == terms);
    FlowKey marked = key;
    marked.dscp = 46;  // a peer may change it
    CHECK(cookies.find(at(0), marked, answer) == terms);
    FlowKey others[] = {key, key, key, key};
    others[0].src.bytes[15] ^= 1;
    others[1].dst.bytes[15] ^= 1;
    others[2].src_port ^= 1;
    others[3].dst_port ^= 1;
    for (const FlowKey& other : others) CHECK(cookies.find(at(0), other, answer) == std::nullopt);
    for (int bit = 0; bit < 32; ++bit) {
      CAPTURE(bit);
      TcpSegment wrong = answer;
      wrong.ack = Seq(answer.ack.raw() ^ 1U << bit);
      CHECK(cookies.find(at(0), key, wrong) == std::nullopt);
      wrong = answer;
      wrong.seq = Seq(answer.seq.raw() ^ 1U << bit);
      CHECK(cookies.find(at(0), key, wrong) == std::nullopt);
      wrong = answer;
      wrong.tsecr ^= 1U << bit;
      CHECK(cookies.find(at(0), key, wrong).has_value() == (bit >= 6));
    }
    TcpSegment without = answer;
    without.has_timestamps = false;
    CHECK(cookies.find(at(0), key, without) == std::nullopt);
    SynCookies stranger({5, 7});
    stranger.make(at(0), key, Seq(1), terms);
    CHECK(stranger.find(at(0), key, answer) == std::nullopt);
  }
}

TEST_CASE("TCPX-01 of a million guesses none is right") {
  SynCookies cookies({7, 8});
  const FlowKey key = key_of(both_families()[1]);
  const CookieTerms terms = terms_of(0);
  const Seq right = cookies.make(at(0), key, Seq(9), terms);
  TcpSegment guess = answer_to(right, Seq(9), terms);
  Random random(10);
  int hits = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    guess.seq = Seq(static_cast<uint32_t>(random.next()));
    guess.ack = Seq(static_cast<uint32_t>(random.next()));
    hits += cookies.find(at(0), key, guess).has_value();
  }
  CHECK(hits == 0);
}

TEST_CASE("TCPX-02 the timestamp with the terms in it follows the clock and never goes back") {
  for (uint8_t options = 0; options < 16; ++options) {
    const CookieTerms terms = terms_of(options | TcpFlow::kTimestamps, options & 14);
    uint32_t before = 0;
    for (uint32_t i = 0; i < 300; ++i) {
      const uint32_t clock = 0xffffff80U + i;  // it wraps
      const uint32_t told = SynCookies::timestamp_with(terms, clock);
      CHECK(clock - told < 64);
      if (i > 0) CHECK(static_cast<int32_t>(told - before) >= 0);
      before = told;
    }
  }
}

}  // namespace
}  // namespace sluice
