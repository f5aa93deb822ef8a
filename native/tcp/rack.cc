#include "tcp/rack.h"

#include <algorithm>

namespace sluice {

namespace {

constexpr uint32_t kDupThresh = 3;

bool sent_after(Instant a, Seq a_end, Instant b, Seq b_end) {
  return a > b || (a == b && a_end > b_end);
}

uint32_t segments_sacked(const TcpTurn& turn, const Connection& c, const Sender& sender) {
  uint32_t segments = 0;
  for (auto handle = sender.sent.head; handle != SentPool::kNone && segments < kDupThresh;) {
    const SentRecord& record = turn.tcp.sent[handle];
    if (record.has(SentRecord::kSacked)) {
      segments += (record.length + c.snd_mss - 1) / c.snd_mss;
    }
    handle = record.next;
  }
  return segments;
}

// 6.2, step 4.
Duration reordering_window(const TcpTurn& turn, const Connection& c, const Sender& sender) {
  if (!sender.reordering_seen) {
    if (sender.recovery != Recovery::open) return {};
    if (segments_sacked(turn, c, sender) >= kDupThresh) return {};
  }
  const uint64_t window = uint64_t{sender.reo_wnd_mult} * (sender.rtt.min_rtt / 4);
  return Duration::microseconds(static_cast<int64_t>(std::min<uint64_t>(window, sender.rtt.srtt)));
}

}  // namespace

void rack_delivered(Sender& sender, const SentRecord& record, Instant now) {
  const bool retransmitted = record.has(SentRecord::kRetransmitted);
  if (record.end() > sender.rack_fack) {
    sender.rack_fack = record.end();
  } else if (record.end() < sender.rack_fack && !retransmitted) {
    sender.reordering_seen = true;
  }
  const int64_t rtt = (now - record.sent_at).microseconds();
  // Likely the first transmission that is acknowledged, not the second.
  if (retransmitted && rtt < sender.rtt.min_rtt) return;
  if (!sent_after(record.sent_at, record.end(), sender.rack_sent_at, sender.rack_end)) return;
  sender.rack_sent_at = record.sent_at;
  sender.rack_end = record.end();
  sender.rack_rtt = static_cast<uint32_t>(std::clamp<int64_t>(rtt, 0, UINT32_MAX));
}

void rack_saw_dsack(Connection& c, Sender& sender, bool dsack) {
  constexpr uint8_t kPersist = 16;
  if (sender.dsack_round && c.snd_una >= sender.rack_dsack_round) sender.dsack_round = false;
  if (!dsack || sender.dsack_round) return;
  sender.dsack_round = true;
  sender.rack_dsack_round = c.flow->snd_nxt;
  if (sender.reo_wnd_mult < UINT8_MAX) ++sender.reo_wnd_mult;
  sender.reo_wnd_persist = kPersist;
}

void rack_recovered(Sender& sender) {
  if (sender.reo_wnd_persist > 0) --sender.reo_wnd_persist;
  if (sender.reo_wnd_persist == 0) sender.reo_wnd_mult = 1;
}

Instant rack_detect(TcpTurn& turn, Connection& c, Sender& sender) {
  const Duration span =
      Duration::microseconds(sender.rack_rtt) + reordering_window(turn, c, sender);
  Instant until = Instant::never();
  for (auto handle = sender.sent.head; handle != SentPool::kNone;) {
    SentRecord& record = turn.tcp.sent[handle];
    handle = record.next;
    if (record.has(SentRecord::kSacked | SentRecord::kLost)) continue;
    if (!sent_after(sender.rack_sent_at, sender.rack_end, record.sent_at, record.end())) continue;
    if (record.sent_at + span <= turn.now) {
      mark_lost(sender.sent, record);
    } else {
      until = std::min(until, record.sent_at + span);
    }
  }
  return until;
}

}  // namespace sluice
