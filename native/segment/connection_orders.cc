// The part of Connections that carries out what sockets ask for.

#include <algorithm>

#include "segment/connections.h"
#include "tcp/calls.h"
#include "wire/ip_protocol.h"

namespace sluice {

namespace {

// Bytes of messages carried out between two looks at the ports.
constexpr size_t kBytesPerPoll = 256 * 1024;

}  // namespace

bool Connections::handle_messages(Instant now) {
  size_t handled = 0;
  while (handled < kBytesPerPoll) {
    const ByteSpan message = from_sockets_.front();
    if (message.empty() || !handle(now, message)) break;
    end_batch(now);
    handled += message.size();
    from_sockets_.pop();
  }
  return handled > 0;
}

// False, and nothing is done, while there is no room for the answer.
bool Connections::handle(Instant now, ByteSpan message) {
  const size_t length = stream_length(message);
  if (length == 0) {
    counters_.raise(Counter::messages_invalid);
    return true;
  }
  const StreamHeader header(message.data());
  const bool answered = message[0] == OpenSocketView::kCode || message[0] == AskSocketView::kCode;
  if (answered && !to_sockets_.has_room(SocketStateView::kSize)) {
    full_ = true;
    return false;
  }
  const bool opens = message[0] == OpenSocketView::kCode;
  if (opens && OpenSocketView(message.data()).protocol() == kProtocolUdp) {
    datagrams_.open(now, OpenSocketView(message.data()));
    return true;
  }
  if (!opens && Datagrams::is_of_datagrams(header.socket())) {
    datagrams_.handle_order(now, message.first(length));
    return true;
  }
  const bool writes = message[0] == WriteSocketView::kCode;
  const bool has_room = !writes || write_room_.take(length - WriteSocketView::kSize);
  TcpTurn turn = at(now);
  if (opens) {
    open(turn, OpenSocketView(message.data()));
  } else if (message[0] == KeepTimeWaitView::kCode) {
    keep_time_wait(now, KeepTimeWaitView(message.data()));
  } else if (!sockets_.knows(header.socket())) {
    counters_.raise(Counter::messages_stale);
  } else if (!has_room) {
    break_promise(turn, header.socket() & SocketTable::kPlaceMask);
  } else {
    handle_order(turn, message.first(length), header.socket() & SocketTable::kPlaceMask);
  }
  return true;
}

void Connections::handle_order(TcpTurn& turn, ByteSpan message, uint32_t place) {
  Socket& socket = sockets_[place];
  switch (message[0]) {
    case WriteSocketView::kCode: return write(turn, place, WriteSocketView(message.data()).bytes());
    case ReadSocketView::kCode:
      socket.held = false;
      socket.read_credit += ReadSocketView(message.data()).credit();
      return list(place);
    case ShutSocketView::kCode:
      // Behind what it has are bytes of the other end.
      if (is_let_go(socket)) break;
      if (Connection* c = connection_of(socket); c != nullptr && !socket.shut) {
        socket.shut = true;
        after(turn, place, close_sending(turn, *c));
      }
      return;
    case CloseSocketView::kCode: return close_socket(turn, place, false);
    case AbortSocketView::kCode: return close_socket(turn, place, true);
    case SetSocketView::kCode: return set_option(turn, socket, SetSocketView(message.data()));
    case HoldSocketView::kCode:
      socket.held = true;
      socket.read_credit = 0;
      socket.news |= Socket::kHeld;
      return list(place);
    case RelaySocketView::kCode: {
      const RelaySocketView order(message.data());
      if (!sockets_.knows(order.target())) return counters_.raise(Counter::messages_stale);
      return relay(turn, place, order);
    }
    case UnrelaySocketView::kCode:
      if (socket.spliced) return come_back(turn, place);
      return unrelay(turn, place);
    case AskSocketView::kCode: return answer_state(turn.now, socket, AskSocketView(message.data()));
    case ForgetSocketView::kCode:
      if (socket.leg == kNoLeg) return sockets_.forget(place);
      break;
    default: break;
  }
  counters_.raise(Counter::messages_invalid);
}

// -- OPEN

void Connections::open(TcpTurn& turn, const OpenSocketView& message) {
  uint32_t place = 0;
  const uint8_t why = try_open(turn, message, place);
  if (place == 0) {
    CannotOpenView answer = begin<CannotOpenView>(0);
    answer.set_reason(why);
    answer.set_request(message.request());
  } else {
    OpeningView answer = begin<OpeningView>(sockets_.id_of(place));
    answer.set_request(message.request());
    sockets_[place].known = true;
  }
  commit();
}

// Why not, where `place` stays 0.
uint8_t Connections::try_open(TcpTurn& turn, const OpenSocketView& message, uint32_t& place) {
  const uint32_t inbound = message.socket() & SocketTable::kPlaceMask;
  PairIndex beside = kNoPair;
  // Where the client's connection is with another worker, they are a pair to TypeScript alone.
  if (inbound != 0 && sockets_.is_ours(message.socket())) {
    if (!sockets_.knows(message.socket())) return StreamEnd::no_such_socket;
    if (sockets_[inbound].leg == kNoLeg) return StreamEnd::no_such_socket;
    beside = pair_of(sockets_[inbound].leg);
  }
  if (message.protocol() != kProtocolTcp) return StreamEnd::bad_address;
  FlowKey key;  // of what will arrive
  uint8_t why;
  if (!source_.choose(turn.now, message, key, why)) return why;
  Socket* like = beside != kNoPair && message.mirror() != 0 ? &sockets_[inbound] : nullptr;
  DropReason reason;
  place = begin_opening(turn, key, beside, like, reason);
  return place == 0 ? stream_end_of(reason) : StreamEnd::finished;
}

// The socket of a connection to where `key` comes from; 0, and why not.
uint32_t Connections::begin_opening(TcpTurn& turn, const FlowKey& key, PairIndex beside,
                                    Socket* like, DropReason& why, const IpAddress& via) {
  why = DropReason::connections_full;
  if (tcp_.connections.used() == tcp_.connections.capacity()) return 0;
  const uint32_t place = sockets_.take();
  if (place == 0) return 0;
  flows_.forget_past(turn.now, key);
  Opening opening{end_of_earlier(key), std::nullopt};
  if (like != nullptr) opening.like = likeness_to(*like, key);
  const LegIndex leg = flows_.open_own_server(turn.now, key, beside, why, via);
  if (leg == kNoLeg) {
    sockets_.give_back(place);
    return 0;
  }
  Connection* c = open_connection(turn, tcp_flow_of(flows_.own_leg(leg)), leg, key.reversed(),
                                  path_of(leg), opening);
  return adopt(turn.now, c, leg, place) == nullptr ? 0 : place;
}

// The numbers are the client's where its tuple is (TCPX-04), and once: a second connection to the
// same server would begin with those that the first one had.
std::optional<Likeness> Connections::likeness_to(Socket& inbound, const FlowKey& key) {
  const Connection* c = connection_of(inbound);
  if (c == nullptr || !inbound.passive) return std::nullopt;
  const FlowKey client = flows_.table().key_of(inbound.leg);
  const bool preserved = key.dst == client.src && key.dst_port == client.src_port;
  if (!preserved || inbound.mirrored) return likeness_of(*c, std::nullopt);
  inbound.mirrored = true;
  return likeness_of(*c, inbound.irs);
}

// -- the others

// More was written than was promised, or into what others write, a defect of the sockets: the
// stream would go on with a gap.
void Connections::break_promise(TcpTurn& turn, uint32_t place) {
  counters_.raise(Counter::messages_invalid);
  close_socket(turn, place, true);
}

void Connections::write(TcpTurn& turn, uint32_t place, ConstByteSpan bytes) {
  Socket& socket = sockets_[place];
  if (is_let_go(socket)) return break_promise(turn, place);
  Connection* c = connection_of(socket);
  if (c == nullptr || socket.shut || bytes.empty()) return;  // it hears of its end by itself
  if (bytes.size() > socket.write_credit) return break_promise(turn, place);
  send_promised(turn, *c, bytes);
  socket.write_credit -= static_cast<uint32_t>(bytes.size());
  socket.sent += bytes.size();
  counters_.raise(Counter::stream_bytes_written, bytes.size());
  arm(*c);
}

void Connections::close_socket(TcpTurn& turn, uint32_t place, bool abort) {
  Socket& socket = sockets_[place];
  // The ends have bytes on their way that nobody here can finish.
  if (socket.spliced) {
    socket.shut = socket.closed = true;
    socket.aborts |= abort;
    // On the way back it is a matter of time, which a reset does not take; else nobody here can
    // finish it.
    if (is_returning(socket) && !abort) return;
    return end_spliced(turn.now, pair_of(socket.leg), EndReason::reset);
  }
  leave_relay(turn, place);
  Connection* c = connection_of(socket);
  socket.shut = socket.closed = true;
  if (c == nullptr) return;
  if (abort) socket.end = StreamEnd::aborted;
  after(turn, place, abort ? sluice::abort(turn, *c) : close(turn, *c));
}

void Connections::set_option(TcpTurn& turn, Socket& socket, const SetSocketView& message) {
  Connection* c = connection_of(socket);
  if (socket.spliced && !keep_option(socket, message)) return;
  if (c == nullptr || is_let_go(socket)) return;
  switch (message.option()) {
    case SocketOption::no_delay: set_no_delay(turn, *c, message.value() != 0); break;
    case SocketOption::keep_alive:
      set_keep_alive(turn, *c,
                     static_cast<uint16_t>(std::min<uint32_t>(message.value(), UINT16_MAX)));
      break;
    case SocketOption::tos: c->flow->tos = static_cast<uint8_t>(message.value() & 0xfc); break;
    default: counters_.raise(Counter::messages_invalid);
  }
  arm(*c);
}

// For when it comes back. False where there is no such option.
bool Connections::keep_option(Socket& socket, const SetSocketView& message) {
  SocketKept& kept = socket.kept;
  switch (message.option()) {
    case SocketOption::no_delay: kept.no_delay = message.value() != 0; return true;
    case SocketOption::keep_alive:
      kept.keep_alive = static_cast<uint16_t>(std::min<uint32_t>(message.value(), UINT16_MAX));
      return true;
    case SocketOption::tos: kept.tos = static_cast<uint8_t>(message.value() & 0xfc); return true;
    default: counters_.raise(Counter::messages_invalid); return false;
  }
}

}  // namespace sluice
