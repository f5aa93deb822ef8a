#pragma once

#include <cstdint>

#include "fragment/datagram_table.h"
#include "packet/packet.h"
#include "packet/packet_pool.h"
#include "segment/counters.h"

namespace sluice {

// Virtual reassembly (TCPX-68): gives every fragment the key of its datagram's first one, so that
// it is looked up, rewritten and sent on by itself, in the size that it has. Those that come before
// the first wait for it, copied. One worker has all fragments of a datagram.
class Fragments {
 public:
  struct Limits {
    uint32_t datagrams = 0;
    uint32_t waiting = 0;
  };

  Fragments(const Limits& limits, uint64_t seed, PacketPool& pool, Counters& counters);

  // Whether a parsed packet is for assign(): any fragment that was not dropped.
  static bool concerns(const Packet& packet) {
    return packet.verdict == Verdict::none && packet.headers.fragment;
  }
  // Completes the key of a fragment and lets it pass, or drops it; or takes a copy, which comes
  // back by released(), complete, once the first fragment is there.
  void assign(Instant now, Packet& packet);

  // Packets to be put through the pipeline from the look-up on, and given back by done().
  PacketQueue& released() { return released_; }
  void done(PooledPacket* packet) { pool_.free(packet); }

  void poll(Instant now);
  Instant deadline() const { return datagrams_.deadline(); }

 private:
  DatagramIndex find_or_make(Instant now, const DatagramKey& key);
  void begin(Packet& packet, Datagram& datagram, DatagramIndex index);
  void hold(Packet& packet, DatagramIndex index);
  void give_up(DatagramIndex index, DropReason reason);
  void forget(DatagramIndex index, DropReason reason);

  PacketPool& pool_;
  Counters& counters_;
  DatagramTable datagrams_;
  PacketQueue released_;
};

// Makes of a headless fragment what the pipeline takes for a packet of the flow.
inline void complete_key(Packet& packet, const DatagramHead& head) {
  packet.key.src_port = head.src_port;
  packet.key.dst_port = head.dst_port;
  packet.key.protocol = packet.headers.protocol = head.protocol;
  packet.key.dscp = head.dscp;
  packet.headers.has_key = head.has_key;
  packet.headers.echo_request = head.echo_request;
  packet.headers.segment = head.segment;
}

// What its first fragment, or any whose key is complete, says of a datagram.
inline DatagramHead head_of(const Packet& packet) {
  const FlowKey& key = packet.key;
  const Headers& headers = packet.headers;
  return {key.src_port,    key.dst_port,         key.protocol,   key.dscp,
          headers.has_key, headers.echo_request, headers.segment};
}

}  // namespace sluice
