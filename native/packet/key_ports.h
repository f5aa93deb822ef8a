#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "packet/flow_key.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"

namespace sluice {

inline bool is_echo_request(bool v4, uint8_t type) {
  return type == (v4 ? kIcmpEchoRequest : kIcmpv6EchoRequest);
}
inline bool is_echo_reply(bool v4, uint8_t type) {
  return type == (v4 ? kIcmpEchoReply : kIcmpv6EchoReply);
}

// Fills in what a signature has of the L4 header at `at`; the rest of the key is there, and 8 bytes
// of the header where its protocol is ICMP or carries ports. An echo has its identifier in the
// place of the port of whoever asks, so that both directions are one flow (RFC 5508 3.1); what has
// no ports, zeros. False where packets make no flow: other ICMP, and what is no protocol of that
// family.
inline bool read_key_ports(uint8_t* at, FlowKey& key) {
  const bool v4 = key.src.is_v4();
  if (carries_ports(key.protocol)) {
    key.src_port = load_be16(at);
    key.dst_port = load_be16(at + 2);
    return true;
  }
  if (key.protocol != icmp_of(v4)) return key.protocol != 0 && key.protocol != icmp_of(!v4);
  const IcmpHeader icmp(at);
  if (is_echo_request(v4, icmp.type())) {
    key.src_port = icmp.identifier();
  } else if (is_echo_reply(v4, icmp.type())) {
    key.dst_port = icmp.identifier();
  } else {
    return false;
  }
  return true;
}

}  // namespace sluice
