#include "tcp/timers.h"

#include <algorithm>

#include "tcp/life.h"
#include "tcp/output.h"
#include "tcp/path_mtu.h"
#include "tcp/recovery.h"

namespace sluice {

namespace {

void disarm(Connection& c) {
  c.retransmit_timer = RetransmitTimer::none;
  c.retransmit_at = Instant::never();
}

void arm(Connection& c, RetransmitTimer timer, Instant at) {
  c.retransmit_timer = timer;
  c.retransmit_at = at;
}

Duration backed_off(const TcpConfig& config, uint32_t rto, uint8_t backoff) {
  const uint64_t long_one = uint64_t{rto} << std::min<uint8_t>(backoff, 16);
  const auto most = static_cast<uint64_t>(config.max_rto.microseconds());
  return Duration::microseconds(static_cast<int64_t>(std::min(long_one, most)));
}

// RFC 8985 7.2; the worst delay of an ACK for a single segment counts with it.
Duration probe_timeout(const Connection& c, const Sender& sender) {
  constexpr uint32_t kWorstDelayedAck = 200'000;
  if (sender.rtt.srtt == 0) return Duration::seconds(1);
  const uint32_t alone = c.flight() <= c.snd_mss ? kWorstDelayedAck : 0;
  return Duration::microseconds(int64_t{2} * sender.rtt.srtt + alone);
}

bool probe_is_wanted(const Connection& c, const Sender& sender) {
  return c.flow->agreed(TcpFlow::kSack) && sender.recovery == Recovery::open &&
         !sender.tlp_outstanding && sender.sent.lost == 0 && sender.sent.sacked == 0 &&
         sender.backoff == 0;
}

Duration since_received(const TcpTurn& turn, const Connection& c) {
  return Duration::milliseconds(static_cast<int64_t>(Tcp::tick(turn.now) - c.last_received));
}

bool give_up(const TcpTurn& turn, const Connection& c, const Sender& sender) {
  if (!sender.unanswered) return false;
  const Tick silent = Tcp::tick(turn.now) - sender.unanswered_since;
  if (silent < turn.tcp.config.user_timeout.milliseconds() || c.flight() == 0) return false;
  // A peer that took its window back and answers is alive (RFC 9293 3.8.6.1).
  return c.snd_wnd >= c.snd_mss || since_received(turn, c) >= turn.tcp.config.user_timeout;
}

// How long a connection counts as active after bytes moved.
constexpr Duration kActivity = Duration::seconds(1);

bool is_quiet(const TcpTurn& turn, const Connection& c) {
  const Tick last = std::max(c.last_received, c.last_sent, tick_before);
  return c.send_queue.empty() && c.receive_queue.empty() &&
         Tcp::tick(turn.now) - last >= kActivity.milliseconds();
}

// One that only waits for the peer's FIN ends soon by itself.
// Nor does one that may not speak yet ask.
bool is_kept_alive(const Connection& c) {
  return c.keep_alive != 0 && !c.muted && !c.waits_for_fin();
}

// The first probe counts from the peer's last segment, each other from the probe before it.
Instant keep_alive_at(const TcpTurn& turn, const Connection& c) {
  const TcpConfig& config = turn.tcp.config;
  const auto since_sent =
      Duration::milliseconds(static_cast<int64_t>(Tcp::tick(turn.now) - c.last_sent));
  const Duration idle = Duration::seconds(c.keep_alive);
  const Duration left = c.probes == 0 ? idle - since_received(turn, c)
                                      : std::min(config.keep_alive_interval, idle) - since_sent;
  return turn.now + std::max(left, Duration());
}

TcpEvents retransmission_timeout(TcpTurn& turn, Connection& c) {
  Sender& sender = turn.tcp.senders[c.sender];
  if (give_up(turn, c, sender)) return end_connection(turn.tcp, c, TcpEvents::kTimedOut);
  disarm(c);
  if (sender.backoff == 3 || sender.backoff == 5) suspect_black_hole(turn, c);
  begin_loss(turn, c);
  ++sender.backoff;
  output(turn, c);
  return {};
}

// RFC 8985 7.3: new data where there is some and the window allows, else the last segment again.
void send_probe(TcpTurn& turn, Connection& c) {
  Sender& sender = turn.tcp.senders[c.sender];
  disarm(c);
  sender.tlp_outstanding = true;
  sender.tlp_end = c.flow->snd_nxt;
  const uint32_t length = std::min<uint32_t>({unsent(c), usable_window(c), c.snd_mss});
  if (length > 0 && send_new(turn, c, length)) {
    sender.tlp_retransmitted = false;
    sender.tlp_end = c.flow->snd_nxt;
  } else {
    sender.tlp_retransmitted = true;
    retransmit_last(turn, c);
  }
  arm(c, RetransmitTimer::rto, turn.now + backed_off(turn.tcp.config, sender.rtt.rto, 0));
}

// RFC 9293 3.8.6.1. A segment before the window asks for an ACK; where there is some window, less
// than it is worth to wait for, what fits goes now.
TcpEvents persist(TcpTurn& turn, Connection& c) {
  Sender& sender = turn.tcp.senders[c.sender];
  disarm(c);
  const TcpConfig& config = turn.tcp.config;
  // For ever while probes are answered, as the standard asks (RFC 9293 3.8.6.1).
  if (c.probes > 3 && since_received(turn, c) >= config.user_timeout) {
    return end_connection(turn.tcp, c, TcpEvents::kTimedOut);
  }
  // But once the user has gone nobody else would ever end it (RFC 6429 3).
  if (c.abandoned && backed_off(config, sender.rtt.rto, sender.backoff) == config.max_rto) {
    send_control(turn, c, c.flow->snd_nxt, kTcpRst | kTcpAck);
    return end_connection(turn.tcp, c, TcpEvents::kTimedOut);
  }
  const uint32_t length = std::min<uint32_t>({unsent(c), usable_window(c), c.snd_mss});
  if (length > 0) {
    send_new(turn, c, length);
  } else {
    if (c.probes < UINT8_MAX) ++c.probes;
    send_control(turn, c, c.snd_una - 1, kTcpAck);
  }
  if (sender.backoff < 16) ++sender.backoff;
  output(turn, c);
  return {};
}

TcpEvents handshake_timeout(TcpTurn& turn, Connection& c) {
  Handshake& handshake = turn.tcp.handshakes[c.handshake];
  const bool active = c.state() == ConnectionState::syn_sent;
  const Duration most =
      active ? turn.tcp.config.connect_timeout : turn.tcp.config.handshake_timeout;
  if (turn.now - handshake.started >= most) {
    return end_connection(turn.tcp, c, TcpEvents::kTimedOut);
  }
  handshake.rto =
      static_cast<uint32_t>(backed_off(turn.tcp.config, handshake.rto, 1).microseconds());
  // RFC 3168 6.1.1.1: perhaps it was the ECN bits that had it dropped.
  if (handshake.sent >= 2) handshake.ask_ecn = false;
  send_syn(turn, c);
  return {};
}

// RFC 9293 3.8.4.
TcpEvents keep_alive(TcpTurn& turn, Connection& c) {
  const TcpConfig& config = turn.tcp.config;
  if (c.probes >= config.keep_alive_probes) {
    send_control(turn, c, c.flow->snd_nxt, kTcpRst | kTcpAck);
    return end_connection(turn.tcp, c, TcpEvents::kTimedOut);
  }
  ++c.probes;
  send_control(turn, c, c.flow->snd_nxt - 1, kTcpAck);
  arm_idle(turn, c);
  return {};
}

TcpEvents idle_timeout(TcpTurn& turn, Connection& c) {
  const TcpConfig& config = turn.tcp.config;
  const Duration idle = since_received(turn, c);
  if (c.waits_for_fin() && idle >= config.fin_wait_2_timeout) {
    return end_connection(turn.tcp, c, TcpEvents::kTimedOut);
  }
  if (is_quiet(turn, c)) set_active(turn.tcp, c, false);
  if (is_kept_alive(c) && turn.now >= keep_alive_at(turn, c)) return keep_alive(turn, c);
  arm_idle(turn, c);
  return {};
}

TcpEvents retransmit_timer_expires(TcpTurn& turn, Connection& c) {
  if (c.handshake != HandshakePool::kNone) return handshake_timeout(turn, c);
  switch (c.retransmit_timer) {
    case RetransmitTimer::rto: return retransmission_timeout(turn, c);
    case RetransmitTimer::probe: send_probe(turn, c); break;
    case RetransmitTimer::persist: return persist(turn, c);
    case RetransmitTimer::reordering:
      disarm(c);
      reordering_is_over(turn, c);
      output(turn, c);
      break;
    case RetransmitTimer::none: break;
  }
  return {};
}

}  // namespace

Instant deadline(const Connection& c) { return std::min({c.retransmit_at, c.ack_at, c.idle_at}); }

TcpEvents timers_expire(TcpTurn& turn, Connection& c) {
  TcpEvents events;
  if (c.ack_at <= turn.now) {
    c.ack_at = Instant::never();
    c.ack_now = true;
    output(turn, c);
  }
  if (c.retransmit_at <= turn.now) events = retransmit_timer_expires(turn, c);
  if (!events.has(TcpEvents::kReleased) && c.idle_at <= turn.now) events = idle_timeout(turn, c);
  return events;
}

void arm_retransmission(TcpTurn& turn, Connection& c) {
  Sender& sender = turn.tcp.senders[c.sender];
  const TcpConfig& config = turn.tcp.config;
  const Duration rto = backed_off(config, sender.rtt.rto, sender.backoff);
  if (c.flight() == 0) {
    // A window probe counts from when the window was found too small.
    const bool waits = unsent(c) > 0 || (c.fin_wanted && !c.fin_sent);
    if (!waits) return disarm(c);
    if (c.retransmit_timer != RetransmitTimer::persist) {
      arm(c, RetransmitTimer::persist, turn.now + rto);
    }
    return;
  }
  if (c.retransmit_timer == RetransmitTimer::persist) disarm(c);
  const bool probe = probe_is_wanted(c, sender);
  const auto wanted = probe ? RetransmitTimer::probe : RetransmitTimer::rto;
  if (c.retransmit_timer == RetransmitTimer::reordering) return;
  if (c.retransmit_timer == RetransmitTimer::rto && !probe) return;
  // A probe counts from the last transmission of new data, or the last acknowledgement.
  const bool counts_on = c.retransmit_timer == RetransmitTimer::probe && probe &&
                         turn.tcp.sent[sender.sent.tail].sent_at != turn.now;
  if (counts_on) return;
  arm(c, wanted, turn.now + (probe ? std::min(probe_timeout(c, sender), rto) : rto));
}

void restart_retransmission(Connection& c) {
  if (c.retransmit_timer != RetransmitTimer::reordering) disarm(c);
}

void await_reordering(Connection& c, Instant until) {
  if (until == Instant::never()) {
    if (c.retransmit_timer == RetransmitTimer::reordering) disarm(c);
    return;
  }
  arm(c, RetransmitTimer::reordering, until);
}

void arm_handshake(TcpTurn& turn, Connection& c) {
  const Handshake& handshake = turn.tcp.handshakes[c.handshake];
  c.retransmit_at = turn.now + Duration::microseconds(handshake.rto);
}

void arm_idle(TcpTurn& turn, Connection& c) {
  c.idle_at = Instant::never();
  if (!c.opened) return;
  if (c.waits_for_fin()) {
    c.idle_at = turn.now + (turn.tcp.config.fin_wait_2_timeout - since_received(turn, c));
  }
  if (is_kept_alive(c)) c.idle_at = std::min(c.idle_at, keep_alive_at(turn, c));
  if (c.active) c.idle_at = std::min(c.idle_at, turn.now + kActivity);
}

}  // namespace sluice
