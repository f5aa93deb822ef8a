#pragma once

#include "packet/packet.h"

namespace sluice {

// The first stage of the pipeline: fills `headers` and `key`, or drops the packet with a reason.
//
// What it lets through has been checked once (law 3): the accessors of wire/ are total on
// `at(headers.l3)` and, where the packet is not headless and TCP, UDP, SCTP, ICMP or ICMPv6 (each
// over its own IP version), on `at(headers.l4)`; all of the packet lies before `headers.end`; the
// offload state fits the headers. L4 checksums are not looked at: a bad one stays bad (law 7).
//
// What of SCTP is left to a device is completed here. ARP passes with family 0 and `l3` at a
// checked ArpMessage. A datagram's first fragment passes with its ports, a headless one with `l4`
// and `payload` behind the IP headers and a key without ports: whoever knows the first one adds
// them. Of a first one, `headers.end` is its own. The MAC addresses, the TTL and multicast other
// than TCP's are for the pipeline to judge.
void parse(Packet& packet);

// Whether the L4 checksum field holds the pseudo-header sum only. A checksum left open elsewhere is
// one of an inner packet and none of the engine's business. For packets that passed parse().
inline bool checksum_is_partial(const Packet& packet) {
  return packet.offload.needs_checksum && packet.offload.checksum_start == packet.headers.l4;
}

}  // namespace sluice
