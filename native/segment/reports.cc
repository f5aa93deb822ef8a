// The part of Flows that tells the control segment: QUERY, DELETE, STATS, STATE.

#include <algorithm>

#include "bus/signature.h"
#include "segment/flows.h"
#include "wire/ip_protocol.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice {

namespace {

constexpr Tick kStatisticsSlices = 64;

uint8_t tcp_state_of(const FlowEntry& client, const FlowEntry& server) {
  if (client.protocol != kProtocolTcp) return TcpState::none;
  constexpr uint8_t kOpen = LegTcpState::kSeen | LegTcpState::kAcked;
  const bool client_fin = client.tcp.has(LegTcpState::kFin);
  const bool server_fin = server.tcp.has(LegTcpState::kFin);
  if (client.tcp.has(LegTcpState::kFinAcked) && server.tcp.has(LegTcpState::kFinAcked)) {
    return TcpState::ended;
  }
  if (client_fin && server_fin) return TcpState::both_closed;
  if (client_fin) return TcpState::client_closed;
  if (server_fin) return TcpState::server_closed;
  return client.tcp.has(kOpen) && server.tcp.has(kOpen) ? TcpState::established : TcpState::opening;
}

// A field that moves nothing goes without its flag (SSMB-30).
void fill_offsets(const TcpOffsets& offsets, StateView message) {
  uint16_t flags = SsmbFlags::add_tcp_offsets;
  if (offsets.tsval != 0 || offsets.tsecr != 0) flags |= SsmbFlags::add_ts_offsets;
  if (offsets.window_shift != 0 || offsets.reply_window_shift != 0)
    flags |= SsmbFlags::scale_window;
  if (offsets.strip_sack) flags |= SsmbFlags::strip_sack;
  if (offsets.strip_timestamps) flags |= SsmbFlags::strip_ts;
  message.set_flags(message.flags() | flags);
  XlatView xlat = message.xlat();
  xlat.set_seq_offset(offsets.seq);
  xlat.set_ack_offset(offsets.ack);
  xlat.set_tsval_offset(offsets.tsval);
  xlat.set_tsecr_offset(offsets.tsecr);
  xlat.set_wshift_c2s(offsets.window_shift);
  xlat.set_wshift_s2c(offsets.reply_window_shift);
}

uint16_t message_flags(const FlowPair& flow) {
  uint16_t flags = 0;
  if (flow.flags & FlowPair::kOutbound) flags |= SsmbFlags::outbound;
  if (flow.flags & FlowPair::kBridged) flags |= SsmbFlags::bridge;
  if (flow.flags & FlowPair::kServerWaits) flags |= SsmbFlags::server_waits;
  return flags;
}

// What the first datagram carries of those that the packet stands for, or of those bytes of it that
// came in the first fragment.
ConstByteSpan datagram_of(const Packet& packet) {
  const Headers& headers = packet.headers;
  if (headers.headless) return {};
  size_t size = headers.end - headers.payload;
  if (packet.wire_segments() > 1) {
    size = packet.offload.gso_size;
  } else if (!headers.fragment) {
    // It may be shorter than the IP packet.
    size = std::min<size_t>(size, UdpHeader(packet.at(headers.l4)).length() - UdpHeader::kSize);
  }
  return {packet.at(headers.payload), size};
}

void store_datagram(const Packet& packet, AppQueryView message) {
  const ConstByteSpan datagram = datagram_of(packet);
  const size_t size = std::min(datagram.size(), kMostAppData);
  uint16_t flags = size == 0 ? AppFlags::absent : 0;
  if (size < datagram.size() || packet.headers.fragment) flags |= AppFlags::truncated;
  message.set_app_type(AppType::datagram);
  message.set_app_flags(static_cast<uint8_t>(flags));
  message.set_app_len(static_cast<uint16_t>(size));
  std::copy_n(datagram.data(), size, message.app_data().data());
}

}  // namespace

bool Flows::send_query(Instant now, PairIndex index) {
  const FlowPair& flow = pair(index);
  const Packet& packet = waiting_.first(table_.leg(client_leg(index)).detail)->packet;
  if (!is_inspected(flow, packet)) {
    const QueryView message = outbox_.begin<QueryView>(flow.serial);
    fill_question(now, index, packet, message);
    return outbox_.put_question(message);
  }
  const AppQueryView message = outbox_.begin<AppQueryView>(flow.serial);
  fill_question(now, index, packet, QueryView(message.data()));  // so far they are laid out alike
  store_datagram(packet, message);
  return outbox_.put_question(message, message.app_len());
}

// Whether its virtual server is asked with data; a TCP flow has none yet.
bool Flows::is_inspected(const FlowPair& flow, const Packet& packet) const {
  if (packet.key.protocol != kProtocolUdp || flow.vs == 0) return false;
  const VirtualServer* server = virtual_servers_.find(packet.key);
  return server != nullptr && server->id == flow.vs && server->inspects;
}

void Flows::fill_question(Instant now, PairIndex index, const Packet& packet,
                          QueryView message) const {
  const FlowPair& flow = table_.pair(index);
  const uint16_t another = flow.flags & FlowPair::kNotEntered ? SsmbFlags::another : 0;
  message.set_flags(message_flags(flow) | another);
  store_signature(message.sig(), table_.key_of(client_leg(index)));
  message.set_timestamp(time_.wall_us(now, flow.opened));
  message.set_in_if(packet.in_port);
  message.set_vs_id(flow.vs);
  message.set_reason(packet.key.protocol == kProtocolUdp ? QueryReason::udp : QueryReason::other);
  if (packet.key.protocol == kProtocolTcp) {
    const TcpHeader tcp(packet.at(packet.headers.l4));
    message.set_tcp_seq(tcp.seq().raw());
    message.set_tcp_ack(tcp.has(kTcpAck) ? tcp.ack().raw() : 0);
    message.set_tcp_flags(tcp.flags());
    message.set_reason(opens_session(packet) ? QueryReason::open : QueryReason::mid_session);
  }
}

void Flows::fill_counts(Instant now, PairIndex index, CntView cnt) const {
  const FlowEntry& client = table_.leg(client_leg(index));
  const FlowEntry& server = table_.leg(server_leg(index));
  cnt.set_pkts_in(client.packets);
  cnt.set_bytes_in(client.bytes);
  cnt.set_pkts_out(server.packets);
  cnt.set_bytes_out(server.bytes);
  cnt.set_t_open(time_.wall_us(now, table_.pair(index).opened));
  cnt.set_t_last(time_.wall_us(now, last_seen(now, index)));
}

uint8_t Flows::tcp_state_of(PairIndex index) const {
  const uint8_t reason = table_.pair(index).end_reason;
  if (reason == EndReason::fin || reason == EndReason::rst) return TcpState::ended;
  if (is_asked(index) && table_.pair(index).mode == PairMode::proxied) {
    const bool has_server = (table_.leg(server_leg(index)).flags & LegFlags::kEntered) != 0;
    return has_server ? TcpState::established : TcpState::opening;
  }
  const PairIndex session = session_of(index);
  return sluice::tcp_state_of(table_.leg(client_leg(session)), table_.leg(server_leg(session)));
}

// What DELETE and STATS have in common.
template <class View>
void Flows::fill_totals(Instant now, PairIndex index, View message) const {
  const FlowPair& flow = table_.pair(index);
  message.set_flags(message_flags(flow));
  store_signature(message.sig(), table_.key_of(client_leg(index)));
  fill_counts(now, index, message.cnt());
  message.set_tcp_state(tcp_state_of(index));
  message.set_node_hint(flow.node);
}

// An eviction is no end: what it takes to go on is told instead (FLOWLIFE-06). A handshake that was
// not complete has nothing to go on with.
bool Flows::report_end(Instant now, PairIndex index) {
  const FlowPair& flow = pair(index);
  if (flow.end_reason == EndReason::overflow && tcp_state_of(index) != TcpState::opening) {
    return report_state(now, index, SsmbError::evicted);
  }
  DeleteView message = outbox_.begin<DeleteView>(flow.serial);
  fill_totals(now, index, message);
  message.set_reason(flow.end_reason);
  if (flow.flags & FlowPair::kNotEntered) message.set_error_code(SsmbError::nores);
  return outbox_.put(message);
}

// There is no room for a flow that was decided: the control segment takes its count back.
void Flows::report_unentered(const ReplyView& reply) {
  serials_.answered(reply.serial());
  DeleteView message = outbox_.begin<DeleteView>(reply.serial());
  message.set_error_code(SsmbError::nores);
  message.set_flags(reply.flags() & SsmbFlags::outbound);
  store_signature(message.sig(), load_signature(reply.sig()));
  message.set_node_hint(static_cast<uint16_t>(reply.xlat().node_id()));
  outbox_.put(message);
}

void Flows::report_alive(Instant now, PairIndex index) {
  StatsView message = outbox_.begin<StatsView>(pair(index).serial);
  message.set_error_code(SsmbError::connalive);
  fill_totals(now, index, message);
  outbox_.put(message);
}

// A STATS for each flow that had traffic since the last one: the table once in every interval, a
// slice of it at a time.
void Flows::report_statistics(Instant now) {
  const auto interval = static_cast<Tick>(options_.timeouts.stats_interval.milliseconds());
  const Tick pause = interval == 0 ? 1000 : interval / kStatisticsSlices + 1;
  next_statistics_ = time_.tick(now) + pause;
  if (interval == 0) return;
  Statistics& at = statistics_;
  const PairIndex end = std::min(at.end, table_.high_water());
  for (; at.next < end; ++at.next) {
    const FlowPair& flow = pair(at.next);
    const bool live = is_live(at.next) || is_asked(at.next);
    if (!live || time_.tick(now) - last_seen(now, at.next) > pause * kStatisticsSlices) continue;
    StatsView message = outbox_.begin<StatsView>(flow.serial);
    fill_totals(now, at.next, message);
    if (!outbox_.put(message)) return;  // goes on here after the pause
  }
  at.slice = (at.slice + 1) % kStatisticsSlices;
  if (at.slice == 0) at.share = table_.high_water() / kStatisticsSlices + 1;
  at.next = at.slice * at.share;
  at.end = at.next + at.share;
}

// -- STATE: the flow table, from a cursor on, as fast as the ring and the packets allow

void Flows::dump(Instant now, uint64_t cursor, uint16_t max_records) {
  const uint64_t from = cursor - options_.first_cursor;
  dump_ = {.active = true};
  dump_.next = from < table_.high_water() ? static_cast<PairIndex>(from) : 0;
  dump_.remaining = max_records == 0 ? UINT32_MAX : max_records;
  continue_dump(now);
}

bool Flows::is_live(PairIndex index) const {
  const FlowPair& flow = table_.pair(index);
  return flow.mode == PairMode::translate && flow.flow_class != FlowClass::linger;
}

// Each record names the one after it, so it is told when that is found; the last one of the last
// worker's table has next_cursor 0. If there is none at all, one record without a signature says
// so.
void Flows::continue_dump(Instant now) {
  // It may have ended since.
  const auto is_told = [this](PairIndex index) { return is_live(index) || is_asked(index); };
  if (dump_.found != kNoPair && !is_told(dump_.found)) dump_.found = kNoPair;
  for (PairIndex looked_at = 0; dump_.active && looked_at < kPairsPerPoll; ++looked_at) {
    const bool at_end = dump_.next >= table_.high_water();
    if (at_end || is_told(dump_.next)) {
      const uint64_t cursor = at_end ? options_.cursor_after : options_.first_cursor + dump_.next;
      if (!dump_found(now, cursor)) return;  // goes on here when there is room
      dump_.found = dump_.next;
      if (at_end) dump_.active = false;
    }
    ++dump_.next;
  }
}

// Tells of the one found last, if there is any. Of the end of the table also if there is none.
bool Flows::dump_found(Instant now, uint64_t next_cursor) {
  if (dump_.found != kNoPair) {
    if (!dump_one(now, dump_.found, next_cursor)) return false;
    --dump_.remaining;
    if (dump_.remaining == 0) dump_.active = false;
    return true;
  }
  if (dump_.next < table_.high_water()) return true;
  StateView empty = outbox_.begin<StateView>(0);
  empty.set_next_cursor(options_.cursor_after);
  return outbox_.put(empty);
}

bool Flows::dump_one(Instant now, PairIndex index, uint64_t next_cursor) {
  StateView message = state_of(now, index);
  message.set_next_cursor(next_cursor);
  return outbox_.put(message);
}

// Of its own accord, with the reason in error_code.
bool Flows::report_state(Instant now, PairIndex index, uint8_t error_code) {
  StateView message = state_of(now, index);
  message.set_error_code(error_code);
  return outbox_.put(message);
}

StateView Flows::state_of(Instant now, PairIndex index) {
  const FlowPair& flow = pair(index);
  const PairIndex session = session_of(index);
  StateView message = outbox_.begin<StateView>(flow.serial);
  message.set_flags(message_flags(flow));
  store_signature(message.sig(), table_.key_of(client_leg(index)));
  store_translation(index, message);
  TcpsView tcps = message.tcps();
  tcps.set_tcp_state(tcp_state_of(index));
  tcps.set_origin(1);  // a data flow segment
  tcps.set_c_nxt(table_.leg(client_leg(session)).seq_end);
  tcps.set_s_nxt(table_.leg(server_leg(session)).seq_end);
  fill_counts(now, index, message.cnt());
  return message;
}

// What the REPLY said, as far as it holds: another segment could carry the flow on with it.
void Flows::store_translation(PairIndex index, StateView message) const {
  const FlowPair& flow = table_.pair(index);
  const uint8_t leg_flags = table_.leg(client_leg(index)).flags;
  const FlowKey target = flow.mode == PairMode::proxied
                             ? table_.key_of(server_leg(index)).reversed()
                             : table_.target_of(client_leg(index));
  uint16_t mask = XlatMask::src_addr | XlatMask::dst_addr | XlatMask::src_port | XlatMask::dst_port;
  if (leg_flags & LegFlags::kDecrementTtl) mask |= XlatMask::dec_ttl;
  XlatView xlat = message.xlat();
  xlat.set_xlat_src_ipaddr(target.src);
  xlat.set_xlat_dst_ipaddr(target.dst);
  xlat.set_xlat_src_port(target.src_port);
  xlat.set_xlat_dst_port(target.dst_port);
  if (leg_flags & LegFlags::kSetDscp) {
    mask |= XlatMask::tos;
    xlat.set_xlat_tos(static_cast<uint8_t>(flow.dscp << 2));
  }
  xlat.set_xlat_mask(mask);
  xlat.set_idle_timeout(flow.idle_seconds);
  xlat.set_node_id(flow.node);
  xlat.set_vs_id(flow.vs);
  if (leg_flags & LegFlags::kOffsets) fill_offsets(table_.offsets(index), message);
}

}  // namespace sluice
