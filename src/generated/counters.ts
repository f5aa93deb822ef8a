// generated from native/segment/counters.def, native/port/port.h, do not edit

export const counterNames = [
  'received',
  'receivedSegments',
  'receivedBytes',
  'forwarded',
  'forwardedBytes',
  'delivered',
  'originated',
  'originatedLost',
  'icmpErrors',
  'icmpErrorsLimited',
  'resets',
  'resetsLimited',
  'icmpRelayed',
  'addressConflicts',
  'softwareSegmented',
  'fragmented',
  'handedOver',
  'datagramsEvicted',
  'bridged',
  'flooded',
  'stationMoves',
  'stationsEvicted',
  'queries',
  'queriesRepeated',
  'replies',
  'flowsTold',
  'messagesStale',
  'messagesInvalid',
  'messagesUnsent',
  'flowsOpened',
  'flowsRefused',
  'flowsAskedAgain',
  'flowsClosedFin',
  'flowsClosedRst',
  'flowsExpired',
  'flowsEvicted',
  'timeWaitsEvicted',
  'flowsRemoved',
  'connectionsAccepted',
  'synCookiesSent',
  'synCookiesAccepted',
  'synCookiesRefused',
  'connectionsOpened',
  'connectionsFailed',
  'splices',
  'splicesReturned',
  'returnsPostponed',
  'pushes',
  'pushedBytes',
  'streamBytesRead',
  'streamBytesWritten',
  'inspections',
  'inspectionsAsked',
  'inspectionsReadOn',
  'inspectionsJoined',
  'inspectionsUnread',
  'inspectionsSlow',
  'inspectionsLeft',
  'inspectionsUnanswered',
  'inspectionsServerFailed',
  'sslidLearned',
  'sslidUnusable',
  'datagramSocketsAccepted',
  'datagramSocketsOpened',
  'datagramsRead',
  'datagramsUnread',
  'datagramsWritten',
] as const

export const gaugeNames = [
  'flows',
  'lingering',
  'waitingFlows',
  'waitingPackets',
  'waitingFragments',
  'neighborPackets',
  'handedPackets',
  'fragmentedDatagrams',
  'duplicateAddresses',
  'flowEntries',
  'stations',
  'connections',
  'connectionsActive',
  'ownTimeWait',
  'sockets',
  'inspected',
  'datagramSockets',
  'streamBuffers',
  'poolBuffers',
] as const

export const portCounterNames = [
  'rxFrames',
  'rxBytes',
  'rxTruncated',
  'rxMissed',
  'txFrames',
  'txBytes',
  'txRefused',
] as const

export const counterTexts = {
  received:
    'Frames handed out by ports, and frames that they counted as truncated',
  receivedSegments:
    'The same in frames on the wire: a GSO super-packet counts its segments',
  receivedBytes:
    'Bytes of those frames',
  forwarded:
    'Packets sent on, rewritten or routed',
  forwardedBytes:
    'Bytes of those packets',
  delivered:
    "Packets taken by the engine's own stack: ARP, neighbour discovery, ICMP echo",
  originated:
    'Packets that the engine made itself',
  originatedLost:
    'Such packets that no port took or no neighbour was found for',
  icmpErrors:
    'ICMP errors that the engine sent, as routers do',
  icmpErrorsLimited:
    'Those that it did not send, to keep to their rate',
  resets:
    'RSTs that the engine sent to refuse what came',
  resetsLimited:
    'Those that it did not send, to keep to their rate',
  icmpRelayed:
    'ICMP errors about flows that were sent on to the host concerned',
  addressConflicts:
    'Times another host claimed an address of the engine by ARP or ND',
  softwareSegmented:
    'Super-packets cut in software for a port that cannot',
  fragmented:
    'IPv4 packets cut into fragments for a link with a smaller MTU',
  handedOver:
    'Packets that came to one worker and were given to another, which has their flow',
  datagramsEvicted:
    'Fragmented datagrams that made room for others, or for one of the same source',
  bridged:
    'Frames between stations, passed on as they came; part of those forwarded',
  flooded:
    'Of those, frames to every other port: to many, or to a station not heard of yet',
  stationMoves:
    'Times a station was heard behind another port than before',
  stationsEvicted:
    'Stations forgotten for want of room',
  queries:
    'QUERY messages sent, without repetitions',
  queriesRepeated:
    'QUERY messages sent again for want of an answer',
  replies:
    'REPLY messages carried out',
  flowsTold:
    'NEWFLOW messages carried out',
  messagesStale:
    'Messages whose serial is not that of the live flow',
  messagesInvalid:
    'Messages of unknown type, wrong size or wrong sender',
  messagesUnsent:
    'Times a message found no room in the ring and had to be kept for later',
  flowsOpened:
    'Flows entered',
  flowsRefused:
    'Flows refused by the control segment',
  flowsAskedAgain:
    'Flows decided again, for another flow had what their server would send',
  flowsClosedFin:
    'Flows ended by FIN in both directions',
  flowsClosedRst:
    'Flows ended by RST',
  flowsExpired:
    'Flows ended by their idle time-out',
  flowsEvicted:
    'Flows evicted from a full table',
  timeWaitsEvicted:
    'TIME-WAITs that made room for others in a full table',
  flowsRemoved:
    'Flows ended with their virtual server, or by the control segment',
  connectionsAccepted:
    'Connections of clients that the engine ends itself, established',
  synCookiesSent:
    'SYNs of clients answered by a cookie, of which nothing is kept',
  synCookiesAccepted:
    'Connections of clients established by a cookie that came back',
  synCookiesRefused:
    'Segments of no connection that had no cookie, while some were on their way',
  connectionsOpened:
    'Connections that the engine opened for a socket, established',
  connectionsFailed:
    'Connections that were reset, refused or timed out',
  splices:
    'Relayed pairs that were left to the hosts at their ends',
  splicesReturned:
    'Such pairs that were taken back',
  returnsPostponed:
    'Times that one stayed as it was, for want of connections to take it back with',
  pushes:
    'Times bytes went from one connection to another inside the engine',
  pushedBytes:
    'Bytes of those',
  streamBytesRead:
    'Bytes handed to sockets',
  streamBytesWritten:
    'Bytes that sockets wrote',
  inspections:
    'Connections of clients that were to be read before their server is chosen, established',
  inspectionsAsked:
    'Of those, decisions that were asked for with what was read',
  inspectionsReadOn:
    'Of those, answers that more has to be read first: it is asked again then',
  inspectionsJoined:
    "Of those, connections that have got their server's",
  inspectionsUnread:
    'Of those, such with what cannot be read: malformed, of another protocol, or too large',
  inspectionsSlow:
    'Of those, such whose request did not come to its end in time',
  inspectionsLeft:
    'Of those, such that their client ended before they had a server',
  inspectionsUnanswered:
    'Of those, such that no decision came for in time, or one that could not be carried out',
  inspectionsServerFailed:
    'Times the server of one refused its connection, or did not answer in time: another is asked for',
  sslidLearned:
    'Sessions of TLS whose servers gave them an id: told, so that they find the same server again',
  sslidUnusable:
    'Sessions of TLS that no id is the name of: of TLS 1.3, and such with tickets',
  datagramSocketsAccepted:
    'Flows of UDP of clients that the engine ends itself',
  datagramSocketsOpened:
    'Flows of UDP that the engine opened for a socket',
  datagramsRead:
    'Datagrams handed to sockets',
  datagramsUnread:
    'Datagrams lost since their socket reads no more for now, or no socket does',
  datagramsWritten:
    'Datagrams that sockets sent',
  flows:
    'Flows in the table, without those in linger',
  lingering:
    'Closed flows that linger to translate a repeated FIN or ACK',
  waitingFlows:
    'Flows that wait for a decision',
  waitingPackets:
    'Packets that wait for a decision',
  waitingFragments:
    'Fragments that wait for the first one of their datagram',
  neighborPackets:
    'Packets that wait for a next hop, but for segments of our own',
  handedPackets:
    'Packets on their way from one worker to another',
  fragmentedDatagrams:
    'Datagrams of which some fragments have come and others have not',
  duplicateAddresses:
    'Addresses of the engine that another host had first: not answered for',
  flowEntries:
    'Flow entries in use: two of 64 bytes for each plain flow, one of 48 for each TIME-WAIT',
  stations:
    'Stations of which the bridge knows the port',
  connections:
    'Connection blocks in use',
  connectionsActive:
    'Connections that moved bytes within the last second',
  ownTimeWait:
    'Connections that are over and still answer: in TIME-WAIT, or given up a moment ago',
  sockets:
    'Places for sockets of connections in use',
  inspected:
    'Connections of clients that are read now, or wait for their server',
  datagramSockets:
    'Places for sockets of UDP in use',
  streamBuffers:
    'Bytes of connection buffers in use, in chunks of 2 KB',
  poolBuffers:
    'Packet buffers in use',
} as const
