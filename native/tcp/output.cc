#include "tcp/output.h"

#include <algorithm>

#include "tcp/segment_header.h"
#include "tcp/timers.h"
#include "tcp/window.h"

namespace sluice {

namespace {

constexpr uint8_t kEct0 = 2;  // RFC 3168 5

SegmentHeader header_for(TcpTurn& turn, Connection& c, Seq seq, uint8_t flags) {
  SegmentHeader header;
  header.seq = seq;
  header.flags = flags;
  if ((flags & kTcpAck) != 0) header.ack = c.flow->rcv_nxt;
  header.window = advertise(turn.tcp, c, (flags & kTcpSyn) != 0);
  // What is only offered is not used in a RST.
  const bool rejects = (flags & kTcpRst) != 0 && !is_synchronized(c.state());
  if (c.flow->agreed(TcpFlow::kTimestamps) && !rejects) {
    header.has_timestamps = true;
    header.tsval = Tcp::timestamp(c.ts_offset, turn.now);
    header.tsecr = (flags & kTcpAck) != 0 ? c.flow->ts_recent : 0;
  }
  return header;
}

void add_syn_options(const Tcp& tcp, const Connection& c, SegmentHeader& header) {
  header.mss = c.told_mss;
  header.sack_permitted = c.flow->agreed(TcpFlow::kSack);
  if (c.flow->agreed(TcpFlow::kWindowScale)) header.window_scale = c.flow->rcv_wscale();
  // RFC 3168 6.1.1.
  if (header.flags == kTcpSyn && tcp.handshakes[c.handshake].ask_ecn) {
    header.flags |= kTcpEce | kTcpCwr;
  } else if (header.flags != kTcpSyn && c.flow->agreed(TcpFlow::kEcn)) {
    header.flags |= kTcpEce;
  }
}

// RFC 2018 4, RFC 2883 4: a duplicate first, and what is around it; then the newest runs.
void add_sack(const Tcp& tcp, Connection& c, SegmentHeader& header) {
  if (!c.flow->agreed(TcpFlow::kSack)) return;
  const size_t most = sack_blocks_that_fit(header.has_timestamps);
  if (c.dsack.start != c.dsack.end) {
    header.sack[header.sack_count++] = c.dsack;
    c.dsack = {};
  }
  if (c.reassembly.empty()) return;
  std::array<SackBlock, kMostSackBlocks> runs;
  const size_t count = newest_runs(c.reassembly, tcp.runs, most - header.sack_count, runs);
  for (size_t i = 0; i < count; ++i) header.sack[header.sack_count++] = runs[i];
}

// Every segment with ACK tells all that there is to tell.
void acknowledged(TcpTurn& turn, Connection& c) {
  c.ack_now = false;
  c.ack_at = Instant::never();
  c.unacknowledged = 0;
  c.last_ack_sent = c.flow->rcv_nxt;
  c.last_sent = Tcp::tick(turn.now);
}

struct DataSegment {
  Seq seq;
  uint32_t length = 0;  // of payload
  uint8_t flags = kTcpAck;
  bool fresh = false;  // never sent before
};

// How much of it goes into one segment: all, unless it lies in more pieces than one takes. What was
// relayed comes in small ones.
uint32_t locate_payload(TcpTurn& turn, const Connection& c, const DataSegment& data,
                        std::array<ConstByteSpan, BufferPool::kMostSpans>& pieces,
                        std::span<const ConstByteSpan>& payload) {
  Sender& sender = turn.tcp.senders[c.sender];
  const auto offset = static_cast<uint32_t>(data.seq - c.snd_una);
  uint32_t length = data.length;
  while (true) {
    payload = {pieces.data(),
               turn.tcp.buffers.locate(c.send_queue, sender.cursor, offset, length, pieces)};
    uint32_t found = 0;
    for (const ConstByteSpan piece : payload) found += static_cast<uint32_t>(piece.size());
    if (found == length) return length;
    length = found < c.snd_mss ? found : found / c.snd_mss * c.snd_mss;
  }
}

// Sends the beginning of it, or all, and returns how much of the payload that was.
uint32_t send_beginning(TcpTurn& turn, Connection& c, const DataSegment& data) {
  std::array<ConstByteSpan, BufferPool::kMostSpans> pieces;
  OutgoingSegment out;
  if (data.length > 0) {
    out.payload_length = locate_payload(turn, c, data, pieces, out.payload);
  }
  const bool whole = out.payload_length == data.length;
  constexpr uint8_t kOfLast = kTcpFin | kTcpPsh;
  const auto flags = static_cast<uint8_t>(whole ? data.flags : data.flags & ~kOfLast);
  SegmentHeader header = header_for(turn, c, data.seq, flags);
  add_sack(turn.tcp, c, header);
  if (c.ece) header.flags |= kTcpEce;
  if (c.cwr && data.fresh && data.length > 0) {
    header.flags |= kTcpCwr;
    c.cwr = false;
  }
  uint8_t bytes[TcpHeader::kMaxSize];
  out.header = bytes;
  out.header_length = header.write(bytes);
  out.gso_size = out.payload_length > c.snd_mss ? c.snd_mss : 0;
  out.tos = c.flow->tos;
  // RFC 3168 6.1.5: a retransmission is not ECN-capable.
  if (c.flow->agreed(TcpFlow::kEcn) && data.fresh && data.length > 0) out.tos |= kEct0;
  acknowledged(turn, c);
  turn.sink.send(c.leg, out);
  return out.payload_length;
}

void send_data(TcpTurn& turn, Connection& c, DataSegment data) {
  for (uint32_t sent = 0; (sent = send_beginning(turn, c, data)) < data.length;) {
    data.seq += sent;
    data.length -= sent;
  }
}

// The most that one segment carries: a full one, or a super-packet of full ones.
uint32_t largest_segment(const Connection& c) {
  return std::max<uint32_t>(c.snd_mss, c.gso_limit / c.snd_mss * c.snd_mss);
}

// RFC 9293 3.8.6.2.1 and 3.7.4: whether less than a full segment may go.
bool small_segment_may_go(const Connection& c, uint32_t length, uint32_t queued) {
  if (length == queued) return c.no_delay || c.fin_wanted || c.flight() == 0;
  return length >= std::max<uint32_t>(c.max_snd_wnd / 2, 1);
}

// How much new data the next segment carries; 0: nothing may go.
uint32_t next_length(const Connection& c, Sender& sender) {
  const uint32_t queued = unsent(c);
  const uint32_t mss = c.snd_mss;
  const uint32_t in_pipe = pipe(c, sender);
  const uint32_t room = sender.congestion.cwnd > in_pipe ? sender.congestion.cwnd - in_pipe : 0;
  uint32_t length = std::min({queued, usable_window(c), largest_segment(c)});
  if (length == 0) return 0;
  if (room < std::min(length, mss)) {
    sender.cwnd_limited = true;
    return 0;
  }
  if (length > room) length = std::max(mss, room / mss * mss);
  if (length >= mss) return length / mss * mss;
  return small_segment_may_go(c, length, queued) ? length : 0;
}

bool fin_may_go(const Connection& c) {
  return c.fin_wanted && !c.fin_sent && unsent(c) == 0 && usable_window(c) > 0;
}

// RFC 5681 4.1: after a time-out's time of silence the window of old is not to be trusted.
void restart_after_idle(const TcpTurn& turn, Connection& c, Sender& sender) {
  if (c.flight() > 0 || sender.rtt.srtt == 0) return;
  const Tick silent = Tcp::tick(turn.now) - c.last_sent;
  if (silent <= sender.rtt.rto / 1000) return;
  const uint32_t restart = initial_window(c.snd_mss);
  if (sender.congestion.cwnd <= restart) return;
  // RFC 2861: what is known about the path is kept in ssthresh.
  sender.congestion.ssthresh =
      std::max(sender.congestion.ssthresh == UINT32_MAX ? 0 : sender.congestion.ssthresh,
               sender.congestion.cwnd / 4 * 3);
  sender.congestion.cwnd = restart;
  sender.congestion.epoch_start = Instant();
}

void retransmit_lost(TcpTurn& turn, Connection& c, Sender& sender) {
  SentPool::Handle handle = sender.sent.head;
  while (handle != SentPool::kNone && sender.sent.lost > 0) {
    if (!turn.tcp.sent[handle].has(SentRecord::kLost)) {
      handle = turn.tcp.sent[handle].next;
      continue;
    }
    const uint32_t in_pipe = pipe(c, sender);
    const uint32_t cwnd = sender.congestion.cwnd;
    const uint32_t wanted = std::min<uint32_t>(turn.tcp.sent[handle].length, c.snd_mss);
    if (cwnd < in_pipe + wanted) return;
    const uint32_t before = sender.sent.lost;
    retransmit(turn, c, handle, cwnd - in_pipe);
    if (sender.sent.lost == before) return;
    handle = turn.tcp.sent[handle].next;
  }
}

void send_all_new(TcpTurn& turn, Connection& c, Sender& sender) {
  sender.cwnd_limited = false;
  if (unsent(c) > 0) restart_after_idle(turn, c, sender);
  while (true) {
    const uint32_t length = next_length(c, sender);
    if (length == 0 && !fin_may_go(c)) return;
    if (!send_new(turn, c, length)) return;
  }
}

}  // namespace

uint32_t unsent(const Connection& c) {
  if (c.fin_sent) return 0;
  return c.send_queue.size - c.flight();
}

uint32_t usable_window(const Connection& c) {
  const int32_t usable = c.snd_una + c.snd_wnd - c.flow->snd_nxt;
  return usable > 0 ? static_cast<uint32_t>(usable) : 0;
}

uint32_t pipe(const Connection& c, const Sender& sender) {
  const uint32_t left =
      uint32_t{sender.dup_acks} * c.snd_mss + sender.sent.sacked + sender.sent.lost;
  const uint32_t flight = c.flight();
  return flight > left ? flight - left : 0;
}

void send_control(TcpTurn& turn, Connection& c, Seq seq, uint8_t flags) {
  if (c.muted) {
    c.ack_now = true;
    c.ack_at = Instant::never();
    return;
  }
  SegmentHeader header = header_for(turn, c, seq, flags);
  if ((flags & kTcpSyn) != 0) {
    add_syn_options(turn.tcp, c, header);
  } else if ((flags & kTcpRst) == 0) {
    add_sack(turn.tcp, c, header);
    if (c.ece) header.flags |= kTcpEce;
  }
  acknowledged(turn, c);
  send_alone(turn.sink, c.leg, header, c.flow->tos);
}

void send_challenge_ack(TcpTurn& turn, Connection& c) {
  constexpr Tick kInterval = 500;
  const Tick now = Tcp::tick(turn.now);
  if (c.challenged && now - c.challenged_at < kInterval) return;
  if (!turn.tcp.challenges.allow(turn.now)) return;
  c.challenged = true;
  c.challenged_at = now;
  send_ack(turn, c);
}

bool send_new(TcpTurn& turn, Connection& c, uint32_t length) {
  Sender& sender = turn.tcp.senders[c.sender];
  const bool last = length == unsent(c);
  const bool fin = last && c.fin_wanted && usable_window(c) > length;
  SentRecord record;
  record.seq = c.flow->snd_nxt;
  record.length = length + fin;
  record.sent_at = turn.now;
  if (fin) record.flags = SentRecord::kFin;
  if (!append_record(sender.sent, turn.tcp.sent, record)) return false;
  DataSegment data{record.seq, length, kTcpAck, true};
  if (last && length > 0) data.flags |= kTcpPsh;
  if (fin) data.flags |= kTcpFin;
  // Sent data is at an offset before snd_nxt.
  c.flow->snd_nxt += record.length;
  c.fin_sent = c.fin_sent || fin;
  if (!sender.unanswered) {
    sender.unanswered = true;
    sender.unanswered_since = Tcp::tick(turn.now);
  }
  if (sender.recovery == Recovery::recovery) sender.prr_out += record.length;
  send_data(turn, c, data);
  return true;
}

void retransmit(TcpTurn& turn, Connection& c, SentPool::Handle handle, uint32_t limit) {
  Sender& sender = turn.tcp.senders[c.sender];
  const uint32_t whole = turn.tcp.sent[handle].length;
  const uint32_t mss = c.snd_mss;
  const uint32_t most = std::min(largest_segment(c), std::max(limit / mss * mss, mss));
  const bool too_long = whole - turn.tcp.sent[handle].has(SentRecord::kFin) > most;
  // Without a record for the rest, only the beginning goes.
  const bool cut_short = too_long && !split_record(sender.sent, turn.tcp.sent, handle, most);
  SentRecord& record = turn.tcp.sent[handle];
  unmark_lost(sender.sent, record);
  record.flags |= SentRecord::kRetransmitted | (cut_short ? SentRecord::kCutShort : 0);
  record.sent_at = turn.now;
  const bool fin = record.has(SentRecord::kFin) && !cut_short;
  DataSegment data{record.seq, cut_short ? mss : record.length - fin, kTcpAck, false};
  if (fin) data.flags |= kTcpFin;
  const bool last = record.end() == c.flow->snd_nxt && unsent(c) == 0 && !cut_short;
  if (data.length > 0 && last) data.flags |= kTcpPsh;
  if (sender.undo != UndoPool::kNone) {
    Undo& undo = turn.tcp.undos[sender.undo];
    if (undo.retransmitted_at == 0) {
      undo.retransmitted_at = Tcp::timestamp(c.ts_offset, turn.now);
    }
    undo.unproven += static_cast<int32_t>((data.length + mss - 1) / mss);
  }
  if (sender.recovery == Recovery::recovery) sender.prr_out += record.length;
  send_data(turn, c, data);
}

void output(TcpTurn& turn, Connection& c) {
  if (c.muted) return;
  if (c.sender != SenderPool::kNone) {
    Sender& sender = turn.tcp.senders[c.sender];
    // RFC 5682 2.1 step 2b: new data instead, where there is some.
    const bool try_new = sender.frto_probing && unsent(c) > 0 && usable_window(c) > 0;
    if (!try_new) retransmit_lost(turn, c, sender);
    if (try_new || sender.sent.lost == 0) send_all_new(turn, c, sender);
    arm_retransmission(turn, c);
  }
  if (c.ack_now) send_ack(turn, c);
}

}  // namespace sluice
