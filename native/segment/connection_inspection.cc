// The part of Connections for clients whose server is chosen by what they send first: the engine
// answers the SYN, reads, asks, opens the server's connection as the client opened its own, and
// then moves bytes between the two (HS-07 to HS-14). What the client has sent stays in its receive
// queue until there is a server that it can be sent to (HS-19, TCPX-12).

#include <algorithm>

#include "segment/connections.h"
#include "segment/splice_offsets.h"
#include "tcp/calls.h"

namespace sluice {

namespace {

// Requirements 2.2, as for any question (flow_end.cc); the last one for as long as there is time.
constexpr Tick kQueryIntervals[] = {50, 50, 100, 200};

// As of any flow (decisions.cc): once another decision was asked for, a REPLY that has the one
// before answers a repetition of that question. A NEWFLOW answers none, and since a server has
// failed its node tells.
bool awaits(const Inspection& one, const ReplyView& reply) {
  const bool tells = one.another && one.failed_node == 0 && reply.msg_type() == ReplyView::kCode;
  return !tells || (reply.flags() & SsmbFlags::another);
}

}  // namespace

void Connections::begin_inspection(uint32_t place, const VirtualServer& server, PortId in_port) {
  const uint32_t handle = inspections_.pool.take();  // there are as many as connections
  Inspection& one = inspections_.pool[handle];
  const HandshakeProxy& proxy = server.proxy;
  one.reader = AppReader(proxy.what, uint32_t{proxy.window_kib} * 1024);
  one.client = place;
  one.in_port = in_port;
  one.timeout_s = proxy.timeout_s;
  one.server_timeout_ms = proxy.server_timeout_ms;
  one.asks_unread = proxy.asks_unread;
  sockets_[place].inspection = handle;
  sockets_[place].silent = true;
}

// Something happened to the client's connection, or to the one that is being opened.
void Connections::inspect(TcpTurn& turn, uint32_t place, TcpEvents events) {
  const uint32_t handle = sockets_[place].inspection;
  Inspection& one = inspections_.pool[handle];
  if (one.stage == Inspection::Stage::learning) return learn(turn, handle);
  if (place == one.server) {
    if (events.has(TcpEvents::kReleased)) return server_failed(turn, handle);
    if (events.has(TcpEvents::kOpened)) join(turn, handle);
    return;
  }
  if (events.has(TcpEvents::kReleased)) {
    if (sockets_[place].opened) counters_.raise(Counter::inspections_left);
    const uint32_t server = one.server;
    end_inspection(handle);
    if (server != 0) close_socket(turn, server, true);
    return;
  }
  if (events.has(TcpEvents::kOpened)) {
    counters_.raise(Counter::inspections);
    one.read_until = time_.tick(turn.now) + one.timeout_s * 1000u;
    inspections_.wheel.arm(handle - 1, one.read_until);
  }
  constexpr uint16_t kNews = TcpEvents::kReadable | TcpEvents::kPeerClosed;
  if (one.stage == Inspection::Stage::reading && events.has(kNews)) read_more(turn, handle);
}

// -- reading

void Connections::read_more(TcpTurn& turn, uint32_t handle) {
  Inspection& one = inspections_.pool[handle];
  const Connection& c = client_of(one);
  const Reading reading = one.reader.take(tcp_.buffers, c.receive_queue);
  if (reading == Reading::more) {
    if (!c.fin_received) return;
    // It has nothing to ask for.
    counters_.raise(Counter::inspections_left);
    return close_socket(turn, end_inspection(handle), false);
  }
  AppData data;
  const VirtualServer* server =
      flows_.virtual_servers().find(flows_.table().key_of(sockets_[one.client].leg));
  const bool told = reading == Reading::complete &&
                    one.reader.tell(tcp_.buffers, c.receive_queue,
                                    server != nullptr ? server->proxy.cookie : std::string_view(),
                                    *inspections_.scratch, data);
  if (!told) return give_up_reading(turn, handle, Counter::inspections_unread);
  counters_.raise(Counter::inspections_asked);
  ask(turn.now, handle, data);
}

// The policy has seen so many bytes, which are not enough (HS-12). What came meanwhile is asked
// about at once; the client's end, too, may have come. The answer to an earlier question says
// nothing.
void Connections::read_on(TcpTurn& turn, uint32_t handle, uint32_t seen) {
  Inspection& one = inspections_.pool[handle];
  const bool is_first = !one.unread && !one.another && one.failed_node == 0;
  if (one.reader.what() != Inspects::raw || !is_first || one.reader.told() != seen) return;
  counters_.raise(Counter::inspections_read_on);
  if (!one.reader.read_on()) return give_up_reading(turn, handle, Counter::inspections_unread);
  if (!tick_before(time_.tick(turn.now), one.read_until)) {
    return give_up_reading(turn, handle, Counter::inspections_slow);
  }
  one.stage = Inspection::Stage::reading;
  inspections_.wheel.arm(handle - 1, one.read_until);
  read_more(turn, handle);
}

// VS-25.
void Connections::give_up_reading(TcpTurn& turn, uint32_t handle, Counter why) {
  Inspection& one = inspections_.pool[handle];
  if (!one.asks_unread) return end_client(turn, handle, why);
  counters_.raise(why);
  one.unread = true;
  ask(turn.now, handle, AppReader::unread(one.reader.what()));
}

// -- asking

void Connections::ask(Instant now, uint32_t handle, const AppData& data) {
  Inspection& one = inspections_.pool[handle];
  one.stage = Inspection::Stage::asked;
  one.until = time_.tick(now) + one.timeout_s * 1000u;
  one.tries = 0;
  one.question = 0;
  put_question(now, handle, data);
}

void Connections::put_question(Instant now, uint32_t handle, const AppData& data) {
  Inspection& one = inspections_.pool[handle];
  const Socket& client = sockets_[one.client];
  flows_.ask(now, pair_of(client.leg),
             {data, one.in_port, client.irs, one.another, one.failed_node}, one.question);
  const size_t last = std::size(kQueryIntervals) - 1;
  const Tick interval = kQueryIntervals[std::min<size_t>(one.tries, last)];
  if (one.tries < last) ++one.tries;
  inspections_.wheel.arm(handle - 1, time_.tick(now) + interval);
}

// What was told the first time: it is where it was.
AppData Connections::data_of(const Inspection& one) {
  AppData data = AppReader::unread(one.reader.what());
  const Socket& client = sockets_[one.client];
  const VirtualServer* server = flows_.virtual_servers().find(flows_.table().key_of(client.leg));
  if (one.unread || server == nullptr) return data;
  one.reader.tell(tcp_.buffers, connection_of(client)->receive_queue, server->proxy.cookie,
                  *inspections_.scratch, data);
  return data;
}

// -- the server

void Connections::decided(Instant now, PairIndex pair, const ReplyView& reply) {
  const FlowEntry& leg = flows_.own_leg(client_leg(pair));
  if (!(leg.flags & LegFlags::kEntered)) return;
  const uint32_t handle = sockets_[place_of(leg.own.connection)].inspection;
  if (handle == 0) return;
  Inspection& one = inspections_.pool[handle];
  // Another question, sent before the answer came, may have been answered as well.
  if (one.stage != Inspection::Stage::asked || !awaits(one, reply)) return;
  TcpTurn turn = at(now);
  if (reply.flags() & SsmbFlags::more) return read_on(turn, handle, reply.xlat().seq_offset());
  if (Flows::refuses(reply)) {
    flows_.forget_asked(pair);
    const uint32_t client = end_inspection(handle);
    return close_socket(turn, client, true);
  }
  if (one.failed_node != 0 && reply.xlat().node_id() == one.failed_node) return;
  DropReason why;
  if (!open_server(turn, handle, reply, why)) return not_opened(turn, handle, why);
  one.stage = Inspection::Stage::opening;
  inspections_.wheel.arm(handle - 1, time_.tick(now) + one.server_timeout_ms);
}

bool Connections::open_server(TcpTurn& turn, uint32_t handle, const ReplyView& reply,
                              DropReason& why) {
  Inspection& one = inspections_.pool[handle];
  Socket& client = sockets_[one.client];
  const PairIndex pair = pair_of(client.leg);
  const FlowKey asked = flows_.table().key_of(client.leg);
  FlowKey key = Flows::translated(asked, reply.xlat()).reversed();  // of what will arrive
  key.dscp = 0;
  why = DropReason::own_address;
  if (key.src.is_v4() != asked.src.is_v4() || !key.src.is_host() || key.src_port == 0) return false;
  if (!stack_.may_be_sent_to(key.src, why)) return false;
  flows_.assign(pair, reply);
  const bool routed = (reply.flags() & SsmbFlags::route_by_dst) != 0;
  const IpAddress via = routed ? IpAddress{} : reply.xlat().next_hop_ipaddr();
  const uint32_t server = begin_opening(turn, key, pair, &client, why, via);
  if (server == 0) return false;
  one.server = server;
  sockets_[server].inspection = handle;
  sockets_[server].silent = true;
  return true;
}

// As for any flow: what another has is asked for once more, all else is over.
void Connections::not_opened(TcpTurn& turn, uint32_t handle, DropReason why) {
  Inspection& one = inspections_.pool[handle];
  if (why == DropReason::tuple_in_use && !one.another) {
    one.another = true;
    one.failed_node = 0;
    counters_.raise(Counter::flows_asked_again);
    return ask(turn.now, handle, data_of(one));
  }
  flows_.note_unentered(pair_of(sockets_[one.client].leg));
  end_client(turn, handle, Counter::inspections_unanswered);
}

// HS-20. What it has sent counts for nothing: it is no server of this client.
void Connections::server_failed(TcpTurn& turn, uint32_t handle) {
  Inspection& one = inspections_.pool[handle];
  counters_.raise(Counter::inspections_server_failed);
  sockets_[one.server].inspection = 0;
  one.server = 0;
  const PairIndex pair = pair_of(sockets_[one.client].leg);
  FlowEntry& leg = flows_.own_leg(server_leg(pair));
  leg.packets = leg.bytes = 0;
  one.failed_node = flows_.table().pair(pair).node;
  ask(turn.now, handle, data_of(one));
}

// What the client has sent goes to the server, and from here on everything passes; as soon as they
// can, the hosts at the ends run the connection.
void Connections::join(TcpTurn& turn, uint32_t handle) {
  const Inspection& one = inspections_.pool[handle];
  const uint32_t client = one.client;
  const uint32_t server = one.server;
  counters_.raise(Counter::inspections_joined);
  client_of(one).window_kib = 0;
  flows_.virtual_servers().learn(flows_.table().key_of(sockets_[client].leg), sockets_[client].vs,
                                 limits_shown(client_of(one), *connection_of(sockets_[server])));
  flows_.watch_idle(turn.now, pair_of(sockets_[client].leg));
  for (const uint32_t place : {client, server}) sockets_[place].depth = RelayDepth::automatic;
  if (one.reader.what() == Inspects::tls && !one.unread) return begin_learning(turn, handle);
  end_inspection(handle);
  begin_relay(turn, client, server);
  begin_relay(turn, server, client);
}

// -- ends

// Returns the client's socket, which nobody has to do with any more.
uint32_t Connections::end_inspection(uint32_t handle) {
  const Inspection& one = inspections_.pool[handle];
  const uint32_t client = one.client;
  inspections_.wheel.cancel(handle - 1);
  sockets_[client].inspection = 0;
  if (one.server != 0) sockets_[one.server].inspection = 0;
  inspections_.pool.give_back(handle);
  return client;
}

void Connections::end_client(TcpTurn& turn, uint32_t handle, Counter why) {
  counters_.raise(why);
  close_socket(turn, end_inspection(handle), true);
}

void Connections::fire_inspection(Instant now, uint32_t handle) {
  Inspection& one = inspections_.pool[handle];
  TcpTurn turn = at(now);
  switch (one.stage) {
    case Inspection::Stage::reading:
      return give_up_reading(turn, handle, Counter::inspections_slow);
    case Inspection::Stage::asked:
      if (tick_before(time_.tick(now), one.until)) return put_question(now, handle, data_of(one));
      return end_client(turn, handle, Counter::inspections_unanswered);
    case Inspection::Stage::opening: return close_socket(turn, one.server, true);  // it has failed
    case Inspection::Stage::learning:
      return tick_before(time_.tick(now), one.until) ? learn(turn, handle)
                                                     : end_learning(turn, handle);
  }
}

Tick Connections::last_active(Instant now, PairIndex pair) const {
  uint32_t idle = UINT32_MAX;
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) {
    const FlowEntry& entry = flows_.table().leg(leg);
    if (!(entry.flags & LegFlags::kEntered)) continue;
    const Connection& c = tcp_.connections[entry.own.connection];
    const Tick last = std::max(c.last_received, c.last_sent, tick_before);
    idle = std::min<uint32_t>(idle, Tcp::tick(now) - last);
  }
  return time_.tick(now) - (idle == UINT32_MAX ? 0 : idle);
}

}  // namespace sluice
