#include "segment/splice_offsets.h"

#include <algorithm>

#include "bus/streams.h"
#include "tcp/calls.h"
#include "tcp/life.h"
#include "tcp/output.h"
#include "tcp/tcp.h"
#include "tcp/window.h"

namespace sluice {

namespace {

// What headers cannot be rewritten for. SACK and windows can: who has more of them keeps it.
constexpr uint8_t kAlike = TcpFlow::kTimestamps | TcpFlow::kEcn;

// Milliseconds by which an end's clock is told to be ahead of ours where it follows it: what it
// sends is newer than all that we have sent, however unevenly it comes (PAWS).
constexpr uint32_t kAhead = 16;

// The payload of the largest segment that the peer may send.
uint16_t largest_from(const Connection& c) { return payload_of(c, c.told_mss); }

// Where two clocks meet: what is to be added to what the one sends.
uint32_t clock_offset(const Connection& from, const Connection& to, Instant now) {
  return Tcp::timestamp(to.ts_offset, now) + kAhead - from.flow->ts_recent;
}

}  // namespace

uint8_t block_between(const Connection& client, const Connection& server) {
  if (((client.flow->options ^ server.flow->options) & kAlike) != 0) return SpliceBlock::options;
  if (largest_from(client) > server.snd_mss || largest_from(server) > client.snd_mss) {
    return SpliceBlock::fragmenting;
  }
  for (const Connection* each : {&client, &server}) {
    if (!each->receive_queue.empty() || !each->reassembly.empty()) return SpliceBlock::buffered;
    if (unsent(*each) > 0) return SpliceBlock::inflight;
  }
  const bool covered = edge_across(server, client) >= client.rcv_adv &&
                       edge_across(client, server) >= server.rcv_adv;
  return covered ? SpliceBlock::none : SpliceBlock::window;
}

// No node makes clients send crumbs by taking next to nothing, and no client others: a size that
// merely repeats the smaller one that the server was told says nothing of the server.
OfferLimits limits_shown(const Connection& client, const Connection& server) {
  OfferLimits shown;
  const auto missing = static_cast<uint8_t>(client.flow->options & ~server.flow->options);
  shown.options = static_cast<uint8_t>(~(missing & kAlike));
  const uint16_t mss = likeness_of(server, std::nullopt).mss;
  const bool repeated = mss == server.told_mss && mss < own_mss(server);
  if (!repeated) shown.mss = std::max(mss, default_mss(server.ipv6));
  return shown;
}

Seq edge_across(const Connection& from, const Connection& to) {
  const uint8_t scale = to.flow->rcv_wscale();
  const uint32_t field = std::min<uint32_t>(usable_window(from) >> scale, 65535);
  return to.flow->rcv_nxt + (field << scale);
}

TcpOffsets offsets_between(const Connection& client, const Connection& server, Instant now) {
  const TcpFlow& c = *client.flow;
  const TcpFlow& s = *server.flow;
  TcpOffsets offsets;
  offsets.seq = s.snd_nxt.raw() - c.rcv_nxt.raw();
  offsets.ack = s.rcv_nxt.raw() - c.snd_nxt.raw();
  if (c.agreed(TcpFlow::kTimestamps)) {
    offsets.tsval = clock_offset(client, server, now);
    offsets.tsecr = 0 - clock_offset(server, client, now);
  }
  offsets.window_shift = static_cast<int8_t>(c.snd_wscale() - s.rcv_wscale());
  offsets.reply_window_shift = static_cast<int8_t>(s.snd_wscale() - c.rcv_wscale());
  offsets.strip_sack = !c.agreed(TcpFlow::kSack) || !s.agreed(TcpFlow::kSack);
  return offsets;
}

Flows::Shown shown_by(const Connection& c, Seq seq_end, uint32_t behind) {
  const Seq acked = c.snd_una - behind;
  return {seq_end, acked, acked + c.snd_wnd, c.flow->snd_wscale(), c.flow->ts_recent};
}

}  // namespace sluice
