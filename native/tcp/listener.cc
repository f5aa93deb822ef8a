#include "tcp/listener.h"

#include "tcp/life.h"
#include "tcp/window.h"

namespace sluice {

namespace {

// RFC 3168 6.1.1: a SYN with both bits asks.
bool asks_for_ecn(const TcpSegment& syn) {
  return (syn.flags & (kTcpEce | kTcpCwr)) == (kTcpEce | kTcpCwr);
}

}  // namespace

Connection* syn_arrives(TcpTurn& turn, TcpFlow& flow, LegIndex leg, const FlowKey& key,
                        const TcpPath& path, const TcpSegment& syn, std::optional<Seq> beyond,
                        uint8_t window_kib) {
  if (!opens_connection(syn)) return nullptr;
  Connection* c = begin_connection(turn, flow, leg, key, path);
  if (c == nullptr) return nullptr;
  c->passive = true;
  c->window_kib = window_kib;
  renew_share(turn.tcp, *c);
  if (beyond) begin_beyond(turn.tcp, *c, *beyond);
  flow.options = turn.tcp.config.offer;
  flow.set_scales(0, turn.tcp.window_scale());
  if (turn.tcp.config.ecn != EcnMode::refuse && asks_for_ecn(syn)) flow.options |= TcpFlow::kEcn;
  take_syn(turn, *c, syn);
  flow.state = ConnectionState::syn_received;
  send_syn(turn, *c);
  return c;
}

}  // namespace sluice
