#pragma once

#include "flow/flow_table.h"
#include "rewrite/rewrite.h"
#include "rewrite/translation.h"

namespace sluice {

// The leg has offsets.
inline TcpOffsets leg_offsets(const FlowTable& table, LegIndex index) {
  const TcpOffsets& offsets = table.offsets(pair_of(index));
  return is_client_leg(index) ? offsets : mirrored(offsets);
}

// The leg, or that of its session, has an OffsetSwitch.
inline EarlierNumbers leg_earlier(const FlowTable& table, LegIndex index) {
  const PairIndex session = table.session_of(pair_of(index));
  const OffsetSwitch& at = table.offset_switch(session);
  return is_client_leg(index) ? at.of_client() : at.of_server(table.offsets(session));
}

// Those that gave a packet of the leg the number that it was sent on with.
inline TcpOffsets leg_offsets_of(const FlowTable& table, LegIndex index, Seq sent) {
  TcpOffsets offsets = leg_offsets(table, index);
  if (!(table.leg(index).flags & LegFlags::kSwitched)) return offsets;
  const EarlierNumbers earlier = leg_earlier(table, index);
  offsets.seq += earlier.of_seq(sent - (offsets.seq + earlier.seq));
  return offsets;
}

// What a packet of this leg becomes, without Ethernet addresses.
inline Rewrite leg_rewrite(const FlowTable& table, LegIndex index) {
  const FlowEntry& leg = table.leg(index);
  const FlowKey target = table.target_of(index);
  Rewrite rewrite;
  rewrite.fields = kRewriteSrcAddress | kRewriteDstAddress | kRewriteSrcPort | kRewriteDstPort;
  rewrite.src = target.src;
  rewrite.dst = target.dst;
  rewrite.src_port = target.src_port;
  rewrite.dst_port = target.dst_port;
  if (leg.flags & LegFlags::kDecrementTtl) rewrite.ttl_delta = -1;
  if (leg.flags & LegFlags::kSetDscp) {
    rewrite.fields |= kRewriteDscp;
    rewrite.dscp =
        is_client_leg(index) ? table.pair(pair_of(index)).dscp : table.leg(other_leg(index)).dscp;
  }
  if (leg.flags & LegFlags::kOffsets) {
    rewrite.fields |= kRewriteTcp;
    rewrite.tcp = leg_offsets(table, index);
  }
  return rewrite;
}

// Rewrites a packet that find() has given this leg for.
inline void rewrite_for_leg(const FlowTable& table, LegIndex index, Packet& packet) {
  const FlowEntry& leg = table.leg(index);
  constexpr uint8_t kRare =
      LegFlags::kIpv6 | LegFlags::kSetDscp | LegFlags::kOtherL4 | LegFlags::kSwitched;
  if ((leg.flags & kRare) || packet.headers.fragment) {
    if (leg.flags & LegFlags::kSwitched) carry_over(leg_earlier(table, index), packet);
    return apply(leg_rewrite(table, index), packet);
  }
  const int8_t ttl_delta = leg.flags & LegFlags::kDecrementTtl ? -1 : 0;
  Translation to{leg.new_src_v4, leg.new_dst_v4, leg.new_src_port, leg.new_dst_port, ttl_delta};
  if (!(leg.flags & LegFlags::kOffsets)) return translate(to, packet);
  const TcpOffsets offsets = leg_offsets(table, index);
  to.tcp = &offsets;
  translate(to, packet);
}

// Takes back what the leg has made of the numbers of a packet, once the present offsets are off.
inline void renumber_back(const FlowTable& table, LegIndex index, Packet& packet) {
  const bool switched = (table.leg(index).flags & LegFlags::kSwitched) != 0;
  if (switched) renumber(leg_earlier(table, index).undone(), packet);
}

}  // namespace sluice
