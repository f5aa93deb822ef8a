#include "tcp/text.h"

#include <algorithm>

#include "tcp/life.h"
#include "tcp/output.h"
#include "tcp/timers.h"
#include "tcp/window.h"

namespace sluice {

namespace {

// What of the text is in the window, before the FIN, and not taken yet.
struct Text {
  Seq seq;
  ConstByteSpan bytes;
};

Text trim(const Connection& c, const TcpSegment& segment) {
  Text text{segment.seq, segment.payload};
  if (text.seq < c.flow->rcv_nxt) {
    const auto old = static_cast<size_t>(c.flow->rcv_nxt - text.seq);
    text.bytes = text.bytes.subspan(std::min(old, text.bytes.size()));
    text.seq = c.flow->rcv_nxt;
  }
  const Seq end = c.fin_known ? std::min(c.fin_at, c.rcv_adv) : c.rcv_adv;
  const auto room = static_cast<size_t>(std::max(end - text.seq, 0));
  text.bytes = text.bytes.first(std::min(room, text.bytes.size()));
  return text;
}

// RFC 9293 3.8.6.3: every second full segment, or after a while; at once in the beginning.
void acknowledge_later(TcpTurn& turn, Connection& c, uint32_t bytes) {
  c.unacknowledged += bytes;
  if (c.quick_acks > 0) {
    --c.quick_acks;
    c.ack_now = true;
  }
  if (c.unacknowledged >= 2U * c.rcv_mss) c.ack_now = true;
  if (!c.ack_now && c.ack_at == Instant::never()) {
    c.ack_at = turn.now + turn.tcp.config.delayed_ack;
  }
}

// The pool is exhausted: what was taken out of order is given up for what is in order (RFC 2018 8).
uint32_t append_in_order(Tcp& tcp, Connection& c, ConstByteSpan bytes) {
  uint32_t done = tcp.buffers.append(c.receive_queue, bytes);
  if (done < bytes.size() && !c.reassembly.empty()) {
    forget_runs(c.reassembly, tcp.runs, tcp.buffers);
    done += tcp.buffers.append(c.receive_queue, bytes.subspan(done));
  }
  return done;
}

void take_in_turn(TcpTurn& turn, Connection& c, ConstByteSpan bytes) {
  Tcp& tcp = turn.tcp;
  uint32_t taken = append_in_order(tcp, c, bytes);
  if (!c.reassembly.empty()) {
    // A gap closes, wholly or in part (RFC 5681 4.2).
    c.ack_now = true;
    taken += take_in_order(c.reassembly, tcp.runs, tcp.buffers, c.flow->rcv_nxt + taken,
                           c.receive_queue);
  }
  c.flow->rcv_nxt += taken;
  constexpr uint32_t kEnough = 1u << 28;
  c.taken = std::min(c.taken + taken, kEnough);
  acknowledge_later(turn, c, taken);
  if (taken < bytes.size()) c.ack_now = true;
}

// More than the share would be held: out of order only what there is room for.
void take_out_of_turn(TcpTurn& turn, Connection& c, const Text& text) {
  Tcp& tcp = turn.tcp;
  c.ack_now = true;
  const auto end = text.seq + static_cast<uint32_t>(text.bytes.size());
  const SackBlock known = run_around(c.reassembly, tcp.runs, text.seq, end);
  if (known.start != known.end) c.dsack = {text.seq, end};
  if (bytes_out_of_order(c.reassembly, tcp.runs) >= c.share + 65536) return;
  keep_out_of_order(c.reassembly, tcp.runs, tcp.buffers, text.seq, text.bytes);
}

// RFC 3168 6.1.3.
void note_ecn(Connection& c, const TcpSegment& segment) {
  constexpr uint8_t kCongestionExperienced = 3;
  if (!c.flow->agreed(TcpFlow::kEcn)) return;
  if (segment.has(kTcpCwr)) c.ece = false;
  if (segment.ecn == kCongestionExperienced) c.ece = true;
}

void learn_size(Connection& c, const TcpSegment& segment) {
  const size_t size = segment.merged_size != 0 ? segment.merged_size : segment.payload.size();
  if (size > c.rcv_mss && size <= own_mss(c)) c.rcv_mss = static_cast<uint16_t>(size);
}

}  // namespace

void note_duplicate(Connection& c, const TcpSegment& segment) {
  const Seq end =
      std::min(segment.seq + static_cast<uint32_t>(segment.payload.size()), c.flow->rcv_nxt);
  if (c.flow->agreed(TcpFlow::kSack) && segment.seq < end) c.dsack = {segment.seq, end};
}

Taken take_text(TcpTurn& turn, Connection& c, const TcpSegment& segment, TcpEvents& events) {
  if (segment.payload.empty() || !may_receive(c.state())) return Taken::alive;
  const Text text = trim(c, segment);
  // RFC 9293 3.10.7.4, RFC 2525 2.17: nobody will read it.
  if (c.abandoned && !text.bytes.empty()) {
    send_control(turn, c, c.flow->snd_nxt, kTcpRst | kTcpAck);
    events = end_connection(turn.tcp, c, TcpEvents::kReset);
    return Taken::ended;
  }
  set_active(turn.tcp, c, true);
  renew_share(turn.tcp, c);
  if (c.idle_at == Instant::never()) arm_idle(turn, c);
  note_ecn(c, segment);
  learn_size(c, segment);
  note_duplicate(c, segment);
  const Seq before = c.flow->rcv_nxt;
  if (text.bytes.empty()) {
    c.ack_now = true;  // a probe of a closed window, or a duplicate
  } else if (text.seq == c.flow->rcv_nxt) {
    take_in_turn(turn, c, text.bytes);
  } else {
    take_out_of_turn(turn, c, text);
  }
  if (c.dsack.start != c.dsack.end) c.ack_now = true;
  if (c.flow->rcv_nxt != before) events.set(TcpEvents::kReadable);
  return Taken::alive;
}

Taken take_fin(TcpTurn& turn, Connection& c, const TcpSegment& segment, TcpEvents& events) {
  if (!may_receive(c.state())) {
    if (segment.has(kTcpFin) || !segment.payload.empty()) c.ack_now = true;
    return Taken::alive;
  }
  if (segment.has(kTcpFin)) {
    c.fin_known = true;
    c.fin_at = segment.end() - 1;
    c.ack_now = true;
  }
  if (!c.fin_known || c.fin_at != c.flow->rcv_nxt) return Taken::alive;
  c.flow->rcv_nxt += 1;
  c.rcv_adv = std::max(c.rcv_adv, c.flow->rcv_nxt);
  c.fin_received = true;
  // Nothing comes behind it, whatever was kept before it was known.
  forget_runs(c.reassembly, turn.tcp.runs, turn.tcp.buffers);
  c.ack_now = true;
  events.set(TcpEvents::kPeerClosed);
  switch (c.state()) {
    case ConnectionState::established: c.flow->state = ConnectionState::close_wait; break;
    case ConnectionState::fin_wait_1: c.flow->state = ConnectionState::closing; break;
    case ConnectionState::fin_wait_2:
      send_ack(turn, c);
      events.set(close_in_order(turn.tcp, c, ConnectionState::time_wait).bits);
      return Taken::ended;
    default: break;
  }
  return Taken::alive;
}

}  // namespace sluice
