#include <doctest/doctest.h>

#include <cmath>

#include "tcp/congestion.h"
#include "tcp/rtt.h"

namespace sluice {
namespace {

constexpr uint32_t kMss = 1000;

// Acknowledges a window in each round trip.
void grow(const CongestionControl& control, CongestionState& state, Instant& now, Duration rtt,
          int rounds) {
  for (int i = 0; i < rounds; ++i) {
    now = now + rtt;
    const uint32_t window = state.cwnd;
    for (uint32_t acked = 0; acked + kMss <= window; acked += kMss) {
      control.acknowledged(state, {now, kMss, kMss, rtt});
    }
  }
}

TEST_CASE("TCPX-55 CUBIC's window follows its curve: back at the old one after K seconds") {
  const auto& control = CongestionControl::of(CongestionAlgorithm::cubic);
  const Duration rtt = Duration::milliseconds(100);
  CongestionState state;
  state.cwnd = 1000 * kMss;
  Instant now = Instant::from_nanoseconds(1'000'000'000);
  control.congested(state, state.cwnd, kMss);
  CHECK(state.ssthresh == 700 * kMss);  // RFC 9438 4.6
  state.cwnd = state.ssthresh;
  const double k = std::cbrt(1000 * 0.3 / 0.4);  // RFC 9438 eqn. 2
  const int rounds = static_cast<int>(k * 10);
  grow(control, state, now, rtt, rounds / 2);
  const double t = rounds / 2 / 10.0;
  const double expected = 0.4 * std::pow(t - k, 3) + 1000;
  CHECK(state.cwnd / double{kMss} == doctest::Approx(expected).epsilon(0.03));
  grow(control, state, now, rtt, rounds - rounds / 2);
  CHECK(state.cwnd / double{kMss} == doctest::Approx(1000).epsilon(0.02));
  // And beyond, convex.
  const uint32_t at_k = state.cwnd;
  grow(control, state, now, rtt, 30);
  CHECK(state.cwnd > at_k);
}

TEST_CASE("TCPX-55 CUBIC leaves room for others when it loses below its last maximum") {
  const auto& control = CongestionControl::of(CongestionAlgorithm::cubic);
  CongestionState state;
  state.cwnd = 100 * kMss;
  control.congested(state, state.cwnd, kMss);
  CHECK(state.w_max == 100);
  state.cwnd = 80 * kMss;
  control.congested(state, state.cwnd, kMss);
  CHECK(state.w_max == doctest::Approx(80 * 0.85));  // RFC 9438 4.7
}

TEST_CASE("TCPX-55 with short round trips CUBIC is no slower than NewReno would be") {
  const auto& control = CongestionControl::of(CongestionAlgorithm::cubic);
  CongestionState state;
  state.cwnd = 20 * kMss;
  Instant now = Instant::from_nanoseconds(1'000'000'000);
  control.congested(state, state.cwnd, kMss);
  state.cwnd = state.ssthresh;
  grow(control, state, now, Duration::milliseconds(2), 100);
  // RFC 9438 4.3: alpha of 0.53 segments a round trip up to the old window, one beyond.
  CHECK(state.cwnd / kMss > 14 + 50);
}

TEST_CASE("TCPX-55 NewReno grows by a segment a round trip and halves") {
  const auto& control = CongestionControl::of(CongestionAlgorithm::new_reno);
  CongestionState state;
  state.cwnd = 20 * kMss;
  Instant now;
  control.congested(state, state.cwnd, kMss);
  CHECK(state.ssthresh == 10 * kMss);
  state.cwnd = state.ssthresh;
  grow(control, state, now, Duration::milliseconds(10), 5);
  CHECK(state.cwnd == 15 * kMss);
  control.congested(state, kMss, kMss);
  CHECK(state.ssthresh == 2 * kMss);  // RFC 5681 eqn. 4
}

TEST_CASE("TCPX-55 slow start doubles and stops at ssthresh; bytes count, not ACKs") {
  for (const auto algorithm : {CongestionAlgorithm::cubic, CongestionAlgorithm::new_reno}) {
    const auto& control = CongestionControl::of(algorithm);
    CongestionState state;
    state.cwnd = 10 * kMss;
    state.ssthresh = 25 * kMss;
    for (int i = 0; i < 1000; ++i) control.acknowledged(state, {Instant(), 10, kMss, {}});
    CHECK(state.cwnd == 20 * kMss);
    control.acknowledged(state, {Instant(), 5 * kMss, kMss, {}});
    CHECK(state.cwnd == 25 * kMss);
  }
  CHECK(initial_window(1460) == 14600);
  CHECK(initial_window(8960) == 17920);
  CHECK(initial_window(536) == 5360);
}

TEST_CASE("TCPX-51 the RTO is what RFC 6298 computes, within its bounds") {
  const Duration least = Duration::milliseconds(200), most = Duration::seconds(60);
  RttEstimate rtt;
  CHECK(rtt.rto == 1'000'000);
  rtt.measure(Duration::milliseconds(100), least, most);
  CHECK(rtt.srtt == 100'000);
  CHECK(rtt.rttvar == 50'000);
  CHECK(rtt.rto == 300'000);
  rtt.measure(Duration::milliseconds(200), least, most);
  CHECK(rtt.srtt == 112'500);
  CHECK(rtt.rttvar == 62'500);
  CHECK(rtt.rto == 362'500);
  for (int i = 0; i < 100; ++i) rtt.measure(Duration::milliseconds(10), least, most);
  CHECK(rtt.rto == 200'000);
  CHECK(rtt.min_rtt == 10'000);
}

}  // namespace
}  // namespace sluice
