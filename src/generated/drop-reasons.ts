// generated from native/packet/drop_reasons.def, do not edit

export const dropReasonNames = [
  'truncated',
  'ethernetMalformed',
  'ethernetOtherHost',
  'vlanOther',
  'bridgeReserved',
  'bridgeSameSide',
  'bridgeLoop',
  'bridgeFlood',
  'etherTypeUnknown',
  'arpMalformed',
  'arpNotOurs',
  'ndMalformed',
  'ndNotOurs',
  'ipMalformed',
  'ipChecksum',
  'ipMartian',
  'ipFragment',
  'fragmentTiny',
  'fragmentOverlap',
  'fragmentDuplicate',
  'fragmentFull',
  'fragmentExpired',
  'fragmentRenumbered',
  'ipOptionsRefused',
  'ttlExpired',
  'l4Malformed',
  'l4Checksum',
  'tcpFlagsInvalid',
  'udpChecksumMissing',
  'land',
  'multicast',
  'noVirtualServer',
  'noRoute',
  'noFlow',
  'ownAddress',
  'hostAddress',
  'icmpImplausible',
  'icmpObsolete',
  'mtuExceeded',
  'neighborUnresolved',
  'neighborQueueFull',
  'neighborTableFull',
  'refused',
  'outsideWindow',
  'tupleInUse',
  'flowTableFull',
  'connectionsFull',
  'socketUnread',
  'waitingFull',
  'waitingFlowFull',
  'waitingDuplicate',
  'waitingExpired',
  'poolExhausted',
  'handOverFull',
  'transmitFailed',
] as const

export const dropReasonTexts = {
  truncated:
    'The frame did not fit the buffer of the port that received it',
  ethernetMalformed:
    'The frame is shorter than an Ethernet header',
  ethernetOtherHost:
    "The frame is addressed to another host's MAC address",
  vlanOther:
    'The frame is in another VLAN than its port, or in none',
  bridgeReserved:
    'A frame to a reserved group address, which no bridge sends on: STP, LACP, LLDP, pause',
  bridgeSameSide:
    'The destination is behind the port by which the frame came in',
  bridgeLoop:
    "A frame with the engine's own MAC address as its source came in: the network has a loop",
  bridgeFlood:
    'More frames to every port in a second than the bridge sends',
  etherTypeUnknown:
    'The EtherType is none of ARP, IPv4 and IPv6',
  arpMalformed:
    'The ARP message is malformed',
  arpNotOurs:
    'The ARP message concerns no address of the engine',
  ndMalformed:
    'The neighbour discovery message is malformed or came through a router',
  ndNotOurs:
    'The neighbour discovery message concerns no address of the engine',
  ipMalformed:
    'The IP header is malformed',
  ipChecksum:
    'The IPv4 header checksum is wrong',
  ipMartian:
    'The source or destination address may not appear on a network',
  ipFragment:
    'A fragment to the engine itself of anything but an echo request, or behind a first one that opened no flow',
  fragmentTiny:
    'A first fragment without the whole L4 header, or one that would overwrite it',
  fragmentOverlap:
    'A fragment of a datagram whose fragments overlap or contradict each other',
  fragmentDuplicate:
    'A fragment that was there already',
  fragmentFull:
    'No room for another fragment: of its datagram, of its source, or of all',
  fragmentExpired:
    'The first fragment of the datagram did not come in time',
  fragmentRenumbered:
    'A fragment with bytes behind a change of TCP offsets, of a segment that begins before it',
  ipOptionsRefused:
    'A source-routing option',
  ttlExpired:
    'The TTL or hop limit ran out',
  l4Malformed:
    'The TCP, UDP, SCTP or ICMP header is malformed',
  l4Checksum:
    'A wrong L4 checksum, on a message to the engine or on what would open a flow',
  tcpFlagsInvalid:
    'A combination of TCP flags that no TCP sends',
  udpChecksumMissing:
    'UDP over IPv6 without a checksum',
  land:
    'Source and destination endpoint are the same',
  multicast:
    'Multicast or broadcast that no virtual server asks for',
  noVirtualServer:
    'No virtual server, and the engine does not forward',
  noRoute:
    'No route to the destination',
  noFlow:
    'A TCP segment or an echo reply that opens no flow and belongs to none',
  ownAddress:
    'A packet for an address of the engine that no service answers',
  hostAddress:
    'For an address of the host, which gets it from the same device by itself',
  icmpImplausible:
    'An ICMP error about a flow that its quote does not belong to: a forged one, or late',
  icmpObsolete:
    'An ICMP source quench or redirect, which nobody obeys',
  mtuExceeded:
    'The packet is larger than the MTU of the next link and may not be cut',
  neighborUnresolved:
    'The next hop did not answer ARP or neighbour discovery',
  neighborQueueFull:
    'Too many packets wait for a next hop',
  neighborTableFull:
    'No room for another next hop: all are in use',
  refused:
    'The control segment refused the flow',
  outsideWindow:
    'A segment of a splice whose receiver would not take it: it is beyond the window, or acknowledges what was not sent',
  tupleInUse:
    'Another flow to the same server has the address and port of this one already, and there is no other to leave from',
  flowTableFull:
    'No room in the flow table and nothing that may be evicted, or a decision that cannot be carried out',
  connectionsFull:
    'A SYN for which there is no room among the connections that the engine ends, or a datagram for which there is none among its sockets',
  socketUnread:
    'A datagram to a socket that reads no more for now, or while no socket does',
  waitingFull:
    'Too many flows wait for a decision',
  waitingFlowFull:
    'Too many packets of one flow wait for its decision',
  waitingDuplicate:
    'A retransmitted SYN while the first one waits for a decision',
  waitingExpired:
    'No decision came in time',
  poolExhausted:
    'No packet buffer left',
  handOverFull:
    'The worker that has the flow was too busy to take the packet',
  transmitFailed:
    'The port did not take the packet',
} as const

export type DropReason = (typeof dropReasonNames)[number]
