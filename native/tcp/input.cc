#include "tcp/input.h"

#include <algorithm>

#include "tcp/life.h"
#include "tcp/output.h"
#include "tcp/recovery.h"
#include "tcp/syn_sent.h"
#include "tcp/text.h"
#include "tcp/timers.h"

namespace sluice {

namespace {

// Each check of 3.10.7.4 either lets the segment pass or has dealt with it.
enum class Check : bool { pass, done };

// RFC 7323 5.3: what is older than what was seen is an old duplicate, unless the clock of old has
// been still for so long that it means nothing (5.5).
bool is_old_duplicate(const TcpTurn& turn, const Connection& c, const TcpSegment& segment) {
  constexpr Tick kInvalidAfter = 24U * 24 * 3600 * 1000;
  if (static_cast<int32_t>(segment.tsval - c.flow->ts_recent) >= 0) return false;
  return Tcp::tick(turn.now) - c.flow->ts_recent_age < kInvalidAfter;
}

// RFC 7323 4.3: the timestamp to echo is that of what the last ACK was for.
void keep_timestamp(TcpTurn& turn, Connection& c, const TcpSegment& segment) {
  if (!c.flow->agreed(TcpFlow::kTimestamps) || !segment.has_timestamps) return;
  if (segment.seq > c.last_ack_sent) return;
  if (is_old_duplicate(turn, c, segment)) return;
  c.flow->ts_recent = segment.tsval;
  c.flow->ts_recent_age = Tcp::tick(turn.now);
}

// Says what we have, with the duplicate that came where it was one (RFC 2883 4.1). An answer to
// data, or to a FIN, goes at once: the peer asks for it. An answer to an empty segment may be half
// of a loop.
void answer_unacceptable(TcpTurn& turn, Connection& c, const TcpSegment& segment) {
  if (segment.length() == 0 || segment.has(kTcpSyn)) return send_challenge_ack(turn, c);
  // What is sent again because our ACK was lost has its timestamp echoed: with an older one the
  // peer would measure its own waiting, and wait longer each time. Not from further off than a
  // window, where nobody who guesses should hit.
  if (segment.seq >= c.flow->rcv_nxt - c.share) keep_timestamp(turn, c, segment);
  note_duplicate(c, segment);
  send_ack(turn, c);
}

Check check_timestamps(TcpTurn& turn, Connection& c, const TcpSegment& segment) {
  if (!c.flow->agreed(TcpFlow::kTimestamps) || segment.has(kTcpRst)) return Check::pass;
  // RFC 7323 3.2: one without is none of this connection.
  if (!segment.has_timestamps) return segment.has(kTcpSyn) ? Check::pass : Check::done;
  if (!is_old_duplicate(turn, c, segment)) return Check::pass;
  answer_unacceptable(turn, c, segment);
  return Check::done;
}

// First: the sequence number. What only touches the window passes: its acknowledgement counts, and
// of its text what is in the window is taken later (3.10.7.4).
Check check_sequence(TcpTurn& turn, Connection& c, const TcpSegment& segment) {
  const Seq rcv_nxt = c.flow->rcv_nxt;
  const bool touches = segment.length() == 0 ? segment.seq >= rcv_nxt && segment.seq <= c.rcv_adv
                                             : segment.end() > rcv_nxt && segment.seq <= c.rcv_adv;
  if (touches) return Check::pass;
  if (!segment.has(kTcpRst)) answer_unacceptable(turn, c, segment);
  return Check::done;
}

// Second: RST (RFC 5961 3.2).
Check check_reset(TcpTurn& turn, Connection& c, const TcpSegment& segment, TcpEvents& events) {
  if (!segment.has(kTcpRst)) return Check::pass;
  if (segment.seq == c.flow->rcv_nxt) {
    const bool opening = c.state() == ConnectionState::syn_received;
    events = end_connection(turn.tcp, c,
                            opening && !c.passive ? TcpEvents::kRefused
                            : opening             ? 0
                                                  : TcpEvents::kReset);
  } else if (segment.seq > c.flow->rcv_nxt && segment.seq < c.rcv_adv) {
    send_challenge_ack(turn, c);
  }
  return Check::done;
}

// Fourth: SYN (RFC 5961 4.2), wherever it lies. One that began this handshake has missed our
// answer.
Check check_syn(TcpTurn& turn, Connection& c, const TcpSegment& segment) {
  if (!segment.has(kTcpSyn)) return Check::pass;
  const bool again = c.state() == ConnectionState::syn_received && !segment.has(kTcpAck) &&
                     turn.tcp.handshakes[c.handshake].irs == segment.seq;
  if (again) {
    send_syn(turn, c);
  } else {
    send_challenge_ack(turn, c);
  }
  return Check::done;
}

Check check_ack_of_syn(TcpTurn& turn, Connection& c, const TcpSegment& segment, TcpEvents& events) {
  const Handshake& handshake = turn.tcp.handshakes[c.handshake];
  if (segment.ack != handshake.iss + 1) {
    send_control(turn, c, segment.ack, kTcpRst);
    return Check::done;
  }
  establish(turn, c, segment);
  events.set(TcpEvents::kOpened);
  return Check::pass;
}

// RFC 9293 3.10.7.4. An ACK of new data tells the window even from a segment that is sent again:
// the old one would reach further now than the peer ever offered.
void update_window(Connection& c, const TcpSegment& segment) {
  const bool newer = segment.ack > c.snd_una || c.snd_wl1 < segment.seq ||
                     (c.snd_wl1 == segment.seq && c.snd_wl2 <= segment.ack);
  if (!newer) return;
  c.snd_wnd = uint32_t{segment.window} << c.flow->snd_wscale();
  c.max_snd_wnd = std::max(c.max_snd_wnd, c.snd_wnd);
  c.snd_wl1 = segment.seq;
  c.snd_wl2 = segment.ack;
}

// RFC 5961 5.2: an acknowledgement that no peer of ours could have sent.
bool is_acceptable_ack(const Connection& c, const TcpSegment& segment) {
  return segment.ack <= c.flow->snd_nxt && segment.ack >= c.snd_una - c.max_snd_wnd;
}

// RFC 9293 3.8.6.1: a window that opens ends the probing. What was sent into a closed one, because
// the peer had taken it back, goes again at once.
void window_opens(TcpTurn& turn, Connection& c, Sender& sender, uint32_t before) {
  if (c.flight() == 0) {
    sender.backoff = 0;
    return;
  }
  const uint32_t first = turn.tcp.sent[sender.sent.head].length;
  if (before >= first || sender.backoff == 0) return;
  sender.backoff = 0;
  mark_lost(sender.sent, turn.tcp.sent[sender.sent.head]);
  restart_retransmission(c);
}

void take_ack(TcpTurn& turn, Connection& c, const TcpSegment& segment, TcpEvents& events) {
  const uint32_t window_before = c.snd_wnd;
  update_window(c, segment);
  if (c.sender == SenderPool::kNone) return;
  Sender& sender = turn.tcp.senders[c.sender];
  if (c.snd_wnd > window_before) window_opens(turn, c, sender, window_before);
  const Delivery delivery = take_acknowledgement(turn, c, segment, window_before);
  if (delivery.acked > 0) events.set(TcpEvents::kWritable);
  if (c.flow->agreed(TcpFlow::kEcn) && segment.has(kTcpEce)) congestion_echoed(c, sender);
}

// What the acknowledgement of our FIN does to the state.
Check our_fin_is_acknowledged(TcpTurn& turn, Connection& c, TcpEvents& events) {
  if (!c.fin_sent || c.snd_una != c.flow->snd_nxt) return Check::pass;
  release_sender(turn.tcp, c);
  switch (c.state()) {
    case ConnectionState::fin_wait_1:
      c.flow->state = ConnectionState::fin_wait_2;
      if (c.waits_for_fin()) c.last_received = Tcp::tick(turn.now);
      arm_idle(turn, c);
      return Check::pass;
    case ConnectionState::closing:
      events.set(close_in_order(turn.tcp, c, ConnectionState::time_wait).bits);
      return Check::done;
    case ConnectionState::last_ack:
      events.set(close_in_order(turn.tcp, c, ConnectionState::closed).bits);
      return Check::done;
    default: return Check::pass;
  }
}

// Fifth: the ACK field.
Check check_ack(TcpTurn& turn, Connection& c, const TcpSegment& segment, TcpEvents& events) {
  if (!segment.has(kTcpAck)) return Check::done;
  if (c.state() == ConnectionState::syn_received &&
      check_ack_of_syn(turn, c, segment, events) == Check::done) {
    return Check::done;
  }
  if (!is_acceptable_ack(c, segment)) {
    send_challenge_ack(turn, c);
    return Check::done;
  }
  if (segment.ack >= c.snd_una) take_ack(turn, c, segment, events);
  return our_fin_is_acknowledged(turn, c, events);
}

// Both have opened at once, and this SYN-ACK crossed ours: it has the ACK that we wait for.
bool is_crossed_syn_ack(const TcpTurn& turn, const Connection& c, const TcpSegment& segment) {
  if (c.state() != ConnectionState::syn_received || c.passive) return false;
  const Handshake& handshake = turn.tcp.handshakes[c.handshake];
  return (segment.flags & (kTcpSyn | kTcpAck | kTcpRst | kTcpFin)) == (kTcpSyn | kTcpAck) &&
         segment.seq == handshake.irs && segment.ack == handshake.iss + 1;
}

TcpEvents synchronized_arrives(TcpTurn& turn, Connection& c, const TcpSegment& segment) {
  TcpEvents events;
  if (check_timestamps(turn, c, segment) == Check::done) return events;
  if (segment.has(kTcpSyn) && check_syn(turn, c, segment) == Check::done) return events;
  if (check_sequence(turn, c, segment) == Check::done) return events;
  if (check_reset(turn, c, segment, events) == Check::done) return events;
  keep_timestamp(turn, c, segment);
  if (check_ack(turn, c, segment, events) == Check::done) return events;
  if (take_text(turn, c, segment, events) == Taken::ended) return events;
  if (take_fin(turn, c, segment, events) == Taken::ended) return events;
  output(turn, c);
  return events;
}

}  // namespace

TcpEvents segment_arrives(TcpTurn& turn, Connection& c, const TcpSegment& segment) {
  if (!c.waits_for_fin()) c.last_received = Tcp::tick(turn.now);
  c.probes = 0;
  if (c.state() == ConnectionState::syn_sent) return syn_sent_arrives(turn, c, segment);
  if (is_crossed_syn_ack(turn, c, segment)) {
    TcpSegment ack = segment;
    ack.flags &= static_cast<uint8_t>(~kTcpSyn);
    ack.seq += 1;
    c.ack_now = true;
    return synchronized_arrives(turn, c, ack);
  }
  return synchronized_arrives(turn, c, segment);
}

}  // namespace sluice
