#pragma once

#include <cstdint>
#include <utility>

#include "wire/address.h"
#include "wire/ip_protocol.h"

namespace sluice {

// The flow signature of DFS-01: six fields, of the TOS byte only the DSCP (DFS-02). As seen on the
// packet: source is who sent it.
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
  return (key.protocol == kProtocolTcp || key.protocol == kProtocolUdp) &&
         key.src.is_v4() == key.dst.is_v4();
}

}  // namespace sluice
