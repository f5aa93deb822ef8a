#include <algorithm>

#include "tcp/rack.h"
#include "tcp/recovery.h"

namespace sluice {

namespace {

void note_delivered(Sender& sender, const SentRecord& record, Instant now, Delivery& delivery) {
  if (record.has(SentRecord::kSacked)) return;
  delivery.delivered += record.length;
  if (record.has(SentRecord::kRetransmitted)) {
    delivery.retransmitted = true;
  } else {
    delivery.original = true;
    delivery.first_sent = std::min(delivery.first_sent, record.sent_at);
    delivery.last_sent = std::max(delivery.last_sent, record.sent_at);
  }
  rack_delivered(sender, record, now);
}

void drop_records(TcpTurn& turn, Sender& sender, Seq ack, Delivery& delivery) {
  while (!sender.sent.empty()) {
    const SentRecord& first = turn.tcp.sent[sender.sent.head];
    if (first.seq >= ack) return;
    SentRecord part = first;
    part.length = std::min(first.length, static_cast<uint32_t>(ack - first.seq));
    note_delivered(sender, part, turn.now, delivery);
    if (part.length < first.length) return trim_first(sender.sent, turn.tcp.sent, part.length);
    drop_first(sender.sent, turn.tcp.sent);
  }
}

// Everything before `ack` has arrived: out of the scoreboard and out of the buffer (BUF-04).
void take_cumulative(TcpTurn& turn, Connection& c, Sender& sender, Seq ack, Delivery& delivery) {
  delivery.acked = static_cast<uint32_t>(ack - c.snd_una);
  if (delivery.acked == 0) return;
  drop_records(turn, sender, ack, delivery);
  const uint32_t bytes = std::min(delivery.acked, c.send_queue.size);  // a FIN is none
  turn.tcp.buffers.drop_front(c.send_queue, bytes);
  sender.cursor.dropped(bytes);
  c.snd_una = ack;
}

// More pieces than any sane peer's SACKs cut records into are not kept apart.
bool may_split(const Connection& c, const Sender& sender) {
  constexpr uint32_t kMost = 4096;
  const uint32_t segments = c.flight() / std::max<uint32_t>(c.snd_mss, 536);
  return sender.sent.count <= std::min(2 * segments + 64, kMost);
}

void take_block(TcpTurn& turn, Connection& c, Sender& sender, SackBlock block, Delivery& delivery) {
  SentPool& pool = turn.tcp.sent;
  for (auto handle = sender.sent.head; handle != SentPool::kNone; handle = pool[handle].next) {
    if (pool[handle].seq >= block.end) return;
    if (pool[handle].end() <= block.start || pool[handle].has(SentRecord::kSacked)) continue;
    if (pool[handle].seq < block.start) {
      const auto before = static_cast<uint32_t>(block.start - pool[handle].seq);
      if (!may_split(c, sender) || !split_record(sender.sent, pool, handle, before)) return;
      continue;
    }
    if (pool[handle].end() > block.end) {
      const auto inside = static_cast<uint32_t>(block.end - pool[handle].seq);
      if (!may_split(c, sender) || !split_record(sender.sent, pool, handle, inside)) return;
    }
    note_delivered(sender, pool[handle], turn.now, delivery);
    mark_sacked(sender.sent, pool[handle]);
  }
}

// RFC 2883 4: the first block names what came twice, where it lies before the ACK or in the second.
bool is_dsack(const TcpSegment& segment) {
  if (segment.sack_count == 0) return false;
  const SackBlock& first = segment.sack[0];
  if (first.start >= first.end) return false;
  if (first.end <= segment.ack) return true;
  return segment.sack_count > 1 && first.start >= segment.sack[1].start &&
         first.end <= segment.sack[1].end;
}

void take_sack(TcpTurn& turn, Connection& c, Sender& sender, const TcpSegment& segment,
               Delivery& delivery) {
  delivery.dsack = is_dsack(segment);
  for (size_t i = delivery.dsack ? 1 : 0; i < segment.sack_count; ++i) {
    const SackBlock& block = segment.sack[i];
    const bool sound =
        block.start < block.end && block.start >= c.snd_una && block.end <= c.flow->snd_nxt;
    if (sound) take_block(turn, c, sender, block, delivery);
  }
}

// RFC 5681 2: what counts as a duplicate ACK.
void count_duplicates(const Connection& c, Sender& sender, const TcpSegment& segment,
                      uint32_t window_before, Delivery& delivery) {
  if (delivery.acked > 0) {
    const uint32_t gone = (delivery.acked + c.snd_mss - 1) / c.snd_mss;
    const uint32_t told = std::min<uint32_t>(sender.dup_acks, gone - 1);
    // What duplicates stood for was counted when they came.
    delivery.delivered -= std::min(delivery.delivered, told * c.snd_mss);
    sender.dup_acks = static_cast<uint8_t>(sender.dup_acks - told);
    if (sender.recovery == Recovery::open) sender.dup_acks = 0;
    return;
  }
  const bool duplicate = segment.ack == c.snd_una && c.flight() > 0 && segment.length() == 0 &&
                         c.snd_wnd == window_before;
  if (!duplicate || sender.dup_acks == UINT8_MAX || sender.recovery == Recovery::loss) return;
  ++sender.dup_acks;
  delivery.delivered = c.snd_mss;
}

// RFC 6298 3: Karn's rule, or timestamps (RFC 7323 4.1).
void measure(TcpTurn& turn, Connection& c, Sender& sender, const TcpSegment& segment,
             const Delivery& delivery) {
  const TcpConfig& config = turn.tcp.config;
  if (delivery.original && !delivery.retransmitted) {
    const auto last = (turn.now - delivery.last_sent).microseconds();
    sender.rtt.measure(turn.now - delivery.first_sent, config.min_rto, config.max_rto);
    sender.rtt.min_rtt = std::min<uint32_t>(sender.rtt.min_rtt, static_cast<uint32_t>(last));
    return;
  }
  if (delivery.acked == 0 || !segment.has_timestamps || segment.tsecr == 0) return;
  if (!c.flow->agreed(TcpFlow::kTimestamps)) return;
  const auto ms = static_cast<int32_t>(Tcp::timestamp(c.ts_offset, turn.now) - segment.tsecr);
  if (ms < 0 || ms > 60'000) return;
  sender.rtt.measure(Duration::milliseconds(ms), config.min_rto, config.max_rto);
}

}  // namespace

Delivery mark_delivered(TcpTurn& turn, Connection& c, const TcpSegment& segment,
                        uint32_t window_before) {
  Sender& sender = turn.tcp.senders[c.sender];
  Delivery delivery;
  take_cumulative(turn, c, sender, std::max(segment.ack, c.snd_una), delivery);
  if (c.flow->agreed(TcpFlow::kSack)) {
    take_sack(turn, c, sender, segment, delivery);
  } else {
    count_duplicates(c, sender, segment, window_before, delivery);
  }
  measure(turn, c, sender, segment, delivery);
  return delivery;
}

}  // namespace sluice
