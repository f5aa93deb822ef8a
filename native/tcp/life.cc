#include "tcp/life.h"

#include <algorithm>

#include "tcp/output.h"
#include "tcp/timers.h"
#include "tcp/window.h"

namespace sluice {

namespace {

void disarm_all(Connection& c) {
  c.retransmit_timer = RetransmitTimer::none;
  c.retransmit_at = c.ack_at = c.idle_at = Instant::never();
}

void release_parts(Tcp& tcp, Connection& c) {
  tcp.handshakes.give_back(c.handshake);
  release_sender(tcp, c);
  forget_runs(c.reassembly, tcp.runs, tcp.buffers);
  disarm_all(c);
}

// Nothing is in flight (RFC 6928).
Sender& begin_sending(Tcp& tcp, Connection& c) {
  c.sender = tcp.senders.take();  // there are as many as connections
  Sender& sender = tcp.senders[c.sender];
  sender.algorithm = tcp.config.congestion;
  sender.rack_end = sender.rack_fack = sender.cwr_point = sender.recovery_point = c.snd_una;
  sender.rack_dsack_round = sender.tlp_end = c.snd_una;
  sender.congestion.cwnd = initial_window(c.snd_mss);
  return sender;
}

void release_block(Tcp& tcp, Connection& c) {
  set_active(tcp, c, false);
  tcp.buffers.clear(c.receive_queue);
  tcp.buffers.clear(c.send_queue);
  ConnectionPool::Handle handle = tcp.connections.handle_of(c);
  c.flow = nullptr;
  tcp.connections.give_back(handle);
}

}  // namespace

Connection* begin_connection(TcpTurn& turn, TcpFlow& flow, LegIndex leg, const FlowKey& key,
                             const TcpPath& path) {
  Tcp& tcp = turn.tcp;
  ConnectionPool::Handle handle = tcp.connections.take();
  if (handle == ConnectionPool::kNone) return nullptr;
  Connection& c = tcp.connections[handle];
  c.handshake = tcp.handshakes.take();
  if (c.handshake == HandshakePool::kNone) {
    tcp.connections.give_back(handle);
    return nullptr;
  }
  flow = TcpFlow{};
  c.flow = &flow;
  c.leg = leg;
  c.ipv6 = !key.src.is_v4();
  c.mtu = path.mtu;
  c.gso_limit = path.gso_limit;
  c.ts_offset = tcp.timestamp_offset(key);
  c.last_received = c.last_sent = Tcp::tick(turn.now);
  c.quick_acks = tcp.config.quick_acks;
  c.told_mss = own_mss(c);
  c.snd_mss = c.rcv_mss = default_mss(c.ipv6);
  c.share = tcp.share();
  Handshake& handshake = tcp.handshakes[c.handshake];
  handshake.started = turn.now;
  handshake.iss = tcp.initial_sequence(key, turn.now);
  return &c;
}

void begin_beyond(Tcp& tcp, Connection& c, Seq earlier) {
  constexpr uint32_t kApart = 65535 + 2;  // a window that is not scaled, and the SYN and FIN
  tcp.handshakes[c.handshake].iss = earlier + kApart;
}

uint8_t options_of(const TcpSegment& syn) {
  uint8_t told = TcpFlow::kEcn;
  if (syn.has_timestamps) told |= TcpFlow::kTimestamps;
  if (syn.sack_permitted) told |= TcpFlow::kSack;
  if (syn.window_scale != kNoWindowScale) told |= TcpFlow::kWindowScale;
  return told;
}

void take_syn(TcpTurn& turn, Connection& c, const TcpSegment& syn) {
  TcpFlow& flow = *c.flow;
  flow.options &= options_of(syn);
  if (!flow.agreed(TcpFlow::kWindowScale)) {
    flow.set_scales(0, 0);
  } else {
    flow.set_scales(syn.window_scale, flow.rcv_wscale());
  }
  if (flow.agreed(TcpFlow::kTimestamps)) {
    flow.ts_recent = syn.tsval;
    flow.ts_recent_age = Tcp::tick(turn.now);
  }
  flow.rcv_nxt = syn.seq + 1;
  turn.tcp.handshakes[c.handshake].irs = syn.seq;
  c.rcv_adv = flow.rcv_nxt + flow.window;  // what a SYN of ours has offered
  c.last_ack_sent = flow.rcv_nxt;
  c.snd_wnd = syn.window;  // never scaled in a SYN
  c.max_snd_wnd = std::max(c.max_snd_wnd, c.snd_wnd);
  c.snd_wl1 = syn.seq;
  c.snd_mss = payload_of(c, syn.mss != 0 ? syn.mss : default_mss(c.ipv6));
  c.rcv_mss = std::min(c.snd_mss, payload_of(c, c.told_mss));
}

void send_syn(TcpTurn& turn, Connection& c) {
  Handshake& handshake = turn.tcp.handshakes[c.handshake];
  handshake.sent_at = turn.now;
  if (handshake.sent < UINT8_MAX) ++handshake.sent;
  const uint8_t flags = c.state() == ConnectionState::syn_sent ? kTcpSyn : kTcpSyn | kTcpAck;
  send_control(turn, c, handshake.iss, flags);
  c.flow->snd_nxt = handshake.iss + 1;
  arm_handshake(turn, c);
}

void establish(TcpTurn& turn, Connection& c, const TcpSegment& segment) {
  Tcp& tcp = turn.tcp;
  Handshake& handshake = tcp.handshakes[c.handshake];
  c.snd_una = handshake.iss + 1;
  Sender& sender = begin_sending(tcp, c);
  if (handshake.sent == 1) {
    sender.rtt.measure(turn.now - handshake.sent_at, tcp.config.min_rto, tcp.config.max_rto);
  } else if (handshake.sent > 1) {
    // RFC 6298 5.7 and RFC 5681 3.1: a SYN that was lost is a warning.
    sender.rtt.rto = 3'000'000;
    sender.congestion.cwnd = c.snd_mss;
  }
  tcp.handshakes.give_back(c.handshake);
  disarm_all(c);
  // A CLOSE that came before is carried out now (RFC 9293 3.10.4).
  c.flow->state = c.fin_wanted ? ConnectionState::fin_wait_1 : ConnectionState::established;
  c.opened = true;
  const uint8_t scale = segment.has(kTcpSyn) ? 0 : c.flow->snd_wscale();
  c.snd_wnd = uint32_t{segment.window} << scale;
  c.max_snd_wnd = std::max(c.max_snd_wnd, c.snd_wnd);
  c.snd_wl1 = segment.seq;
  c.snd_wl2 = segment.ack;
  set_active(tcp, c, true);
  arm_idle(turn, c);
}

void release_sender(Tcp& tcp, Connection& c) {
  if (c.sender == SenderPool::kNone) return;
  Sender& sender = tcp.senders[c.sender];
  clear_records(sender.sent, tcp.sent);
  tcp.undos.give_back(sender.undo);
  tcp.senders.give_back(c.sender);
  c.retransmit_timer = RetransmitTimer::none;
  c.retransmit_at = Instant::never();
}

TcpEvents close_in_order(Tcp& tcp, Connection& c, ConnectionState state) {
  c.flow->state = state;
  release_parts(tcp, c);
  set_active(tcp, c, false);  // nothing moves any more, whoever still reads
  TcpEvents events;
  events.set(state == ConnectionState::time_wait ? TcpEvents::kTimeWait : TcpEvents::kFinished);
  events.set(release_when_read(tcp, c).bits);
  return events;
}

TcpEvents release_when_read(Tcp& tcp, Connection& c) {
  TcpEvents events;
  if (!c.receive_queue.empty() && !c.abandoned) return events;
  release_block(tcp, c);
  events.set(TcpEvents::kReleased);
  return events;
}

TcpEvents end_connection(Tcp& tcp, Connection& c, uint16_t why) {
  c.flow->state = ConnectionState::closed;
  release_parts(tcp, c);
  release_block(tcp, c);
  TcpEvents events;
  events.set(why | TcpEvents::kFinished | TcpEvents::kReleased);
  return events;
}

void release_connection(Tcp& tcp, Connection& c) {
  release_parts(tcp, c);
  release_block(tcp, c);
}

Connection* resume_connection(TcpTurn& turn, TcpFlow& flow, LegIndex leg, bool ipv6,
                              const TcpPath& path, const Resumption& from) {
  Tcp& tcp = turn.tcp;
  const ConnectionPool::Handle handle = tcp.connections.take();
  if (handle == ConnectionPool::kNone) return nullptr;
  Connection& c = tcp.connections[handle];
  flow = from.flow;
  c.flow = &flow;
  c.leg = leg;
  c.ipv6 = ipv6;
  c.mtu = path.mtu;
  c.gso_limit = path.gso_limit;
  c.ts_offset = from.ts_offset;
  c.last_received = c.last_sent = Tcp::tick(turn.now);
  c.snd_mss = c.rcv_mss = from.snd_mss;
  c.told_mss = from.told_mss;
  c.share = tcp.share();
  // What it was offered it keeps.
  c.rcv_adv = from.rcv_adv;
  c.last_ack_sent = flow.rcv_nxt;
  c.snd_una = c.snd_wl2 = flow.snd_nxt;
  c.snd_wl1 = flow.rcv_nxt;
  c.snd_wnd = c.max_snd_wnd = from.snd_wnd;
  c.opened = c.muted = true;
  begin_sending(tcp, c);
  return &c;
}

void set_active(Tcp& tcp, Connection& c, bool active) {
  if (c.active == active) return;
  c.active = active;
  tcp.active += active ? 1 : -1;
}

}  // namespace sluice
