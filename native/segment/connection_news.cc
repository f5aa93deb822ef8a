// The part of Connections that tells sockets what is new to them: opened, bytes, room to write,
// ends. What finds no room in the ring is told later, and nothing is lost: bytes stay in their
// receive buffer, all else is a bit of the socket.

#include <algorithm>

#include "bus/signature.h"
#include "segment/connections.h"
#include "tcp/calls.h"

namespace sluice {

namespace {

// Of one Data message: whoever has room for 64 KiB has room for it.
constexpr uint32_t kMostBytes = 65536 - DataView::kSize;
// A socket hears of room to write when there is so much of it, or it has none.
constexpr uint32_t kWorthTelling = 16 * 1024;
constexpr uint32_t kMostPromised = 2048 * 1024;

uint16_t options_of(const TcpFlow& flow) {
  uint16_t options = 0;
  if (flow.agreed(TcpFlow::kTimestamps)) options |= SocketOptions::timestamps;
  if (flow.agreed(TcpFlow::kSack)) options |= SocketOptions::sack;
  if (flow.agreed(TcpFlow::kWindowScale)) options |= SocketOptions::window_scale;
  if (flow.agreed(TcpFlow::kEcn)) options |= SocketOptions::ecn;
  return options;
}

}  // namespace

template <class View>
bool Connections::say(uint32_t place) {
  if (!to_sockets_.has_room(View::kSize)) return false;
  begin<View>(sockets_.id_of(place));
  to_sockets_.commit();
  return true;
}

void Connections::list(uint32_t place) {
  Socket& socket = sockets_[place];
  if (socket.listed) return;
  socket.listed = true;
  socket.next = 0;
  (first_listed_ == 0 ? first_listed_ : sockets_[last_listed_].next) = place;
  last_listed_ = place;
}

void Connections::tell(Instant now) {
  TcpTurn turn = at(now);
  full_ = false;
  while (first_listed_ != 0) {
    const uint32_t place = first_listed_;
    Socket& socket = sockets_[place];
    if (!socket.forgotten && !tell_socket(turn, place)) {
      full_ = true;
      break;
    }
    first_listed_ = socket.next;
    socket.listed = false;
    if (socket.forgotten) sockets_.give_back(place);
  }
  frames_.flush();
}

// False where there was no room for all of it.
bool Connections::tell_socket(TcpTurn& turn, uint32_t place) {
  Socket& socket = sockets_[place];
  if ((socket.news & Socket::kOpened) && !tell_opened(place)) return false;
  if (!socket.known) return true;  // its handshake is not over
  if (socket.news & Socket::kUnrelayed) {
    if (!to_sockets_.has_room(UnrelayedView::kSize)) return false;
    begin<UnrelayedView>(sockets_.id_of(place)).set_bytes(socket.relayed);
    to_sockets_.commit();
    socket.news &= static_cast<uint8_t>(~Socket::kUnrelayed);
    told_ = true;
  }
  if (!tell_bytes(turn, place) || !grant(place)) return false;
  if (socket.news & Socket::kHeld) {
    if (!say<HeldView>(place)) return false;
    socket.news &= static_cast<uint8_t>(~Socket::kHeld);
    told_ = true;
  }
  if (!(socket.news & Socket::kClosed)) return true;
  if (!to_sockets_.has_room(ClosedView::kSize)) return false;
  ClosedView closed = begin<ClosedView>(sockets_.id_of(place));
  closed.set_reason(socket.end);
  closed.set_bytes_received(socket.received);
  closed.set_bytes_sent(socket.sent);
  to_sockets_.commit();
  told_ = true;
  socket.news = 0;
  return true;
}

bool Connections::tell_opened(uint32_t place) {
  if (!to_sockets_.has_room(AcceptedView::kSize)) return false;
  Socket& socket = sockets_[place];
  socket.news &= static_cast<uint8_t>(~Socket::kOpened);
  const Connection* c = connection_of(socket);
  if (c == nullptr) {
    // It was over before anybody could hear of it.
    socket.forgotten = socket.passive;
    return true;
  }
  // Accepted and Connected differ in their code alone.
  AcceptedView opened = begin<AcceptedView>(sockets_.id_of(place));
  if (!socket.passive) opened.set_msg_type(ConnectedView::kCode);
  const FlowKey key = flows_.table().key_of(socket.leg);
  opened.set_serial(socket.serial);
  opened.set_remote_ipaddr(key.src);
  opened.set_local_ipaddr(key.dst);
  opened.set_remote_port(key.src_port);
  opened.set_local_port(key.dst_port);
  opened.set_vs_id(socket.vs);
  socket.write_credit = std::min(send_room(tcp_, *c), kMostPromised);
  opened.set_credit(socket.write_credit);
  opened.set_options(options_of(*c->flow));
  opened.set_mss(c->snd_mss);
  to_sockets_.commit();
  socket.known = told_ = true;
  return true;
}

// Bytes go up as far as there is credit; behind the last one their end.
bool Connections::tell_bytes(TcpTurn& turn, uint32_t place) {
  Socket& socket = sockets_[place];
  if (socket.held || socket.closed) return true;
  while (socket.connection != ConnectionPool::kNone && socket.read_credit > 0) {
    Connection& c = tcp_.connections[socket.connection];
    const uint32_t most = std::min({c.receive_queue.size, socket.read_credit, kMostBytes});
    if (most == 0) break;
    if (!to_sockets_.has_room(stream_stride(DataView::kSize + most))) return false;
    const DataView data = begin<DataView>(sockets_.id_of(place), most);
    const Received received = receive(turn, c, data.bytes());
    to_sockets_.commit();
    told_ = true;
    socket.read_credit -= received.bytes;
    socket.received += received.bytes;
    counters_.raise(Counter::stream_bytes_read, received.bytes);
    if (received.events.has(TcpEvents::kReleased)) {
      released(turn.now, place);
    } else {
      arm(c);
    }
  }
  const Connection* c = connection_of(socket);
  const bool empty = c == nullptr || c->receive_queue.empty();
  if (!socket.ended || socket.ended_told || !empty) return true;
  if (!say<EndedView>(place)) return false;
  socket.ended_told = told_ = true;
  return true;
}

// Room that is not promised yet. Bytes that are written count for as long as they are not
// acknowledged.
bool Connections::grant(uint32_t place) {
  Socket& socket = sockets_[place];
  const Connection* c = connection_of(socket);
  if (c == nullptr || socket.shut || socket.peer != 0) return true;
  const uint32_t room = std::min(send_room(tcp_, *c), kMostPromised);
  if (room <= socket.write_credit) return true;
  const uint32_t more = room - socket.write_credit;
  if (more < kWorthTelling && socket.write_credit > 0) return true;
  if (!to_sockets_.has_room(WritableView::kSize)) return false;
  begin<WritableView>(sockets_.id_of(place)).set_credit(more);
  to_sockets_.commit();
  socket.write_credit += more;
  told_ = true;
  return true;
}

// In batches, as they come; where there is no room our own 2MSL holds.
void Connections::tell_time_wait(const Socket& socket, LegIndex leg) {
  if (!to_sockets_.has_room(TimeWaitView::kSize)) return;
  TimeWaitView message = begin<TimeWaitView>(sockets_.id_of(0));
  message.set_leg(leg);
  message.set_serial(socket.serial);
  message.set_vs_id(socket.vs);
  message.set_bytes_freed(sizeof(Connection));
  message.set_in_time_wait(flows_.in_time_wait());
  to_sockets_.commit();
  told_ = true;
}

void Connections::answer_state(Instant now, const Socket& socket, const AskSocketView& message) {
  SocketStateView state = begin<SocketStateView>(message.socket());
  state.set_request(message.request());
  state.set_bytes_received(socket.received);
  state.set_bytes_sent(socket.sent);
  if (const Connection* c = connection_of(socket); c != nullptr) {
    const TcpFlow& flow = *c->flow;
    state.set_tcp_state(static_cast<uint8_t>(flow.state));
    state.set_options(static_cast<uint8_t>(options_of(flow)));
    state.set_snd_wscale(flow.snd_wscale());
    state.set_rcv_wscale(flow.rcv_wscale());
    state.set_snd_wnd(c->snd_wnd);
    state.set_rcv_wnd(c->rcv_wnd());
    state.set_send_queued(c->send_queue.size);
    state.set_receive_queued(c->receive_queue.size);
    state.set_share(c->share);
    state.set_mss(c->snd_mss);
    state.set_mtu(c->mtu);
    const Tick last = std::max(c->last_received, c->last_sent, tick_before);
    state.set_idle_ms(Tcp::tick(now) - last);
    if (c->sender != SenderPool::kNone) {
      const Sender& sender = tcp_.senders[c->sender];
      state.set_srtt_us(sender.rtt.srtt);
      state.set_rttvar_us(sender.rtt.rttvar);
      state.set_rto_us(sender.rtt.rto);
      state.set_cwnd(sender.congestion.cwnd);
      state.set_ssthresh(sender.congestion.ssthresh);
      state.set_flight(c->flight());
    }
  }
  to_sockets_.commit();
  told_ = true;
}

}  // namespace sluice
