#include "tcp/congestion.h"

#include <algorithm>
#include <cmath>

namespace sluice {

namespace {

// RFC 5681 3.1, with byte counting (RFC 3465): acknowledgements that are cut up gain nothing.
void slow_start(CongestionState& state, uint32_t& bytes) {
  const uint32_t grow = std::min(bytes, state.ssthresh - state.cwnd);
  state.cwnd += grow;
  bytes -= grow;
}

// RFC 6582 with the growth of RFC 5681.
class NewReno : public CongestionControl {
 public:
  void acknowledged(CongestionState& state, const CongestionAck& ack) const override {
    uint32_t bytes = ack.bytes;
    if (state.in_slow_start()) slow_start(state, bytes);
    state.counted += bytes;
    while (state.counted >= state.cwnd) {
      state.counted -= state.cwnd;
      state.cwnd += ack.mss;
    }
  }
  void congested(CongestionState& state, uint32_t flight, uint32_t mss) const override {
    state.ssthresh = std::max(flight / 2, 2 * mss);
    state.counted = 0;
  }
  void timed_out(CongestionState& state, uint32_t flight, uint32_t mss) const override {
    congested(state, flight, mss);
  }
};

// RFC 9438.
class Cubic : public CongestionControl {
 public:
  static constexpr float kC = 0.4F;
  static constexpr float kBeta = 0.7F;
  static constexpr float kAlpha = 3 * (1 - kBeta) / (1 + kBeta);

  void acknowledged(CongestionState& state, const CongestionAck& ack) const override {
    uint32_t bytes = ack.bytes;
    if (state.in_slow_start()) slow_start(state, bytes);
    if (bytes > 0) avoid_congestion(state, ack, bytes);
  }

  void congested(CongestionState& state, uint32_t flight, uint32_t mss) const override {
    const float cwnd = segments(state.cwnd, mss);
    // RFC 9438 4.7: the flow that has less than it had leaves room sooner.
    state.w_max = cwnd < state.w_max ? cwnd * (1 + kBeta) / 2 : cwnd;
    state.cwnd_prior = cwnd;
    state.ssthresh = std::max(static_cast<uint32_t>(static_cast<float>(flight) * kBeta), 2 * mss);
    state.epoch_start = Instant();
  }
  // RFC 9438 4.8: the next epoch begins with K = 0 at what the window then is.
  void timed_out(CongestionState& state, uint32_t flight, uint32_t mss) const override {
    congested(state, flight, mss);
    state.w_max = 0;
  }

 private:
  static float segments(uint32_t bytes, uint32_t mss) {
    return static_cast<float>(bytes) / static_cast<float>(mss);
  }
  static float seconds(Duration span) {
    return static_cast<float>(span.microseconds()) / 1'000'000.0F;
  }
  static float window_at(const CongestionState& state, float t) {
    const float from_k = t - state.k;
    return kC * from_k * from_k * from_k + state.w_max;
  }

  static void begin_epoch(CongestionState& state, Instant now, float cwnd) {
    state.epoch_start = now;
    state.w_est = cwnd;
    if (state.w_max <= cwnd) state.w_max = cwnd;
    state.k = std::cbrt((state.w_max - cwnd) / kC);  // RFC 9438 eqn. 2
  }

  // RFC 9438 4.2 to 4.5.
  static void avoid_congestion(CongestionState& state, const CongestionAck& ack, uint32_t bytes) {
    const float cwnd = segments(state.cwnd, ack.mss);
    const float acked = segments(bytes, ack.mss);
    if (state.epoch_start == Instant()) begin_epoch(state, ack.now, cwnd);
    const float t = seconds(ack.now - state.epoch_start);
    const float alpha = state.w_est >= state.cwnd_prior ? 1.0F : kAlpha;
    state.w_est += alpha * acked / cwnd;
    float next = std::max(cwnd, state.w_est);  // the Reno-friendly region
    if (window_at(state, t) >= state.w_est) {
      const float target = std::clamp(window_at(state, t + seconds(ack.rtt)), cwnd, 1.5F * cwnd);
      next = cwnd + (target - cwnd) / cwnd * acked;
    }
    state.cwnd = static_cast<uint32_t>(std::min(next, cwnd + acked) * static_cast<float>(ack.mss));
  }
};

}  // namespace

const CongestionControl& CongestionControl::of(CongestionAlgorithm algorithm) {
  static const Cubic cubic;
  static const NewReno new_reno;
  if (algorithm == CongestionAlgorithm::new_reno) return new_reno;
  return cubic;
}

}  // namespace sluice
