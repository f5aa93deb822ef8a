#include "tcp/undo.h"

#include <algorithm>

namespace sluice {

namespace {

bool eifel(const Connection& c, const Undo& undo, const TcpSegment& segment,
           const Delivery& delivery) {
  return c.flow->agreed(TcpFlow::kTimestamps) && segment.has_timestamps && segment.tsecr != 0 &&
         undo.retransmitted_at != 0 && delivery.acked > 0 && segment.ack > undo.marker &&
         static_cast<int32_t>(segment.tsecr - undo.retransmitted_at) < 0;
}

// Without SACK an ACK for a hole that was filled covers what waited behind it, too.
bool f_rto(const Connection& c, const Sender& sender, const Undo& undo, const Delivery& delivery) {
  if (!undo.from_timeout || !sender.frto || !delivery.original) return false;
  if (!c.flow->agreed(TcpFlow::kSack) && delivery.retransmitted) return false;
  return static_cast<int32_t>(Tcp::timestamp(c.ts_offset, delivery.first_sent) -
                              undo.retransmitted_at) < 0;
}

void restore(TcpTurn& turn, const Connection& c, Sender& sender) {
  const CongestionState& before = turn.tcp.undos[sender.undo].before;
  const uint32_t cwnd = std::max(sender.congestion.cwnd, before.cwnd);
  sender.congestion = before;
  sender.congestion.cwnd = cwnd;
  for (auto handle = sender.sent.head; handle != SentPool::kNone;) {
    SentRecord& record = turn.tcp.sent[handle];
    unmark_lost(sender.sent, record);
    handle = record.next;
  }
  sender.recovery = Recovery::open;
  sender.backoff = 0;
  sender.frto = sender.frto_probing = false;
  sender.cwr_point = c.snd_una;
  forget_undo(turn.tcp, sender);
}

}  // namespace

void remember_window(TcpTurn& turn, Connection& c, Sender& sender, bool from_timeout) {
  // A time-out during recovery is part of the same loss.
  const bool goes_on = sender.recovery != Recovery::open && sender.undo != UndoPool::kNone;
  if (!goes_on) {
    forget_undo(turn.tcp, sender);
    sender.undo = turn.tcp.undos.take();
    if (sender.undo == UndoPool::kNone) return;
    turn.tcp.undos[sender.undo].before = sender.congestion;
    turn.tcp.undos[sender.undo].marker = c.snd_una;
  }
  turn.tcp.undos[sender.undo].from_timeout = from_timeout;
}

bool undo_if_spurious(TcpTurn& turn, Connection& c, Sender& sender, const TcpSegment& segment,
                      const Delivery& delivery) {
  if (sender.undo == UndoPool::kNone) return false;
  Undo& undo = turn.tcp.undos[sender.undo];
  if (delivery.dsack && segment.sack[0].end > undo.marker) {
    const auto bytes = static_cast<uint32_t>(segment.sack[0].end - segment.sack[0].start);
    undo.unproven -= static_cast<int32_t>((bytes + c.snd_mss - 1) / c.snd_mss);
  }
  const bool all_needless = delivery.dsack && undo.unproven == 0 && undo.retransmitted_at != 0;
  if (all_needless || eifel(c, undo, segment, delivery) || f_rto(c, sender, undo, delivery)) {
    restore(turn, c, sender);
    return true;
  }
  if (sender.recovery == Recovery::open && c.snd_una > undo.until) forget_undo(turn.tcp, sender);
  return false;
}

void forget_undo(Tcp& tcp, Sender& sender) { tcp.undos.give_back(sender.undo); }

}  // namespace sluice
