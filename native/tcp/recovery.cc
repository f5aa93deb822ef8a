#include "tcp/recovery.h"

#include <algorithm>

#include "tcp/output.h"
#include "tcp/rack.h"
#include "tcp/timers.h"
#include "tcp/undo.h"

namespace sluice {

namespace {

const CongestionControl& control_of(const Sender& sender) {
  return CongestionControl::of(sender.algorithm);
}

// Without SACK nothing tells which segment is missing but that it is the first (RFC 6582).
void mark_first_lost(TcpTurn& turn, Connection& c, Sender& sender) {
  if (sender.sent.empty()) return;
  const SentPool::Handle head = sender.sent.head;
  if (turn.tcp.sent[head].length > c.snd_mss) {
    split_record(sender.sent, turn.tcp.sent, head, c.snd_mss);
  }
  mark_lost(sender.sent, turn.tcp.sent[head]);
}

void enter_recovery(TcpTurn& turn, Connection& c, Sender& sender) {
  remember_window(turn, c, sender, false);
  sender.recover_fs = std::max<uint32_t>(c.flight(), 1);
  // What an ECN mark has reduced within this window is not reduced again (RFC 3168 6.1.2).
  if (c.snd_una >= sender.cwr_point) {
    control_of(sender).congested(sender.congestion, c.flight(), c.snd_mss);
    sender.cwr_point = c.flow->snd_nxt;
    c.cwr = c.flow->agreed(TcpFlow::kEcn);
  }
  sender.recovery = Recovery::recovery;
  sender.recovery_point = c.flow->snd_nxt;
  sender.prr_delivered = sender.prr_out = 0;
}

void leave_recovery(TcpTurn& turn, Connection& c, Sender& sender) {
  if (sender.recovery == Recovery::recovery) {
    uint32_t cwnd = sender.congestion.ssthresh;
    // RFC 6582 3.2: no burst where nothing has been counted on the way.
    if (!c.flow->agreed(TcpFlow::kSack)) {
      cwnd = std::min<uint32_t>(cwnd, std::max<uint32_t>(pipe(c, sender), c.snd_mss) + c.snd_mss);
    }
    sender.congestion.cwnd = cwnd;
  }
  rack_recovered(sender);
  sender.recovery = Recovery::open;
  sender.frto = sender.frto_probing = false;
  sender.dup_acks = 0;
  if (sender.undo != UndoPool::kNone) turn.tcp.undos[sender.undo].until = c.flow->snd_nxt;
}

// RFC 9937 (RFC 6937): in proportion to what arrives; catching up only where all goes well.
void reduce_proportionally(Connection& c, Sender& sender, const Delivery& delivery, bool safe) {
  const uint32_t in_pipe = pipe(c, sender);
  const uint32_t ssthresh = sender.congestion.ssthresh;
  sender.prr_delivered += delivery.delivered;
  uint32_t send = 0;
  if (in_pipe > ssthresh) {
    const uint64_t wanted =
        (uint64_t{sender.prr_delivered} * ssthresh + sender.recover_fs - 1) / sender.recover_fs;
    send = wanted > sender.prr_out ? static_cast<uint32_t>(wanted - sender.prr_out) : 0;
  } else {
    uint32_t limit =
        sender.prr_delivered > sender.prr_out ? sender.prr_delivered - sender.prr_out : 0;
    limit = std::max(limit, delivery.delivered);
    if (safe) limit += c.snd_mss;
    send = std::min(ssthresh - in_pipe, limit);
  }
  if (sender.prr_out == 0) send = std::max<uint32_t>(send, c.snd_mss);  // the first, at once
  sender.congestion.cwnd = in_pipe + send;
}

void find_losses(TcpTurn& turn, Connection& c, Sender& sender, const Delivery& delivery) {
  if (c.flow->agreed(TcpFlow::kSack)) {
    await_reordering(c, rack_detect(turn, c, sender));
    return;
  }
  if (sender.recovery == Recovery::open && sender.dup_acks >= 3) mark_first_lost(turn, c, sender);
  // RFC 6582 3.2 step 3: a partial ACK names the next hole.
  if (sender.recovery == Recovery::recovery && delivery.acked > 0) {
    mark_first_lost(turn, c, sender);
  }
}

void change_recovery(TcpTurn& turn, Connection& c, Sender& sender) {
  if (sender.recovery != Recovery::open && c.snd_una >= sender.recovery_point) {
    leave_recovery(turn, c, sender);
  }
}

// RFC 5682 2.1: the second ACK decides; until then new data goes, not what may be underway yet.
void follow_f_rto(Sender& sender, const Delivery& delivery) {
  if (!sender.frto) return;
  if (delivery.acked > 0 && !sender.frto_probing) {
    sender.frto_probing = true;
  } else {
    sender.frto = sender.frto_probing = false;
  }
}

// RFC 8985 7.4.
void end_probe(Connection& c, Sender& sender, const TcpSegment& segment, const Delivery& delivery) {
  if (!sender.tlp_outstanding || segment.ack < sender.tlp_end) return;
  const bool echoed = delivery.dsack && segment.sack[0].end == sender.tlp_end;
  const bool duplicate = delivery.acked == 0 && segment.sack_count == 0 && segment.payload.empty();
  if (!sender.tlp_retransmitted || echoed || duplicate) {
    sender.tlp_outstanding = false;
  } else if (segment.ack > sender.tlp_end) {
    sender.tlp_outstanding = false;
    // The probe repaired a loss, which counts as any.
    control_of(sender).congested(sender.congestion, c.flight() + delivery.acked, c.snd_mss);
    sender.congestion.cwnd = std::min(sender.congestion.cwnd, sender.congestion.ssthresh);
    sender.cwr_point = c.flow->snd_nxt;
  }
}

void grow_window(TcpTurn& turn, Connection& c, Sender& sender, const Delivery& delivery,
                 uint32_t flight_before) {
  if (delivery.acked == 0) return;
  // RFC 7661: a window that is not used says nothing about the path.
  const uint32_t cwnd = sender.congestion.cwnd;
  const bool used = sender.cwnd_limited || flight_before >= cwnd ||
                    (sender.congestion.in_slow_start() && flight_before > cwnd / 2);
  if (!used) return;
  control_of(sender).acknowledged(sender.congestion,
                                  {turn.now, delivery.acked, c.snd_mss, sender.rtt.smoothed()});
}

}  // namespace

Delivery take_acknowledgement(TcpTurn& turn, Connection& c, const TcpSegment& segment,
                              uint32_t window_before) {
  Sender& sender = turn.tcp.senders[c.sender];
  const uint32_t flight_before = c.flight();
  const Delivery delivery = mark_delivered(turn, c, segment, window_before);
  if (delivery.acked > 0) {
    sender.backoff = 0;
    sender.unanswered = c.flight() > 0;
    sender.unanswered_since = Tcp::tick(turn.now);
    restart_retransmission(c);
  }
  rack_saw_dsack(c, sender, delivery.dsack);
  end_probe(c, sender, segment, delivery);
  if (!undo_if_spurious(turn, c, sender, segment, delivery)) follow_f_rto(sender, delivery);
  const bool was_recovering = sender.recovery != Recovery::open;
  change_recovery(turn, c, sender);
  const uint32_t lost_before = sender.sent.lost;
  find_losses(turn, c, sender, delivery);
  if (sender.sent.lost > 0 && sender.recovery == Recovery::open) enter_recovery(turn, c, sender);
  if (sender.recovery == Recovery::recovery) {
    const bool safe = delivery.acked > 0 && sender.sent.lost <= lost_before;
    reduce_proportionally(c, sender, delivery, safe);
  } else if (!was_recovering || sender.recovery == Recovery::loss) {
    grow_window(turn, c, sender, delivery, flight_before);
  }
  return delivery;
}

void begin_loss(TcpTurn& turn, Connection& c) {
  Sender& sender = turn.tcp.senders[c.sender];
  const bool again = sender.recovery == Recovery::loss && sender.backoff > 0;
  remember_window(turn, c, sender, true);
  if (!again) {
    control_of(sender).timed_out(sender.congestion, c.flight(), c.snd_mss);
    sender.recovery_point = c.flow->snd_nxt;
    sender.frto = sender.recovery == Recovery::open;
    sender.frto_probing = false;
  } else {
    sender.frto = false;
  }
  sender.recovery = Recovery::loss;
  sender.dup_acks = 0;
  sender.tlp_outstanding = false;
  const Duration old = Duration::microseconds(sender.rack_rtt);
  // RFC 2018 8: a peer that has the first SACKed and does not acknowledge it has dropped it.
  const bool reneged =
      !sender.sent.empty() && turn.tcp.sent[sender.sent.head].has(SentRecord::kSacked);
  for (auto handle = sender.sent.head; handle != SentPool::kNone;) {
    SentRecord& record = turn.tcp.sent[handle];
    if (reneged && record.has(SentRecord::kSacked)) {
      record.flags &= static_cast<uint8_t>(~SentRecord::kSacked);
      sender.sent.sacked -= record.length;
    }
    // RFC 8985 6.3: what was sent a moment ago may well arrive.
    if (handle == sender.sent.head || record.sent_at + old <= turn.now) {
      mark_lost(sender.sent, record);
    }
    handle = record.next;
  }
  // RFC 5681 3.1: one segment, beside what may still arrive.
  sender.congestion.cwnd = pipe(c, sender) + c.snd_mss;
}

void reordering_is_over(TcpTurn& turn, Connection& c) {
  Sender& sender = turn.tcp.senders[c.sender];
  await_reordering(c, rack_detect(turn, c, sender));
  if (sender.sent.lost == 0) return;
  if (sender.recovery == Recovery::open) enter_recovery(turn, c, sender);
  if (sender.recovery == Recovery::recovery) reduce_proportionally(c, sender, {}, false);
}

void retransmit_last(TcpTurn& turn, Connection& c) {
  Sender& sender = turn.tcp.senders[c.sender];
  if (sender.sent.empty()) return;
  const uint32_t length = turn.tcp.sent[sender.sent.tail].length;
  if (length > c.snd_mss) {
    split_record(sender.sent, turn.tcp.sent, sender.sent.tail,
                 (length - 1) / c.snd_mss * c.snd_mss);
  }
  retransmit(turn, c, sender.sent.tail, c.snd_mss);
}

void congestion_echoed(Connection& c, Sender& sender) {
  if (sender.recovery != Recovery::open || c.snd_una <= sender.cwr_point) return;
  control_of(sender).congested(sender.congestion, c.flight(), c.snd_mss);
  sender.congestion.cwnd = sender.congestion.ssthresh;
  sender.cwr_point = c.flow->snd_nxt;
  c.cwr = true;
}

}  // namespace sluice
