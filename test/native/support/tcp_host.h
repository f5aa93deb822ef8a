// A host with one TCP and one peer: what the engine's segment does around native/tcp, in the least
// that will do. Frames in, frames out, time an argument.
#pragma once

#include <optional>
#include <vector>

#include "support/tcp_frames.h"
#include "tcp/calls.h"
#include "tcp/closed.h"
#include "tcp/input.h"
#include "tcp/listener.h"
#include "tcp/path_mtu.h"
#include "tcp/tcp.h"
#include "tcp/time_wait.h"
#include "tcp/timers.h"

namespace sluice::test {

class TcpHost : public SegmentSink {
 public:
  struct Sent {
    Frame frame;
    Instant at;
  };
  static constexpr Duration kTwoMsl = Duration::seconds(60);

  // `key` as on what arrives: from the peer to this host.
  TcpHost(const TcpLimits& limits, const TcpConfig& config, uint64_t seed, const FlowKey& key,
          const TcpPath& path)
      : tcp_(limits, config, seed), key_(key), path_(path) {}

  void listen() { listening_ = true; }
  // Of connections that begin from now on.
  void set_mtu(uint16_t mtu) { path_.mtu = mtu; }
  // The same, and a SYN is answered by a cookie.
  void listen_by_cookies() {
    listening_ = true;
    cookies_.emplace(SipKey{1, 2});
  }
  // Its numbers begin there.
  void begin_at(Seq iss) {
    constexpr uint32_t kApart = 65535 + 2;  // as begin_beyond() has it
    beyond_ = iss - kApart;
  }
  bool connect(Instant now) {
    TcpTurn turn = at(now);
    connection_ = open_connection(turn, flow_, 0, key_.reversed(), path_, {beyond_, std::nullopt});
    return connection_ != nullptr;
  }

  // A frame from the peer; what is no sound TCP segment of this flow is not for us.
  bool deliver(Instant now, Packet packet) {
    TcpTurn turn = at(now);
    if (!take_tcp(packet) || packet.key != key_) return false;
    const TcpSegment segment = read_segment(packet);
    if (!tcp_flags_are_sane(segment.flags)) return false;
    arrives(turn, segment);
    return true;
  }
  void too_big(Instant now, Seq quoted, uint16_t mtu) {
    TcpTurn turn = at(now);
    if (connection_ != nullptr) packet_was_too_big(turn, *connection_, quoted, mtu);
  }

  Instant next_deadline() const {
    Instant at = time_wait_until_;
    if (connection_ != nullptr) at = std::min(at, deadline(*connection_));
    return at;
  }
  void run_timers(Instant now) {
    TcpTurn turn = at(now);
    if (connection_ != nullptr && deadline(*connection_) <= now) {
      note(now, timers_expire(turn, *connection_));
    }
    if (time_wait_until_ <= now) {
      time_wait_until_ = Instant::never();
      flow_.state = ConnectionState::closed;
    }
  }

  // A call on the connection, which is there: call(now, [](TcpTurn&, Connection&) { ... }).
  template <class Call>
  auto call(Instant now, Call&& what) {
    TcpTurn turn = at(now);
    return what(turn, *connection_);
  }
  void note(Instant now, TcpEvents events) {
    events_.set(events.bits);
    if (events.has(TcpEvents::kTimeWait)) time_wait_until_ = now + kTwoMsl;
    if (events.has(TcpEvents::kReleased)) connection_ = nullptr;
  }

  // The sender's side in a few words, to read a trace by.
  std::string describe() const {
    if (connection_ == nullptr || connection_->sender == SenderPool::kNone) return {};
    const Connection& c = *connection_;
    const Sender& s = tcp_.senders[c.sender];
    return "cwnd " + std::to_string(s.congestion.cwnd) + " flight " + std::to_string(c.flight()) +
           " sacked " + std::to_string(s.sent.sacked) + " lost " + std::to_string(s.sent.lost) +
           " recovery " + std::to_string(static_cast<int>(s.recovery)) + " backoff " +
           std::to_string(s.backoff) + " timer " +
           std::to_string(static_cast<int>(c.retransmit_timer)) + " at " +
           std::to_string(c.retransmit_at.nanoseconds() / 1'000'000) + " ms, rto " +
           std::to_string(s.rtt.rto / 1000) + " queued " + std::to_string(c.send_queue.size) +
           " state " + std::to_string(static_cast<int>(flow_.state));
  }
  Tcp& tcp() { return tcp_; }
  TcpFlow& flow() { return flow_; }
  Connection* connection() { return connection_; }
  const Connection* connection() const { return connection_; }
  TcpEvents take_events() { return std::exchange(events_, {}); }
  std::vector<Sent>& outbox() { return outbox_; }
  const FlowKey& key() const { return key_; }

  void send(LegIndex, const OutgoingSegment& segment) override {
    outbox_.push_back({tcp_frame(key_.reversed(), segment), now_});
  }

 private:
  TcpTurn at(Instant now) {
    now_ = now;
    return {tcp_, *this, now};
  }

  void arrives(TcpTurn& turn, const TcpSegment& segment) {
    if (flow_.state == ConnectionState::time_wait) {
      time_wait_arrives(turn, segment);
    } else if (flow_.state == ConnectionState::closed) {
      closed_arrives(turn, segment, std::nullopt);
    } else {
      note(turn.now, segment_arrives(turn, *connection_, segment));
    }
  }

  void closed_arrives(TcpTurn& turn, const TcpSegment& segment, std::optional<Seq> beyond) {
    if (cookies_ && !beyond && cookie_arrives(turn, segment)) return;
    if (listening_ && connection_ == nullptr) {
      connection_ =
          syn_arrives(turn, flow_, 0, key_.reversed(), path_, segment, beyond ? beyond : beyond_);
      if (connection_ != nullptr || opens_connection(segment)) return;
    }
    const auto reset = answer_in_closed(segment);
    if (reset) send_alone(*this, 0, *reset, 0);
  }

  bool cookie_arrives(TcpTurn& turn, const TcpSegment& segment) {
    if (opens_connection(segment)) {
      const SegmentHeader answer =
          answer_with_cookie(turn, *cookies_, key_.reversed(), path_, segment);
      send_alone(*this, 0, answer, 0);
      return true;
    }
    const std::optional<CookieTerms> terms = cookies_->find(turn.now, key_, segment);
    if (!terms) return false;
    connection_ = cookie_returns(turn, flow_, 0, key_.reversed(), path_, segment, *terms);
    if (connection_ != nullptr) note(turn.now, segment_arrives(turn, *connection_, segment));
    return true;
  }

  void time_wait_arrives(TcpTurn& turn, const TcpSegment& segment) {
    const uint32_t timestamp = Tcp::timestamp(tcp_.timestamp_offset(key_.reversed()), turn.now);
    switch (answer_in_time_wait(flow_, 0, segment, Tcp::tick(turn.now), timestamp, *this)) {
      case TimeWaitAnswer::restart: time_wait_until_ = turn.now + kTwoMsl; break;
      case TimeWaitAnswer::reuse:
        if (connection_ != nullptr) note(turn.now, close(turn, *connection_));
        time_wait_until_ = Instant::never();
        closed_arrives(turn, segment, flow_.snd_nxt);
        break;
      default: break;
    }
  }

  Tcp tcp_;
  FlowKey key_;
  TcpPath path_;
  TcpFlow flow_;
  Connection* connection_ = nullptr;
  bool listening_ = false;
  std::optional<Seq> beyond_;
  std::optional<SynCookies> cookies_;
  TcpEvents events_;
  Instant now_;
  Instant time_wait_until_ = Instant::never();
  std::vector<Sent> outbox_;
};

}  // namespace sluice::test
