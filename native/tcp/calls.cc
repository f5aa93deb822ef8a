#include "tcp/calls.h"

#include <algorithm>

#include "tcp/life.h"
#include "tcp/output.h"
#include "tcp/segment_header.h"
#include "tcp/timers.h"
#include "tcp/window.h"

namespace sluice {

namespace {

void became_active(TcpTurn& turn, Connection& c) {
  set_active(turn.tcp, c, true);
  if (c.idle_at == Instant::never()) arm_idle(turn, c);
}

bool takes_bytes(const Connection& c) {
  return !c.fin_wanted && (may_send(c.state()) || c.state() == ConnectionState::syn_sent ||
                           c.state() == ConnectionState::syn_received);
}

bool is_over(const Connection& c) {
  return c.state() == ConnectionState::time_wait || c.state() == ConnectionState::closed;
}

// Bytes have joined the send queue.
void queued(TcpTurn& turn, Connection& c) {
  // Whoever answers carries the ACK along: no need to acknowledge at once.
  c.quick_acks = 0;
  if (c.opened) became_active(turn, c);
  if (c.opened) output(turn, c);
}

// Bytes have left the receive buffer: the peer hears of the room, where it is worth it.
TcpEvents bytes_were_read(TcpTurn& turn, Connection& c) {
  if (is_over(c)) return release_when_read(turn.tcp, c);
  renew_share(turn.tcp, c);
  if (may_receive(c.state()) && window_update_is_due(turn.tcp, c)) send_ack(turn, c);
  return {};
}

// A window that is scaled further could not tell of the smallest share but in few, large steps, or
// not at all.
uint8_t scale_like(const TcpConfig& config, uint8_t scale) {
  constexpr uint32_t kSteps = 8;
  while (scale > 0 && config.least_share >> scale < kSteps) --scale;
  return scale;
}

void be_like(const Likeness& like, const TcpConfig& config, Connection& c, Handshake& handshake) {
  c.flow->options &= like.options;
  c.flow->set_scales(0, scale_like(config, like.window_scale));
  if (like.iss) handshake.iss = *like.iss;
  // Nobody has the server send crumbs by offering next to nothing.
  c.told_mss = std::min(c.told_mss, std::max(like.mss, default_mss(c.ipv6)));
}

}  // namespace

Likeness likeness_of(const Connection& c, std::optional<Seq> irs) {
  const TcpFlow& flow = *c.flow;
  const size_t options = flow.agreed(TcpFlow::kTimestamps) ? kTimestampsSize : 0;
  return {irs, flow.options, flow.snd_wscale(), static_cast<uint16_t>(c.snd_mss + options)};
}

Connection* open_connection(TcpTurn& turn, TcpFlow& flow, LegIndex leg, const FlowKey& key,
                            const TcpPath& path, const Opening& opening) {
  Connection* c = begin_connection(turn, flow, leg, key, path);
  if (c == nullptr) return nullptr;
  const TcpConfig& config = turn.tcp.config;
  Handshake& handshake = turn.tcp.handshakes[c->handshake];
  flow.options = config.offer;
  flow.set_scales(0, turn.tcp.window_scale());
  if (opening.like) be_like(*opening.like, config, *c, handshake);
  const bool is_beyond = opening.like && opening.like->iss > opening.beyond;
  if (opening.beyond && !is_beyond) begin_beyond(turn.tcp, *c, *opening.beyond);
  const bool other_asked = opening.like && (opening.like->options & TcpFlow::kEcn) != 0;
  if (config.ecn == EcnMode::ask || (config.ecn == EcnMode::accept && other_asked)) {
    flow.options |= TcpFlow::kEcn;
    handshake.ask_ecn = true;
  }
  flow.state = ConnectionState::syn_sent;
  send_syn(turn, *c);
  return c;
}

uint32_t send_room(const Tcp& tcp, const Connection& c) {
  if (!takes_bytes(c)) return 0;
  const uint32_t share = tcp.share();
  return share > c.send_queue.size ? share - c.send_queue.size : 0;
}

uint32_t send(TcpTurn& turn, Connection& c, ConstByteSpan bytes) {
  const size_t most = std::min<size_t>(bytes.size(), send_room(turn.tcp, c));
  const uint32_t taken = turn.tcp.buffers.append(c.send_queue, bytes.first(most));
  if (taken > 0) queued(turn, c);
  return taken;
}

void send_promised(TcpTurn& turn, Connection& c, ConstByteSpan bytes) {
  if (!takes_bytes(c)) return;
  turn.tcp.buffers.append_promised(c.send_queue, bytes);
  queued(turn, c);
}

Received receive(TcpTurn& turn, Connection& c, ByteSpan to) {
  Received received;
  received.bytes = turn.tcp.buffers.peek(c.receive_queue, to);
  if (received.bytes == 0) return received;
  turn.tcp.buffers.drop_front(c.receive_queue, received.bytes);
  received.events = bytes_were_read(turn, c);
  return received;
}

// What has an end is taken whole: it needs no more memory there than here, and no reset behind the
// end takes any of it along (PROXY-14).
Received push(TcpTurn& turn, Connection& from, Connection& to, uint32_t headroom, uint32_t limit) {
  Received pushed;
  const uint32_t room = send_room(turn.tcp, to);
  const bool whole = !may_receive(from.state()) && takes_bytes(to);
  const uint32_t most = whole             ? from.receive_queue.size
                        : room > headroom ? std::min(from.receive_queue.size, room - headroom)
                                          : 0;
  pushed.bytes = turn.tcp.buffers.move(from.receive_queue, to.send_queue, std::min(most, limit));
  if (pushed.bytes == 0) return pushed;
  became_active(turn, to);
  output(turn, to);
  pushed.events = bytes_were_read(turn, from);
  return pushed;
}

TcpEvents close_sending(TcpTurn& turn, Connection& c) {
  switch (c.state()) {
    case ConnectionState::syn_sent: return end_connection(turn.tcp, c, 0);
    case ConnectionState::syn_received: c.fin_wanted = true; return {};  // when it is open
    case ConnectionState::established: c.flow->state = ConnectionState::fin_wait_1; break;
    case ConnectionState::close_wait: c.flow->state = ConnectionState::last_ack; break;
    default: return {};
  }
  c.fin_wanted = true;
  output(turn, c);
  return {};
}

TcpEvents close(TcpTurn& turn, Connection& c) {
  if (is_over(c)) {
    c.abandoned = true;
    return release_when_read(turn.tcp, c);
  }
  if (!c.receive_queue.empty()) return abort(turn, c);
  c.abandoned = true;
  if (c.waits_for_fin()) c.last_received = Tcp::tick(turn.now);
  const TcpEvents events = close_sending(turn, c);
  if (!events.has(TcpEvents::kReleased)) arm_idle(turn, c);
  return events;
}

// RFC 9293 3.10.5: a peer that knows of the connection hears of it.
TcpEvents abort(TcpTurn& turn, Connection& c) {
  if (is_over(c)) return close(turn, c);
  const bool told = c.state() != ConnectionState::syn_sent &&
                    c.state() != ConnectionState::closing && c.state() != ConnectionState::last_ack;
  if (told) send_control(turn, c, c.flow->snd_nxt, kTcpRst | kTcpAck);
  return end_connection(turn.tcp, c, 0);
}

void set_no_delay(TcpTurn& turn, Connection& c, bool on) {
  c.no_delay = on;
  if (on && c.opened && !is_over(c)) output(turn, c);
}

void set_keep_alive(TcpTurn& turn, Connection& c, uint16_t idle_seconds) {
  c.keep_alive = idle_seconds;
  c.probes = 0;
  arm_idle(turn, c);
}

}  // namespace sluice
