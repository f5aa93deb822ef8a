#include "segment/datagrams.h"

#include <algorithm>

#include "segment/whole_packet.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/udp.h"

namespace sluice {

namespace {

// Of one Data message: whoever has room for 64 KiB has room for it.
constexpr size_t kMostBytes = 65536 - DataView::kSize;
// Sockets that TypeScript has still to forget have places of their own.
constexpr uint32_t kPlacesPerSocket = 2;

// RFC 1122 3.2.2.1, RFC 4443 3.1: nobody listens there.
bool is_port_unreachable(const Packet& error) {
  const IcmpHeader icmp(error.at(error.headers.l4));
  return error.headers.family == 4
             ? icmp.type() == kIcmpUnreachable && icmp.code() == kIcmpPortUnreachable
             : icmp.type() == kIcmpv6Unreachable && icmp.code() == kIcmpv6PortUnreachable;
}

uint8_t stream_end_of_pair(uint8_t reason) {
  switch (reason) {
    case EndReason::idle: return StreamEnd::timed_out;
    case EndReason::overflow: return StreamEnd::no_memory;
    default: return StreamEnd::aborted;
  }
}

}  // namespace

Datagrams::Datagrams(const Options& options, const Parts& parts)
    : StreamNews(parts.to_sockets),
      options_(options),
      flows_(parts.flows),
      stack_(parts.stack),
      frames_(parts.frames),
      counters_(parts.counters),
      source_(parts.stack, parts.flows, parts.hand_over, options.seed ^ 5),
      sockets_(options.sockets * kPlacesPerSocket, options.worker, SocketTable::kDatagrams) {
  flows_.set_own_pairs(FlowClass::datagrams, this);
}

// -- sockets and their legs

// Where there are as many as may be, the pair that was used least recently gives way: a flood takes
// nothing from any other protocol, and nothing for ever.
uint32_t Datagrams::take_place(Instant now) {
  if (live_ >= options_.sockets && !flows_.evict_datagrams(now)) return 0;
  return sockets_.take();
}

Socket& Datagrams::adopt(LegIndex leg, uint32_t place) {
  Socket& socket = sockets_[place];
  const FlowPair& pair = flows_.table().pair(pair_of(leg));
  socket.leg = leg;
  socket.serial = pair.serial;
  socket.vs = pair.vs;
  socket.read_credit = kFirstCredit;
  flows_.own_leg(leg).detail = place;
  ++live_;
  return socket;
}

// The leg is another's business.
void Datagrams::let_go(Socket& socket, uint32_t place, uint8_t end) {
  socket.leg = kNoLeg;
  socket.end = end;
  socket.news |= Socket::kClosed;
  --live_;
  sockets_.list(place);
}

void Datagrams::end_leg(Instant now, uint32_t place, uint8_t end) {
  Socket& socket = sockets_[place];
  if (is_spliced(socket)) unsplice(now, socket);
  const LegIndex leg = socket.leg;
  let_go(socket, place, end);
  flows_.close_own(now, leg, end == StreamEnd::finished ? EndReason::reset : EndReason::rst);
}

void Datagrams::abort_pair(Instant now, PairIndex pair, uint8_t reason) {
  if (flows_.table().pair(pair).mode == PairMode::splice) note_moved(now, pair);
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) {
    if (!(flows_.table().leg(leg).flags & LegFlags::kEntered)) continue;
    const uint32_t place = place_at(leg);
    let_go(sockets_[place], place, stream_end_of_pair(reason));
  }
  flows_.end_datagrams(pair, reason);
}

// -- packets

void Datagrams::accept(Instant now, Packet& packet, uint16_t vs) {
  if (!stack_.may_come_from(packet.key.src)) return packet.drop(DropReason::ip_martian);
  if (!is_whole(packet)) return;
  if (!has_room(AcceptedView::kSize)) return packet.drop(DropReason::socket_unread);
  uint32_t place = take_place(now);
  if (place == 0) return packet.drop(DropReason::connections_full);
  DropReason why;
  const LegIndex leg = flows_.open_own_client(now, packet.key, vs, why);
  if (leg == kNoLeg) {
    sockets_.give_back(place);
    return packet.drop(why);
  }
  adopt(leg, place).passive = true;
  tell_opened(place);
  counters_.raise(Counter::datagram_sockets_accepted);
  take_in(now, leg, packet);
}

void Datagrams::arrives(Instant now, LegIndex leg, Packet& packet) {
  if (is_whole(packet)) take_in(now, leg, packet);
}

void Datagrams::take_in(Instant now, LegIndex leg, Packet& packet) {
  flows_.count_own(leg, packet);
  flows_.touch_own(now, leg);
  if (!hand_up(packet, place_at(leg))) return packet.drop(DropReason::socket_unread);
  packet.verdict = Verdict::deliver;
}

// Half of the ring is left to connections, and to what ends sockets: no flood of datagrams keeps
// them from being read.
bool Datagrams::has_room(size_t size) const {
  return to_sockets_.unread() + size <= to_sockets_.capacity() / 2 && to_sockets_.has_room(size);
}

// A super-packet is as many datagrams as it has segments. False where there was room for none.
bool Datagrams::hand_up(const Packet& packet, uint32_t place) {
  const Headers& headers = packet.headers;
  if (packet.wire_segments() == 1) {
    // It may end before the IP packet does.
    const size_t size = UdpHeader(packet.at(headers.l4)).length() - UdpHeader::kSize;
    return hand_up_one(place, {packet.at(headers.payload), size});
  }
  bool any = false;
  for (uint32_t at = headers.payload; at < headers.end; at += packet.offload.gso_size) {
    const size_t size = std::min<size_t>(packet.offload.gso_size, headers.end - at);
    any |= hand_up_one(place, {packet.at(at), size});
  }
  return any;
}

// One that is larger than the rest of the credit owes it: none is too large for ever. Without bytes
// they cost something, too.
bool Datagrams::hand_up_one(uint32_t place, ConstByteSpan datagram) {
  Socket& socket = sockets_[place];
  const size_t stride = stream_stride(DataView::kSize + datagram.size());
  // Before it knows of its socket TypeScript has no use for a datagram.
  const bool is_told = !(socket.news & Socket::kOpened);
  const bool has_credit = is_told && static_cast<int32_t>(socket.read_credit) > 0;
  if (!has_credit || datagram.size() > kMostBytes || !has_room(stride)) {
    counters_.raise(Counter::datagrams_unread);
    return false;
  }
  const DataView data = begin<DataView>(sockets_.id_of(place), datagram.size());
  std::copy(datagram.begin(), datagram.end(), data.bytes().begin());
  commit();
  socket.read_credit -= static_cast<uint32_t>(datagram.size()) + SocketCredit::each_datagram;
  socket.received += datagram.size();
  counters_.raise(Counter::datagrams_read);
  return true;
}

void Datagrams::error_arrives(Instant now, LegIndex leg, const IcmpQuote& quote, Packet& error) {
  const uint32_t place = place_at(leg);
  if (!l4_checksum_is_right(error)) return error.drop(DropReason::l4_checksum);
  if (!(quote.key.src == error.key.dst) || !sockets_[place].opened) {
    return error.drop(DropReason::icmp_implausible);
  }
  error.verdict = Verdict::deliver;
  // All others are for whoever asks (RFC 1122 4.1.3.3).
  if (is_port_unreachable(error)) end_leg(now, place, StreamEnd::refused);
}

// A peer that has been heard of may be back in time.
void Datagrams::unreachable(Instant now, const FlowKey& sent) {
  const LegIndex leg = flows_.leg_of_any_dscp(sent.reversed());
  if (leg == kNoLeg) return;
  const FlowPair& pair = flows_.table().pair(pair_of(leg));
  if (pair.flow_class != FlowClass::datagrams || flows_.table().leg(leg).packets != 0) return;
  const Socket& socket = sockets_[place_at(leg)];
  if (socket.received > 0 || socket.relayed_datagrams > 0) return;
  end_leg(now, place_at(leg), StreamEnd::no_route);
}

}  // namespace sluice
