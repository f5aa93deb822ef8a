// The part of Flows that makes of a decision what both legs of a flow become: endpoints, the way
// back, next hops, TCP's numbers.

#include <utility>

#include "bus/signature.h"
#include "segment/flows.h"
#include "wire/ip_protocol.h"

namespace sluice {

namespace {

// Flows that may give way for one next hop: those that share theirs with others free none.
constexpr int kMostEvictedForHop = 8;

// Nothing is translated between IP versions (TCPX-74).
bool same_family(const FlowKey& key, const FlowKey& target) {
  return target.src.is_v4() == key.src.is_v4() && target.dst.is_v4() == key.dst.is_v4();
}

bool is_other_l4(uint8_t protocol) { return protocol != kProtocolTcp && protocol != kProtocolUdp; }

}  // namespace

FlowKey Flows::translated(const FlowKey& key, const XlatView& xlat) {
  FlowKey target = key;
  const uint16_t mask = xlat.xlat_mask();
  if (mask & XlatMask::src_addr) target.src = xlat.xlat_src_ipaddr();
  if (mask & XlatMask::dst_addr) target.dst = xlat.xlat_dst_ipaddr();
  if (mask & XlatMask::src_port) target.src_port = xlat.xlat_src_port();
  if (mask & XlatMask::dst_port) target.dst_port = xlat.xlat_dst_port();
  if (mask & XlatMask::tos) target.dscp = xlat.xlat_tos() >> 2;
  return target;
}

// Enters the server's leg and what both become. Where it fails the caller removes the pair, and
// with it what was acquired on the way.
bool Flows::install(Instant now, PairIndex index, const ReplyView& reply, DropReason& why) {
  const FlowKey key = table_.key_of(client_leg(index));
  const FlowKey target = translated(key, reply.xlat());
  const uint16_t mask = reply.xlat().xlat_mask();
  // A frame with another destination's MAC address is what a next hop makes of it.
  if (!same_family(key, target) || !may_become(key, target) || (mask & XlatMask::dst_mac)) {
    return false;
  }
  const bool possible = bridges(reply)
                            ? may_bridge(key, target, reply)
                            : acquire_hops(now, index, reply.xlat(), reply.flags(), target, why);
  if (!possible) return false;
  if (!enter_way_back(now, index, target.reversed(), why)) return false;
  forget_time_wait(target.reversed());
  table_.set_target(client_leg(index), target);
  table_.set_target(server_leg(index), key.reversed());
  for (const LegIndex leg : {client_leg(index), server_leg(index)}) {
    uint8_t& flags = table_.leg(leg).flags;
    if (mask & XlatMask::dec_ttl) flags |= LegFlags::kDecrementTtl;
    if (mask & XlatMask::tos) flags |= LegFlags::kSetDscp;
    if (is_other_l4(key.protocol)) flags |= LegFlags::kOtherL4;
  }
  store_offsets(index, reply);
  FlowPair& flow = pair(index);
  flow.dscp = target.dscp;
  flow.mode = PairMode::translate;
  flow.flags &= static_cast<uint16_t>(~(FlowPair::kNotEntered | FlowPair::kBridged));
  if (bridges(reply)) flow.flags |= FlowPair::kBridged;
  if (reply.flags() & SsmbFlags::half_flow) flow.flags |= FlowPair::kHalfFlow;
  const uint32_t idle = reply.xlat().idle_timeout();
  flow.idle_seconds = static_cast<uint16_t>(idle < 0xffff ? idle : 0xffff);
  return true;
}

// A bridge changes nothing.
bool Flows::may_bridge(const FlowKey& key, const FlowKey& target, const ReplyView& reply) const {
  constexpr uint16_t kChanges = SsmbFlags::add_tcp_offsets | SsmbFlags::add_ts_offsets |
                                SsmbFlags::scale_window | SsmbFlags::strip_sack |
                                SsmbFlags::strip_ts;
  return options_.bridges && target == key && reply.xlat().xlat_mask() == 0 &&
         !(reply.flags() & kChanges);
}

// Makes return packets findable, whatever their DSCP: servers choose it by themselves (DFS-09).
// What has the signature already may be over, or the same session with another DSCP; else the two
// could not be told apart (SOCK-10; one node behind two virtual servers).
bool Flows::enter_way_back(Instant now, PairIndex index, const FlowKey& key, DropReason& why) {
  const LegIndex server = server_leg(index);
  take_in(key);
  if (table_.enter_any_dscp(server, key)) return true;
  const LegIndex holder = leg_of_any_dscp(key);
  if (holder == kNoLeg) return false;
  why = DropReason::tuple_in_use;
  if (makes_way(now, holder, index)) return table_.enter_any_dscp(server, key);
  if (pair(index).vs != 0 && is_unanswered(holder)) {
    end_session(now, pair_of(holder), EndReason::reset);
    return table_.enter_any_dscp(server, key);
  }
  return join_session(index, holder);
}

// Whether a flow is only routed, and nothing has come back. After a restart a server may be heard
// of before its client is: what it sends is the way back of the client's flow, and a tunnel has no
// other signature that it could go on by.
bool Flows::is_unanswered(LegIndex leg) const {
  const FlowPair& flow = table_.pair(pair_of(leg));
  const bool lives = flow.mode == PairMode::translate && flow.flow_class != FlowClass::linger;
  return is_client_leg(leg) && flow.vs == 0 && lives && table_.leg(other_leg(leg)).packets == 0;
}

// Where a session goes on that was evicted, its server's packets may have asked as well, and wait
// for an answer of their own: they go on with this flow.
void Flows::take_in(const FlowKey& way_back) {
  PairIndex asking[FlowTable::kMostVariants];
  size_t count = 0;
  table_.for_each_variant(way_back, [&](LegIndex leg) {
    const WaitingRoom::Place place = table_.leg(leg).detail;
    const bool waits = is_client_leg(leg) && pair(pair_of(leg)).mode == PairMode::waiting &&
                       place != WaitingRoom::kNoPlace;
    if (waits && !opens_session(waiting_.first(place)->packet)) asking[count++] = pair_of(leg);
  });
  for (size_t i = 0; i < count; ++i) {
    release_packets(asking[i]);
    remove(asking[i]);
  }
}

// Forgets what has the way back of a flow that begins, where its node can take the SYN for a new
// connection (trap 3).
bool Flows::makes_way(Instant now, LegIndex holder, PairIndex index) {
  const WaitingRoom::Place place = table_.leg(client_leg(index)).detail;
  const Packet* first = place == WaitingRoom::kNoPlace ? nullptr : &waiting_.first(place)->packet;
  if (!is_past(holder, first)) return false;
  const PairIndex past = pair_of(holder);
  if (pair(past).flow_class != FlowClass::linger) end_session(now, past, EndReason::fin);
  return forget(now, past);
}

bool Flows::join_session(PairIndex index, LegIndex way_back) {
  const PairIndex session = pair_of(way_back);
  FlowKey first = table_.key_of(client_leg(session));
  const FlowKey key = table_.key_of(client_leg(index));
  first.dscp = key.dscp;
  if (is_client_leg(way_back) || !(first == key)) return false;
  pair(index).flags |= FlowPair::kVariant;
  pair(session).flags |= FlowPair::kHasVariants;
  table_.leg(server_leg(index)).detail = session;
  return true;
}

// No batch is open, so the next hops of a flow that gives way are free at once.
NextHop Flows::acquire_hop(Instant now, const IpAddress& destination, DropReason& why) {
  NextHop hop = stack_.acquire_next_hop(now, destination, why);
  for (int evicted = 0; hop == kNoNextHop && why == DropReason::neighbor_table_full &&
                        evicted < kMostEvictedForHop && evict_for_next_hop(now);
       ++evicted) {
    hop = stack_.acquire_next_hop(now, destination, why);
  }
  return hop;
}

bool Flows::acquire_hops(Instant now, PairIndex index, const XlatView& xlat, uint16_t flags,
                         const FlowKey& target, DropReason& why) {
  const IpAddress next_hop = xlat.next_hop_ipaddr();
  const bool routed = (flags & SsmbFlags::route_by_dst) || next_hop.is_zero();
  FlowEntry& client = table_.leg(client_leg(index));
  FlowEntry& server = table_.leg(server_leg(index));
  client.next_hop = acquire_hop(now, routed ? target.dst : next_hop, why);
  if (client.next_hop == kNoNextHop) return false;
  const FlowKey key = table_.key_of(client_leg(index));
  server.next_hop = acquire_hop(now, key.src, why);
  return server.next_hop != kNoNextHop;
}

// A session has one numbering, whatever DSCP its packets have, and one switch of it (TCPX-23).
void Flows::share_offsets(PairIndex variant, PairIndex session) {
  constexpr uint8_t kNumbers = LegFlags::kOffsets | LegFlags::kSwitched;
  const uint8_t numbers = table_.leg(client_leg(session)).flags & kNumbers;
  if (numbers & LegFlags::kOffsets) table_.offsets(variant) = table_.offsets(session);
  table_.leg(client_leg(variant)).flags |= numbers;
}

// SSMB-30: the fields count only with their flag.
void Flows::store_offsets(PairIndex index, const ReplyView& reply) {
  if (const PairIndex session = session_of(index); session != index) {
    return share_offsets(index, session);
  }
  constexpr uint16_t kAny = SsmbFlags::add_tcp_offsets | SsmbFlags::add_ts_offsets |
                            SsmbFlags::scale_window | SsmbFlags::strip_sack | SsmbFlags::strip_ts;
  const uint16_t flags = reply.flags();
  const FlowEntry& client = table_.leg(client_leg(index));
  if (!(flags & kAny) || client.protocol != kProtocolTcp) return;
  const XlatView xlat = reply.xlat();
  TcpOffsets offsets;
  if (flags & SsmbFlags::add_tcp_offsets) {
    offsets.seq = xlat.seq_offset();
    offsets.ack = xlat.ack_offset();
  }
  if (flags & SsmbFlags::add_ts_offsets) {
    offsets.tsval = xlat.tsval_offset();
    offsets.tsecr = xlat.tsecr_offset();
  }
  if (flags & SsmbFlags::scale_window) {
    offsets.window_shift = xlat.wshift_c2s();
    offsets.reply_window_shift = xlat.wshift_s2c();
  }
  offsets.strip_sack = (flags & SsmbFlags::strip_sack) != 0;
  offsets.strip_timestamps = (flags & SsmbFlags::strip_ts) != 0;
  table_.offsets(index) = offsets;
  table_.leg(client_leg(index)).flags |= LegFlags::kOffsets;
  table_.leg(server_leg(index)).flags |= LegFlags::kOffsets;
}

}  // namespace sluice
