#include "tcp/path_mtu.h"

#include <algorithm>

#include "tcp/output.h"
#include "tcp/window.h"

namespace sluice {

namespace {

uint16_t least_mtu(const Connection& c) { return c.ipv6 ? 1280 : 552; }

// RFC 1191 7.1: the next plateau below, for routers that do not tell.
uint16_t plateau_below(uint16_t mtu) {
  constexpr uint16_t kPlateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1280, 1006, 552};
  for (const uint16_t plateau : kPlateaus) {
    if (plateau < mtu) return plateau;
  }
  return 552;
}

void lower_mtu(Connection& c, uint16_t mtu) {
  c.mtu = std::max(mtu, least_mtu(c));
  const uint16_t options = own_mss(c);
  c.snd_mss = std::min(c.snd_mss, payload_of(c, options));
}

}  // namespace

void packet_was_too_big(TcpTurn& turn, Connection& c, Seq quoted, uint16_t mtu) {
  const bool in_flight = quoted >= c.snd_una && quoted < c.flow->snd_nxt;
  if (!in_flight || c.sender == SenderPool::kNone) return;
  const uint16_t told = mtu == 0 ? plateau_below(c.mtu) : mtu;
  const uint16_t before = c.snd_mss;
  if (told >= c.mtu) return;
  lower_mtu(c, told);
  if (c.snd_mss == before) return;
  Sender& sender = turn.tcp.senders[c.sender];
  for (auto handle = sender.sent.head; handle != SentPool::kNone;) {
    SentRecord& record = turn.tcp.sent[handle];
    if (record.length > c.snd_mss) mark_lost(sender.sent, record);
    handle = record.next;
  }
  output(turn, c);
}

void suspect_black_hole(TcpTurn& turn, Connection& c) {
  Sender& sender = turn.tcp.senders[c.sender];
  if (sender.sent.empty() || turn.tcp.sent[sender.sent.head].length < c.snd_mss) return;
  if (c.mtu > least_mtu(c)) lower_mtu(c, c.mtu > 1280 ? 1280 : least_mtu(c));
}

}  // namespace sluice
