#pragma once

#include "flow/flow_table.h"
#include "rewrite/rewrite.h"
#include "rewrite/translation.h"

namespace sluice {

// What a packet of this leg becomes, without Ethernet addresses. `client_offsets` are those of the
// client's leg, read where the leg has any.
inline Rewrite leg_rewrite(const FlowTable& table, LegIndex index,
                           const TcpOffsets& client_offsets) {
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
    rewrite.tcp = is_client_leg(index) ? client_offsets : mirrored(client_offsets);
  }
  return rewrite;
}

// Rewrites a packet that find() has given this leg for.
inline void rewrite_for_leg(const FlowTable& table, LegIndex index,
                            const TcpOffsets& client_offsets, Packet& packet) {
  const FlowEntry& leg = table.leg(index);
  if (leg.flags & (LegFlags::kIpv6 | LegFlags::kSetDscp)) {
    return apply(leg_rewrite(table, index, client_offsets), packet);
  }
  const int8_t ttl_delta = leg.flags & LegFlags::kDecrementTtl ? -1 : 0;
  Translation to{leg.new_src_v4, leg.new_dst_v4, leg.new_src_port, leg.new_dst_port, ttl_delta};
  if (!(leg.flags & LegFlags::kOffsets)) return translate(to, packet);
  const TcpOffsets offsets = is_client_leg(index) ? client_offsets : mirrored(client_offsets);
  to.tcp = &offsets;
  translate(to, packet);
}

}  // namespace sluice
