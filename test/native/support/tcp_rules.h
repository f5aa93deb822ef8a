// What holds of a TCP at any time: in what it sends, and in what it remembers.
#pragma once

#include <algorithm>
#include <string>

#include "support/tcp_host.h"

namespace sluice::test {

// What no TCP may do, seen by what one side sends (TCPX-22, TCPX-24).
class SenderRules {
 public:
  // Empty, or what was broken.
  std::string check(Packet packet) {
    if (!take_tcp(packet)) return "sent what is no sound TCP packet";
    const TcpSegment segment = read_segment(packet);
    if (segment.has(kTcpSyn)) {  // of this connection, or of the next
      scale_ = segment.window_scale;
      seen_ = acked_ = false;
    }
    if (segment.has(kTcpRst)) return {};
    end_ = seen_ ? std::max(end_, segment.end()) : segment.end();
    if (!segment.has(kTcpAck)) return seen_ = true, std::string();
    const bool scaled = !segment.has(kTcpSyn) && scales_both && scale_ != kNoWindowScale;
    const Seq edge = segment.ack + (uint32_t{segment.window} << (scaled ? scale_ : 0));
    if (acked_ && edge < edge_) return "took window back";
    if (acked_ && segment.ack < ack_) return "took an acknowledgement back";
    edge_ = edge;
    ack_ = segment.ack;
    acked_ = seen_ = true;
    return {};
  }
  bool acked() const { return acked_; }
  Seq ack() const { return ack_; }
  Seq end() const { return end_; }

  bool scales_both = false;

 private:
  uint8_t scale_ = kNoWindowScale;
  bool seen_ = false;
  bool acked_ = false;
  Seq edge_, ack_, end_;
};

// What of a connection's fields must fit together, whatever came.
inline void check_connection(Tcp& tcp, const Connection& c) {
  const TcpFlow& flow = *c.flow;
  SLUICE_CHECK(c.rcv_adv >= flow.rcv_nxt || !is_synchronized(flow.state));
  Seq edge = flow.rcv_nxt;
  uint32_t runs = 0;
  for (auto handle = c.reassembly.first; handle != RunPool::kNone; handle = tcp.runs[handle].next) {
    const ReceivedRun& run = tcp.runs[handle];
    SLUICE_CHECK(run.start > edge && !run.bytes.empty());
    edge = run.end();
    ++runs;
  }
  SLUICE_CHECK(runs == c.reassembly.runs && edge <= std::max(c.rcv_adv, flow.rcv_nxt));
  if (c.sender == SenderPool::kNone) return;
  SLUICE_CHECK(c.snd_una <= flow.snd_nxt);
  SLUICE_CHECK(c.flight() <= c.send_queue.size + c.fin_sent);
  const SentList& sent = tcp.senders[c.sender].sent;
  Seq seq = c.snd_una;
  uint32_t count = 0, sacked = 0, lost = 0;
  for (auto handle = sent.head; handle != SentPool::kNone; handle = tcp.sent[handle].next) {
    const SentRecord& record = tcp.sent[handle];
    SLUICE_CHECK(record.seq == seq && record.length > 0);
    SLUICE_CHECK(!(record.has(SentRecord::kSacked) && record.has(SentRecord::kLost)));
    seq += record.length;
    ++count;
    if (record.has(SentRecord::kSacked)) sacked += record.length;
    if (record.has(SentRecord::kLost)) lost += record.length;
  }
  SLUICE_CHECK(seq == flow.snd_nxt && count == sent.count);
  SLUICE_CHECK(sacked == sent.sacked && lost == sent.lost);
  // Something is awaited, or there is nothing to do.
  const bool waits = c.flight() > 0 || !c.send_queue.empty();
  SLUICE_CHECK(!waits || deadline(c) != Instant::never());
}

// Nothing is in use.
inline bool pools_are_empty(const Tcp& tcp) {
  return tcp.connections.used() == 0 && tcp.handshakes.used() == 0 && tcp.senders.used() == 0 &&
         tcp.sent.used() == 0 && tcp.runs.used() == 0 && tcp.undos.used() == 0 &&
         tcp.buffers.chunks_in_use() == 0 && tcp.active == 0;
}

}  // namespace sluice::test
