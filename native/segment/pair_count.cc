// The part of Connections for spliced pairs that are let go for so many bytes (SOCK-15 to SOCK-17):
// what passes is counted by the numbers of its segments, so what is repeated counts once, and the
// segment in which the last byte stands is cut behind it.

#include <algorithm>

#include "flow/tcp_track.h"
#include "packet/l4_checksum.h"
#include "segment/connections.h"
#include "segment/transition_headers.h"

namespace sluice {

namespace {

// Fewer bytes are sooner relayed than let go and taken back.
constexpr uint64_t kWorthWhile = 1'000'000;

}  // namespace

// Whose count the bytes of a socket are part of; nullptr where they are not counted.
Socket* Connections::counter_of(Socket& from) {
  if (from.count == RelayCount::none) return nullptr;
  return from.count == RelayCount::shared ? &sockets_[from.target] : &from;
}

// Whether a pair that may be spliced is to be.
bool Connections::is_worth_while(Socket& client, Socket& server) {
  for (Socket* from : {&client, &server}) {
    const Socket* counter = counter_of(*from);
    if (counter == nullptr || from->depth == RelayDepth::splice) continue;
    if (counter->left < kWorthWhile) return false;
  }
  return true;
}

// Nobody who guesses ends a count.
bool Connections::is_believable(LegIndex leg, const TcpSegment& segment) {
  TrackedSegment tracked;
  tracked.flags = segment.flags;
  tracked.seq = (segment.seq - received_shift(leg)).raw();
  // While the pair drains, what is ours counts as acknowledged (3.3 rule 3).
  const Connection* c = connection_of(sockets_[spliced_[pair_of(leg)].places[leg & 1]]);
  const bool drains = stage_of(pair_of(leg)) == PairStage::draining;
  const Seq ack = drains ? std::max(segment.ack, c->flow->snd_nxt) : segment.ack;
  tracked.ack = (ack - sent_shift(leg)).raw();
  tracked.length = segment.length();
  return sluice::is_believable(flows_.table().leg(leg), flows_.table().leg(other_leg(leg)),
                               tracked);
}

// A packet of a counted pair that has more than what may still pass takes the pair back at the last
// byte of it. So does one that ends its direction, since there is no way back for a pair of which
// one half is left: the relay goes on counting. While the pair drains, or there is no room for its
// way back, what may not pass is left to its sender to repeat.
void Connections::stop_at_count(TcpTurn& turn, LegIndex leg, Packet& packet) {
  const PairIndex pair = pair_of(leg);
  const TcpSegment segment = read_segment(packet);
  if (segment.has(kTcpRst) || segment.has(kTcpSyn) || segment.length() == 0) return;
  const Socket* counter = counter_of(sockets_[spliced_[pair].places[leg & 1]]);
  const Seq passed = flows_.shown(leg).seq_end + received_shift(leg);
  const int32_t more = segment.end() - passed;
  const bool reaches =
      counter != nullptr && more > 0 && static_cast<uint32_t>(more) > counter->left;
  if (!reaches && !segment.has(kTcpFin)) return;
  // Nor would it be followed: so it does not pass.
  if (!is_believable(leg, segment)) return packet.drop(DropReason::outside_window);
  const auto left = reaches ? static_cast<uint32_t>(counter->left) : 0;
  flows_.advance(leg, left);
  count_spliced(turn.now, leg);
  const bool may_return = stage_of(pair) == PairStage::spliced && has_both_ways(pair);
  if (may_return && begin_return(turn, pair)) return;
  const Seq end = segment.end() - segment.has(kTcpFin);
  cut_behind(packet, segment, reaches ? passed + left : end);
}

// Bytes that went past the sockets since the last packet; its number tells.
void Connections::count_spliced(Instant now, LegIndex leg) {
  const PairSockets& spliced = spliced_[pair_of(leg)];
  const FlowEntry& entry = flows_.table().leg(leg);
  Socket& socket = sockets_[spliced.places[leg & 1]];
  const Seq end = Seq(entry.seq_end) - entry.tcp.has(LegTcpState::kFin);
  const int32_t bytes = end - socket.spliced_from;
  if (bytes <= 0) return;
  socket.spliced_from = end;
  socket.relayed.add(now, static_cast<uint32_t>(bytes));
  socket.received += static_cast<uint32_t>(bytes);
  sockets_[spliced.places[1 - (leg & 1)]].sent += static_cast<uint32_t>(bytes);
  if (Socket* counter = counter_of(socket); counter != nullptr) {
    counter->left -= std::min<uint64_t>(counter->left, static_cast<uint32_t>(bytes));
    if (counter->left > 0) return;
    for (const uint32_t place : spliced.places) sockets_[place].returns = true;
  }
}

// What of a segment is the sender's to deliver stays in it, and what it acknowledges.
void Connections::cut_behind(Packet& packet, const TcpSegment& segment, Seq boundary) {
  if (segment.seq > boundary) renumber(packet, boundary);
  keep_tcp_payload(packet, static_cast<uint32_t>(std::max(boundary - segment.seq, 0)));
}

}  // namespace sluice
