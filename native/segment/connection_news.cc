// The part of Connections that tells sockets what is new to them: opened, bytes, room to write,
// ends. What finds no room in the ring is told later, and nothing is lost: bytes stay in their
// receive buffer, all else is a bit of the socket.

#include <algorithm>

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

void Connections::tell(Instant now) {
  TcpTurn turn = at(now);
  full_ = !tell_room();
  for (uint32_t place; (place = sockets_.first_listed()) != 0; sockets_.drop_first()) {
    if (!sockets_[place].forgotten && !tell_socket(turn, place)) {
      full_ = true;
      break;
    }
  }
  frames_.flush();
}

// False where there was no room for all of it.
bool Connections::tell_socket(TcpTurn& turn, uint32_t place) {
  Socket& socket = sockets_[place];
  if (socket.silent) {
    socket.forgotten = socket.connection == ConnectionPool::kNone;
    return true;
  }
  if ((socket.news & Socket::kOpened) && !tell_opened(place)) return false;
  if (!socket.known) return true;  // its handshake is not over
  const uint32_t id = sockets_.id_of(place);
  if (socket.news & Socket::kUnrelayed) {
    const auto count = [&](UnrelayedView message) { message.set_bytes(socket.relayed.bytes()); };
    if (!say<UnrelayedView>(id, count)) return false;
    socket.news &= static_cast<uint8_t>(~Socket::kUnrelayed);
  }
  if (socket.news & Socket::kSpliced) {
    const auto why = [&](SplicedView message) { message.set_reason(socket.block); };
    if (!say<SplicedView>(id, why)) return false;
    socket.news &= static_cast<uint8_t>(~Socket::kSpliced);
  }
  if (!tell_bytes(turn, place) || !grant(place)) return false;
  if (socket.news & Socket::kHeld) {
    if (!say<HeldView>(id, [](HeldView) {})) return false;
    socket.news &= static_cast<uint8_t>(~Socket::kHeld);
  }
  if (!(socket.news & Socket::kClosed)) return true;
  const bool said = say_closed(id, socket);
  if (said) socket.news = 0;
  return said;
}

bool Connections::tell_opened(uint32_t place) {
  Socket& socket = sockets_[place];
  const Connection* c = connection_of(socket);
  const auto fill = [&](AcceptedView opened) {
    describe(opened, socket, flows_.table().key_of(socket.leg));
    socket.write_credit = std::min(send_room(tcp_, *c), kMostPromised);
    opened.set_credit(socket.write_credit);
    opened.set_options(options_of(*c->flow));
    opened.set_mss(c->snd_mss);
  };
  if (c == nullptr) {
    // It was over before anybody could hear of it.
    socket.forgotten = socket.passive;
  } else if (!say<AcceptedView>(sockets_.id_of(place), fill)) {
    return false;
  } else {
    socket.known = true;
  }
  socket.news &= static_cast<uint8_t>(~Socket::kOpened);
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
    commit();
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
  socket.ended_told = say<EndedView>(sockets_.id_of(place), [](EndedView) {});
  return socket.ended_told;
}

// Room that is not promised yet. Bytes that are written count for as long as they are not
// acknowledged.
bool Connections::grant(uint32_t place) {
  Socket& socket = sockets_[place];
  const Connection* c = connection_of(socket);
  if (c == nullptr || socket.shut || socket.source != 0) return true;
  const uint32_t room = std::min(send_room(tcp_, *c), kMostPromised);
  if (room <= socket.write_credit) return true;
  const uint32_t more = room - socket.write_credit;
  if (more < kWorthTelling && socket.write_credit > 0) return true;
  const auto fill = [&](WritableView message) { message.set_credit(more); };
  const bool said = say<WritableView>(sockets_.id_of(place), fill);
  if (said) socket.write_credit += more;
  return said;
}

// What all sockets together may write: promised once, it holds until they have written it.
bool Connections::tell_room() {
  const uint32_t more = write_room_.more(tcp_.buffers.free_chunks());
  if (more == 0) return true;
  if (!say<RoomView>(sockets_.id_of(0), [&](RoomView room) { room.set_chunks(more); }))
    return false;
  write_room_.promise(more);
  return true;
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
  commit();
}

}  // namespace sluice
