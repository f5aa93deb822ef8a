// The part of Datagrams for sockets: what they ask for, and what they are told.

#include <algorithm>

#include "segment/datagrams.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

namespace sluice {

// -- OPEN

void Datagrams::open(Instant now, const OpenSocketView& message) {
  uint32_t place = 0;
  const uint8_t why = try_open(now, message, place);
  if (place == 0) {
    CannotOpenView answer = begin<CannotOpenView>(0);
    answer.set_reason(why);
    answer.set_request(message.request());
    return commit();
  }
  OpeningView answer = begin<OpeningView>(sockets_.id_of(place));
  answer.set_request(message.request());
  commit();
  sockets_[place].known = true;
  if (tell_opened(place)) return;
  sockets_[place].news |= Socket::kOpened;
  sockets_.list(place);
}

// Why not, where `place` stays 0.
uint8_t Datagrams::try_open(Instant now, const OpenSocketView& message, uint32_t& place) {
  FlowKey key;  // of what will arrive
  uint8_t why;
  if (!source_.choose(now, message, key, why)) return why;
  uint32_t fresh = take_place(now);
  if (fresh == 0) return StreamEnd::no_memory;
  // Behind what may have given way.
  PairIndex beside = kNoPair;
  const uint32_t inbound = message.socket() & SocketTable::kPlaceMask;
  if (inbound != 0 && sockets_.is_ours(message.socket())) {
    if (!sockets_.knows(message.socket()) || sockets_[inbound].leg == kNoLeg) {
      sockets_.give_back(fresh);
      return StreamEnd::no_such_socket;
    }
    beside = pair_of(sockets_[inbound].leg);
  }
  DropReason reason;
  const LegIndex leg = flows_.open_own_server(now, key, beside, reason);
  if (leg == kNoLeg) {
    sockets_.give_back(fresh);
    return stream_end_of(reason);
  }
  adopt(leg, fresh);
  counters_.raise(Counter::datagram_sockets_opened);
  place = fresh;
  return StreamEnd::finished;
}

// -- the others

void Datagrams::handle_order(Instant now, ByteSpan message) {
  const StreamHeader header(message.data());
  if (!sockets_.knows(header.socket())) return counters_.raise(Counter::messages_stale);
  const uint32_t place = header.socket() & SocketTable::kPlaceMask;
  Socket& socket = sockets_[place];
  if (message[0] == ForgetSocketView::kCode && socket.leg == kNoLeg) return sockets_.forget(place);
  if (message[0] == RelaySocketView::kCode) {
    const RelaySocketView order(message.data());
    if (!sockets_.knows(order.target())) return counters_.raise(Counter::messages_stale);
    return splice(place, order.target() & SocketTable::kPlaceMask);
  }
  if (socket.leg == kNoLeg) return;  // it hears of its end by itself
  switch (message[0]) {
    case WriteSocketView::kCode: return send(now, socket, WriteSocketView(message.data()).bytes());
    case ReadSocketView::kCode:
      socket.read_credit += ReadSocketView(message.data()).credit();
      return;
    case CloseSocketView::kCode:
    case AbortSocketView::kCode: return end_leg(now, place, StreamEnd::finished);
    case SetSocketView::kCode: {
      const SetSocketView order(message.data());
      if (order.option() != SocketOption::idle) break;
      return flows_.set_idle(now, pair_of(socket.leg), order.value());
    }
    case UnrelaySocketView::kCode:
      if (is_spliced(socket)) unsplice(now, socket);
      return;
    default: break;
  }
  counters_.raise(Counter::messages_invalid);
}

// The next hop of a spliced leg is where what arrives by it goes on: its peer's is the other's.
void Datagrams::send(Instant now, Socket& socket, ConstByteSpan datagram) {
  const LegIndex leg = socket.leg;
  const LegIndex holder = is_spliced(socket) ? other_leg(leg) : leg;
  flows_.touch_own(now, leg);
  frames_.begin(now);
  socket.opened = true;
  socket.sent += datagram.size();
  counters_.raise(Counter::datagrams_written);
  frames_.send_datagram(leg, flows_.table().leg(holder).next_hop, datagram);
}

bool Datagrams::is_spliced(const Socket& socket) const {
  return flows_.table().pair(pair_of(socket.leg)).mode == PairMode::splice;
}

// What JavaScript has still to send goes its way; it may be overtaken, as by any other path. Where
// one of them is over already, the other is told of a splice that has ended.
void Datagrams::splice(uint32_t place, uint32_t target) {
  const LegIndex leg = sockets_[place].leg;
  const bool are_pair = leg != kNoLeg && sockets_[target].leg == other_leg(leg);
  if (are_pair && is_spliced(sockets_[place])) return counters_.raise(Counter::messages_invalid);
  const bool spliced = are_pair && flows_.splice(pair_of(leg));
  for (const uint32_t each : {place, target}) {
    Socket& socket = sockets_[each];
    if (socket.leg == kNoLeg || (!are_pair && is_spliced(socket))) continue;
    socket.read_credit = spliced ? 0 : kFirstCredit;
    socket.news |=
        static_cast<uint8_t>(spliced ? Socket::kHeld : Socket::kHeld | Socket::kUnrelayed);
    sockets_.list(each);
  }
}

void Datagrams::unsplice(Instant now, const Socket& socket) {
  const PairIndex pair = pair_of(socket.leg);
  note_moved(now, pair);
  flows_.unsplice(pair);
}

// Both sides hear what went past them, which the flow entries have counted.
void Datagrams::note_moved(Instant now, PairIndex pair) {
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) {
    const FlowEntry& entry = flows_.table().leg(leg);
    const bool v4 = (entry.flags & LegFlags::kIpv6) == 0;
    const uint32_t headers = (v4 ? Ipv4Header::kSize : Ipv6Header::kSize) + UdpHeader::kSize;
    const uint32_t place = place_at(leg);
    Socket& socket = sockets_[place];
    const uint64_t bytes = entry.bytes - std::min(entry.bytes, entry.packets * headers);
    socket.relayed_datagrams += entry.packets;
    socket.relayed.add(now, bytes);
    socket.received += bytes;
    sockets_[place_at(other_leg(leg))].sent += bytes;
    socket.read_credit = kFirstCredit;
    socket.news |= Socket::kUnrelayed;
    sockets_.list(place);
  }
}

// -- what sockets are told

void Datagrams::tell() {
  for (uint32_t place; (place = sockets_.first_listed()) != 0; sockets_.drop_first()) {
    if (!sockets_[place].forgotten && !tell_socket(place)) return;
  }
}

// False where there was no room for all of it.
bool Datagrams::tell_socket(uint32_t place) {
  Socket& socket = sockets_[place];
  const uint32_t id = sockets_.id_of(place);
  const auto told = [&socket](uint8_t news, bool said) {
    if (said) socket.news &= static_cast<uint8_t>(~news);
    return said;
  };
  if ((socket.news & Socket::kOpened) && !told(Socket::kOpened, tell_opened(place))) return false;
  if ((socket.news & Socket::kHeld) && !told(Socket::kHeld, say<HeldView>(id, [](HeldView) {}))) {
    return false;
  }
  const auto moved = [&socket](UnrelayedView message) {
    message.set_bytes(socket.relayed.bytes());
    message.set_datagrams(socket.relayed_datagrams);
  };
  if ((socket.news & Socket::kUnrelayed) &&
      !told(Socket::kUnrelayed, say<UnrelayedView>(id, moved))) {
    return false;
  }
  return !(socket.news & Socket::kClosed) || told(Socket::kClosed, say_closed(id, socket));
}

// One that is over already has no addresses left to tell: its end alone is told.
bool Datagrams::tell_opened(uint32_t place) {
  const Socket& socket = sockets_[place];
  const auto fill = [&](AcceptedView opened) {
    const FlowKey key = flows_.table().key_of(socket.leg);
    const NextHopView& hop = stack_.next_hop(flows_.table().leg(socket.leg).next_hop);
    describe(opened, socket, key);
    opened.set_credit(kFirstCredit);
    opened.set_mss(SegmentFrames::largest_datagram(key.src.is_v4(), hop.mtu));
  };
  return socket.leg == kNoLeg || say<AcceptedView>(sockets_.id_of(place), fill);
}

void Datagrams::publish() { counters_.set(Counter::datagram_sockets, sockets_.used()); }

}  // namespace sluice
