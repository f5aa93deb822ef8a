#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/instant.h"
#include "base/random.h"
#include "packet/packet.h"
#include "packet/packet_pool.h"
#include "stack/frame_sink.h"
#include "stack/local_addresses.h"
#include "stack/next_hop.h"
#include "wire/address.h"
#include "wire/address_hash.h"

namespace sluice {

// What a message told about a neighbour, in the terms of RFC 4861 7.2.5; ARP speaks them too.
struct Advertisement {
  PortId port;
  IpAddress address;
  const MacAddress* mac;  // null: not told
  bool solicited;         // answers a request of ours, which proves that both directions work
  bool overrides;         // may replace another MAC address
};

// Asks a link for a neighbour: everybody, or where `known` is not null that MAC address alone.
class Solicitor {
 public:
  virtual void solicit(PortId port, const IpAddress& target, const MacAddress* known) = 0;

 protected:
  ~Solicitor() = default;
};

// Neighbours by port and address: RFC 4861 7.3 for both families, which gives ARP entries the
// time-out and the unicast poll that RFC 1122 2.3.2.1 asks for.
//
// Slots that nobody refers to stand in one of two lists, from least to most recently used or heard
// of: those whose MAC address is known, and those that are asked for, with the packets that wait in
// them. When a new neighbour finds no free slot, the first of the longer list gives way. So a flood
// of requests to us, or of packets to hosts that are not there, pushes out nothing that is referred
// to, and of the rest leaves the other list half.
class NeighborTable {
 public:
  struct Limits {
    size_t neighbors = 4096;  // at most kNoNextHop
    // What waited for a decision may come all at once to a node that nobody has spoken to yet: a
    // burst of one flow, or the first packets of many.
    size_t packets_per_neighbor = 256;
    size_t held_packets = 4096;  // of all neighbours together
  };

  NeighborTable(const Limits& limits, uint64_t seed, PacketPool& pool, Solicitor& solicitor,
                FrameSink& sink);

  // Takes a reference; kNoNextHop when every slot is referred to.
  NextHop acquire(Instant now, const Link& link, const IpAddress& address);
  // Takes another reference of one that has some.
  void share(NextHop hop) { ++slots_[hop].references; }
  void release(NextHop hop);
  const NextHopView& view(NextHop hop) const { return views_[hop]; }

  // Stack::hold(). Where too many packets wait in all, those give way whose next hop nobody refers
  // to, the one asked for longest first.
  bool hold(Instant now, NextHop hop, const Packet& packet, DropReason& why);

  // Updates an entry, never makes one. False where there is none.
  bool advertised(Instant now, const Advertisement& said);
  // The same for the sender of a request to us, which makes an entry where there is room
  // (RFC 826; RFC 4861 7.2.3): it will be answered, so it is spoken to.
  void learn(Instant now, const Link& link, const IpAddress& address, const MacAddress& mac);

  void poll(Instant now);
  Instant deadline() const { return deadline_; }

  // Of those that hosts sent: our own segments are no packets received (law 9).
  size_t held_packets() const { return held_packets_ - held_own_packets_; }
  uint64_t evicted() const { return evicted_; }

 private:
  enum class State : uint8_t {
    unused,      // in the list of free slots
    unresolved,  // referenced, and nobody has sent anything yet; no deadline
    incomplete,  // asking everybody; packets may wait. The deadline repeats the request
    failed,      // nobody answered: packets are refused until the deadline
    reachable,   // confirmed until the deadline
    stale,       // known but not confirmed, and not used since; forgotten at the deadline
    delay,       // the same, and it was used since: probed at the deadline
    probe,       // asking the MAC address we know, which stays in use; the deadline repeats it
  };

  struct Slot {
    IpAddress address;
    Instant deadline = Instant::never();
    PacketQueue held;
    uint32_t references = 0;
    NextHop chain = kNoNextHop;  // next of the same bucket, or next free slot
    NextHop older = kNoNextHop;
    NextHop newer = kNoNextHop;
    State state = State::unused;
    uint8_t requests = 0;
  };

  struct List {
    NextHop oldest = kNoNextHop;
    NextHop newest = kNoNextHop;
    size_t size = 0;
  };

  NextHop& bucket(PortId port, const IpAddress& address);
  NextHop find(PortId port, const IpAddress& address);
  NextHop insert(const Link& link, const IpAddress& address);
  void evict(NextHop hop, DropReason reason);
  void erase(NextHop hop);

  List& list_of(NextHop hop) { return views_[hop].resolved ? known_ : asked_; }
  void list(NextHop hop);
  void unlist(NextHop hop);

  void enter(NextHop hop, State state, Instant deadline);
  void resolve(Instant now, NextHop hop, const MacAddress& mac, bool confirmed);
  void confirm(Instant now, NextHop hop);
  void suspect(Instant now, NextHop hop);
  void ask(Instant now, NextHop hop);
  void fail(Instant now, NextHop hop);
  void expire(Instant now, NextHop hop);
  void send_held(NextHop hop);
  void give_up_oldest(NextHop hop, DropReason reason);
  PacketQueue take_held(NextHop hop);
  void no_longer_held(const Packet& packet);
  void give_up(PooledPacket* pooled, DropReason reason);

  const Limits limits_;
  const AddressHash hash_;
  Random random_;
  PacketPool& pool_;
  Solicitor& solicitor_;
  FrameSink& sink_;
  std::vector<Slot> slots_;
  std::vector<NextHopView> views_;  // of the same index; the hot path reads nothing else
  std::vector<NextHop> buckets_;    // a power of two
  NextHop free_ = kNoNextHop;
  List known_;  // nobody refers to what stands in these
  List asked_;
  Instant deadline_ = Instant::never();  // no slot is due before it
  size_t held_packets_ = 0;
  size_t held_own_packets_ = 0;  // of those, segments of our own connections
  uint64_t evicted_ = 0;
};

}  // namespace sluice
