#pragma once

#include <cstdint>

#include "base/instant.h"

namespace sluice {

enum class CongestionAlgorithm : uint8_t { cubic, new_reno };

// The congestion window of one connection, in bytes, and what its algorithm remembers. `cwnd` and
// `ssthresh` are those of RFC 5681.
struct CongestionState {
  uint32_t cwnd = 0;
  uint32_t ssthresh = UINT32_MAX;
  uint32_t counted = 0;  // NewReno: bytes acknowledged since cwnd last grew
  // CUBIC (RFC 9438 4.1.2), in segments and seconds.
  float w_max = 0;
  float k = 0;
  float w_est = 0;
  float cwnd_prior = 0;
  Instant epoch_start;  // epoch: none

  bool in_slow_start() const { return cwnd < ssthresh; }
};

// What an algorithm is told of an acknowledgement of new data.
struct CongestionAck {
  Instant now;
  uint32_t bytes = 0;  // newly acknowledged (RFC 3465)
  uint32_t mss = 0;
  Duration rtt;  // smoothed
};

// How the window grows and what a loss makes of it. Algorithms hold no state of their own; when a
// loss counts, and how the window comes down during recovery, is decided elsewhere and is the same
// for all (RFC 6937).
class CongestionControl {
 public:
  virtual ~CongestionControl() = default;
  // Called while the connection is not in recovery and the window is what limits it (RFC 7661).
  virtual void acknowledged(CongestionState& state, const CongestionAck& ack) const = 0;
  // A loss or an ECN mark: sets ssthresh to what the window shall be (RFC 5681 eqn. 4).
  virtual void congested(CongestionState& state, uint32_t flight, uint32_t mss) const = 0;
  // The retransmission timer went off (RFC 5681 3.1): also forgets the epoch.
  virtual void timed_out(CongestionState& state, uint32_t flight, uint32_t mss) const = 0;

  static const CongestionControl& of(CongestionAlgorithm algorithm);
};

// RFC 6928: the window of a new connection.
constexpr uint32_t initial_window(uint32_t mss) {
  const uint32_t floor = 2 * mss > 14600 ? 2 * mss : 14600;
  return 10 * mss < floor ? 10 * mss : floor;
}

}  // namespace sluice
