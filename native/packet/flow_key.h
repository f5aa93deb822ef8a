#pragma once

#include <cstdint>
#include <utility>

#include "wire/address.h"
#include "wire/ip_protocol.h"

namespace sluice {

// The flow signature of DFS-01: six fields, of the TOS byte only the DSCP (DFS-02). As seen on the
// packet: source is who sent it. What the ports are where a protocol has none, key_ports.h tells.
struct FlowKey {
  IpAddress src;
  IpAddress dst;
  L4Port src_port = 0;
  L4Port dst_port = 0;
  uint8_t protocol = 0;
  uint8_t dscp = 0;  // 0..63

  FlowKey reversed() const {
    FlowKey key = *this;
    std::swap(key.src, key.dst);
    std::swap(key.src_port, key.dst_port);
    return key;
  }
  bool operator==(const FlowKey&) const = default;
};

// Whether packets with this signature could be a flow.
inline bool may_be_flow(const FlowKey& key) {
  const bool v4 = key.src.is_v4();
  if (v4 != key.dst.is_v4() || key.protocol == 0 || key.protocol == icmp_of(!v4)) return false;
  if (carries_ports(key.protocol)) return true;
  if (key.protocol == icmp_of(v4)) return key.src_port == 0 || key.dst_port == 0;
  return key.src_port == 0 && key.dst_port == 0;
}

// Whether packets with the first signature can be made to have the second one, as far as the ports
// go: those of SCTP stand under a CRC that nobody computes anew, and most protocols have none.
inline bool may_become(const FlowKey& key, const FlowKey& target) {
  if (key.protocol == kProtocolTcp || key.protocol == kProtocolUdp) return true;
  if (key.protocol == icmp_of(key.src.is_v4())) return may_be_flow(target);
  return key.src_port == target.src_port && key.dst_port == target.dst_port;
}

}  // namespace sluice
