#pragma once

#include <cstdint>

#include "base/instant.h"
#include "tcp/block_pool.h"
#include "tcp/buffer_pool.h"
#include "tcp/congestion.h"
#include "tcp/reassembly.h"
#include "tcp/rtt.h"
#include "tcp/sent_list.h"
#include "tcp/tcp_flow.h"
#include "tcp/tcp_segment.h"

namespace sluice {

// The blocks that a connection holds, each only as long as its fields are needed (MEM-16, MEM-17):
//
//   TcpFlow     from the SYN to the end of TIME-WAIT; in the flow entry, then in a TimeWaitEntry
//   Connection  from the SYN to TIME-WAIT, or until the last byte was read
//   Handshake   from the SYN to ESTABLISHED
//   Sender      from ESTABLISHED until nothing can be sent or is unacknowledged
//   Undo        while in recovery
//   SentRecord  one for each segment in flight;  ReceivedRun  one for each run out of order

// What only the handshake needs.
struct Handshake {
  Seq iss, irs;
  Instant started;
  Instant sent_at;  // the SYN or SYN-ACK, the last time
  uint32_t rto = RttEstimate::kInitialRto;
  uint8_t sent = 0;  // how often
  bool ask_ecn : 1 = false;
  bool ended_earlier : 1 = false;  // by a RST, a connection that the peer had still
};
using HandshakePool = BlockPool<Handshake>;

// How the window was before a loss that may turn out to be none (RFC 4015, RFC 5682).
struct Undo {
  CongestionState before;
  Seq marker;                     // snd_una when it began
  Seq until;                      // D-SACKs tell of it until this is acknowledged
  uint32_t retransmitted_at = 0;  // TSval of the first retransmission since
  int32_t unproven = 0;           // retransmissions that no D-SACK has told to be needless
  bool from_timeout = false;
};
using UndoPool = BlockPool<Undo>;

// RFC 5681 and 6582 by the names of RFC 6937: `open` nothing is amiss; `recovery` a loss was found
// by acknowledgements; `loss` the retransmission timer went off.
enum class Recovery : uint8_t { open, recovery, loss };

// What `retransmit_at` is armed for.
enum class RetransmitTimer : uint8_t {
  none,
  rto,         // RFC 6298
  probe,       // a tail loss probe (RFC 8985 7)
  reordering,  // RACK waits whether something was overtaken (RFC 8985 6.2)
  persist,     // the window is too small to send (RFC 9293 3.8.6.1)
};

// What sending needs: round-trip times, the congestion window, what is in flight.
struct Sender {
  RttEstimate rtt;
  CongestionState congestion;
  SentList sent;
  BufferCursor cursor;  // in the send queue
  UndoPool::Handle undo = UndoPool::kNone;
  CongestionAlgorithm algorithm = CongestionAlgorithm::cubic;
  Recovery recovery = Recovery::open;
  uint8_t backoff = 0;        // how often the timer went off in a row (RFC 6298 5.5)
  uint8_t dup_acks = 0;       // of a peer without SACK (RFC 5681 3.2)
  Tick unanswered_since = 0;  // since when nothing made progress, while `unanswered`
  Seq recovery_point;         // snd_nxt when recovery began (RFC 6675, RFC 6582 `recover`)
  // RFC 6937.
  uint32_t prr_delivered = 0;
  uint32_t prr_out = 0;
  uint32_t recover_fs = 0;
  // RFC 8985: RACK.segment's time of sending and end, and what it was measured to take.
  Instant rack_sent_at;
  Seq rack_end;
  Seq rack_fack;  // the highest sequence number that was ever acknowledged, SACK included
  uint32_t rack_rtt = 0;
  Seq rack_dsack_round;
  uint8_t reo_wnd_mult = 1;
  uint8_t reo_wnd_persist = 0;
  bool reordering_seen : 1 = false;
  bool dsack_round : 1 = false;
  bool cwnd_limited : 1 = false;
  bool tlp_outstanding : 1 = false;    // a probe was sent, and snd_una is before tlp_end
  bool tlp_retransmitted : 1 = false;  // the probe repeated data
  bool unanswered : 1 = false;
  bool frto : 1 = false;          // RFC 5682: the time-out may be spurious
  bool frto_probing : 1 = false;  // the first ACK has come, new data goes
  Seq tlp_end;
  Seq cwr_point;  // RFC 3168 6.1.2: one reduction until this is acknowledged
};
using SenderPool = BlockPool<Sender>;

// The large half of a connection's control block. The worker that owns it calls; nobody else does.
struct Connection {
  TcpFlow* flow = nullptr;
  // Sending (RFC 9293 3.3.1). snd_nxt stands in the flow.
  ByteQueue send_queue;  // from snd_una on; the SYN and FIN are not in it
  Seq snd_una, snd_wl1, snd_wl2;
  uint32_t snd_wnd = 0;
  uint32_t max_snd_wnd = 0;
  // Receiving. rcv_nxt stands in the flow.
  ByteQueue receive_queue;  // in order and not yet read
  Reassembly reassembly;
  Seq rcv_adv;                  // the right edge that was offered; never moves left
  Seq last_ack_sent;            // RFC 7323
  SackBlock dsack{};            // to be told of in the next segment (RFC 2883); empty: none
  uint32_t unacknowledged = 0;  // bytes taken since the last ACK was sent
  uint32_t share = 0;           // of the buffer pool, each way
  // When a timer goes off; Instant::never() where it is not armed.
  Instant retransmit_at = Instant::never();  // RTO, probe, reordering, persist
  Instant ack_at = Instant::never();
  Instant idle_at = Instant::never();  // keep-alive, FIN-WAIT-2

  LegIndex leg = kNoLeg;
  HandshakePool::Handle handshake = HandshakePool::kNone;
  SenderPool::Handle sender = SenderPool::kNone;
  Tick last_received = 0;
  Tick last_sent = 0;
  Tick challenged_at = 0;  // RFC 5961 7: when the last ACK for nonsense went out
  uint32_t ts_offset = 0;
  uint32_t gso_limit = 0;  // payload of the largest super-packet; 0: the port takes none
  uint16_t mtu = 1500;
  uint16_t snd_mss = 536;   // payload of a full segment, options taken off
  uint16_t rcv_mss = 536;   // the largest payload seen, for delayed acknowledgement
  uint8_t quick_acks = 0;   // segments still to be acknowledged at once
  uint8_t probes = 0;       // keep-alive or window probes without an answer
  uint16_t keep_alive = 0;  // idle seconds until the peer is probed; 0: never
  RetransmitTimer retransmit_timer = RetransmitTimer::none;
  uint8_t window_kib = 0;  // of the receive buffer, at most so many KiB; 0: its share
  Seq fin_at;              // where the peer's FIN stands, once it is known

  bool ipv6 : 1 = false;
  bool passive : 1 = false;
  bool no_delay : 1 = false;    // Nagle is off
  bool fin_wanted : 1 = false;  // the user sends no more
  bool fin_sent : 1 = false;
  bool fin_known : 1 = false;     // it has come; behind a gap, perhaps
  bool fin_received : 1 = false;  // and in its turn
  bool abandoned : 1 = false;     // the user reads no more: new data is answered by RST
  bool ack_now : 1 = false;
  bool ece : 1 = false;         // a CE mark is to be echoed (RFC 3168 6.1.3)
  bool cwr : 1 = false;         // the window was reduced; the next new data says so
  bool active : 1 = false;      // counts when the buffer pool is shared out
  bool challenged : 1 = false;  // challenged_at is valid
  bool opened : 1 = false;      // reached ESTABLISHED
  bool frozen : 1 = false;      // offers no further room than it has
  bool muted : 1 = false;       // sends nothing: what it would say is not true yet

  uint16_t told_mss = 0;  // in our SYN: the largest segment that the peer may send
  uint32_t taken = 0;     // bytes that have come in order, as far as the window goes by them

  ConnectionState state() const { return flow->state; }
  // The user has gone, and the peer only has to close (TCPX-46). `last_received` is when it began.
  bool waits_for_fin() const { return state() == ConnectionState::fin_wait_2 && abandoned; }
  uint32_t flight() const { return static_cast<uint32_t>(flow->snd_nxt - snd_una); }
  // What the peer may still send.
  uint32_t rcv_wnd() const {
    const int32_t left = rcv_adv - flow->rcv_nxt;
    return left > 0 ? static_cast<uint32_t>(left) : 0;
  }
};
static_assert(sizeof(Connection) + sizeof(Sender) <= 320, "MEM-03: the connection block");
using ConnectionPool = BlockPool<Connection>;

}  // namespace sluice
