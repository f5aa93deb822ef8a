#pragma once

#include <cstdint>

#include "base/instant.h"
#include "packet/flow_key.h"
#include "tcp/challenge_limit.h"
#include "tcp/connection.h"
#include "tcp/segment_sink.h"

namespace sluice {

enum class EcnMode : uint8_t { refuse, accept, ask };

// How connections behave. The defaults are those of docs/tcp.md.
struct TcpConfig {
  Duration min_rto = Duration::milliseconds(200);
  Duration max_rto = Duration::seconds(60);
  Duration delayed_ack = Duration::milliseconds(40);     // RFC 9293 3.8.6.3: below 500 ms
  Duration user_timeout = Duration::seconds(120);        // R2 for data, at least 100 s
  Duration connect_timeout = Duration::seconds(180);     // R2 for our SYN
  Duration handshake_timeout = Duration::seconds(60);    // for the answer to our SYN-ACK
  Duration fin_wait_2_timeout = Duration::seconds(60);   // after the user has gone
  Duration keep_alive_interval = Duration::seconds(75);  // at most; never more than it was idle
  uint8_t keep_alive_probes = 9;
  uint8_t quick_acks = 16;  // segments that are acknowledged at once in the beginning
  uint8_t offer = TcpFlow::kTimestamps | TcpFlow::kSack | TcpFlow::kWindowScale;
  EcnMode ecn = EcnMode::accept;
  CongestionAlgorithm congestion = CongestionAlgorithm::cubic;
  uint32_t least_share = 8 * 1024;        // of each buffer, whatever the number of connections
  uint32_t most_share = 4 * 1024 * 1024;  // of each buffer, however few there are
  uint16_t first_window = 0;              // offered to who has sent little; 0: all of the share
  uint32_t windows_for = 0;  // shares as if so many were active at any time; 0: those that are
};

// What is reserved (law 4).
struct TcpLimits {
  uint32_t connections = 1024;
  uint32_t handshakes = 1024;
  uint32_t segments_in_flight = 65536;  // SentRecords
  uint32_t received_runs = 4096;
  uint64_t buffer_bytes = uint64_t{16} << 20;
  uint64_t reserved_bytes = 0;  // of these, for bytes that send_promised() takes
};

// What lies between a connection and its peer.
struct TcpPath {
  uint16_t mtu = 1500;
  uint32_t gso_limit = 0;  // payload of the largest super-packet that the port takes; 0: none
};

// What the connections of one worker share: memory, secrets, limits.
class Tcp {
 public:
  Tcp(const TcpLimits& limits, const TcpConfig& config, uint64_t seed);

  // RFC 6528: per connection, growing with a clock of 4 microseconds.
  Seq initial_sequence(const FlowKey& key, Instant now) const;
  // Where the timestamp clock of a connection begins; the same for one that follows it.
  uint32_t timestamp_offset(const FlowKey& key) const;
  // TSval: milliseconds (RFC 7323 5.4).
  static uint32_t timestamp(uint32_t offset, Instant now) {
    return offset + static_cast<uint32_t>(now.nanoseconds() / 1'000'000);
  }
  static Tick tick(Instant now) { return static_cast<Tick>(now.nanoseconds() / 1'000'000); }

  // What an active connection may hold in each of its two buffers now (BUF-15, BUF-12).
  uint32_t share() const;
  // The smallest scale with which the largest share can be told (RFC 7323 2.3).
  uint8_t window_scale() const;

  TcpConfig config;
  ConnectionPool connections;
  HandshakePool handshakes;
  SenderPool senders;
  UndoPool undos;
  SentPool sent;
  RunPool runs;
  BufferPool buffers;
  ChallengeLimit challenges;
  uint32_t active = 0;  // connections among which the buffers are shared

 private:
  uint64_t hash(const FlowKey& key, uint64_t purpose) const;

  uint64_t seed_;
};

// What a call into TCP takes beside the connection.
struct TcpTurn {
  Tcp& tcp;
  SegmentSink& sink;
  Instant now;
};

// What has happened, for the owner to act on in the same pass. After `released` the connection is
// no more: its bytes are gone, and its flow is closed or in TIME-WAIT.
struct TcpEvents {
  static constexpr uint16_t kOpened = 1;
  static constexpr uint16_t kReadable = 2;    // bytes came in order
  static constexpr uint16_t kWritable = 4;    // bytes were acknowledged: there is room (BUF-03)
  static constexpr uint16_t kPeerClosed = 8;  // the peer's FIN came in its turn
  static constexpr uint16_t kReset = 16;      // by the peer
  static constexpr uint16_t kRefused = 32;    // our SYN was answered by RST
  static constexpr uint16_t kTimedOut = 64;   // the peer is silent
  static constexpr uint16_t kTimeWait = 128;  // 2MSL begins
  static constexpr uint16_t kFinished = 256;  // closed without TIME-WAIT, or aborted
  static constexpr uint16_t kReleased = 512;

  uint16_t bits = 0;

  bool has(uint16_t event) const { return (bits & event) != 0; }
  void set(uint16_t event) { bits |= event; }
};

}  // namespace sluice
