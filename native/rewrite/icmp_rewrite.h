#pragma once

#include "packet/icmp_quote.h"
#include "packet/packet.h"
#include "rewrite/tcp_offsets.h"

namespace sluice {

// What an ICMP error about a translated packet becomes for the packet's sender (RFC 5508 4).
struct IcmpRewrite {
  IpAddress src;  // of the error itself
  IpAddress dst;
  FlowKey quoted;    // the quoted packet as it was sent; protocol and DSCP are not used
  TcpOffsets added;  // by which its numbers differ from those that it was sent with
};

// Rewrites the error and what it quotes, however little that is, and computes its checksum anew:
// the one that came has been found right. The checksums of the quoted headers, where they are
// there, are updated.
void apply(const IcmpRewrite& rewrite, const IcmpQuote& quote, Packet& error);

}  // namespace sluice
