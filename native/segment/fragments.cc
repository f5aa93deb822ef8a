#include "segment/fragments.h"

#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace sluice {

namespace {

uint32_t id_of(const Packet& packet) {
  const Headers& headers = packet.headers;
  if (headers.family == 4) return Ipv4Header(packet.at(headers.l3)).id();
  return load_be32(packet.at(headers.fragment_header + size_t{4}));
}

DropReason reason_of(ReceivedRanges::Result result) {
  switch (result) {
    case ReceivedRanges::Result::duplicate: return DropReason::fragment_duplicate;
    case ReceivedRanges::Result::full: return DropReason::fragment_full;
    default: return DropReason::fragment_overlap;
  }
}

}  // namespace

Fragments::Fragments(const Limits& limits, uint64_t seed, PacketPool& pool, Counters& counters)
    : pool_(pool), counters_(counters), datagrams_(limits.datagrams, limits.waiting, seed) {}

void Fragments::assign(Instant now, Packet& packet) {
  const uint8_t protocol = packet.headers.family == 4 ? packet.headers.protocol : uint8_t{0};
  const DatagramIndex index =
      find_or_make(now, {packet.key.src, packet.key.dst, id_of(packet), protocol});
  Datagram& datagram = datagrams_.at(index);
  if (datagram.spoilt) return packet.drop(DropReason::fragment_overlap);
  const ReceivedRanges::Result result = datagram.received.add(place_of(packet));
  if (result != ReceivedRanges::Result::fresh) {
    const DropReason reason = reason_of(result);
    if (result != ReceivedRanges::Result::duplicate) {
      datagram.spoilt = true;
      give_up(index, reason);
    }
    return packet.drop(reason);
  }
  if (!packet.headers.headless) {
    begin(packet, datagram, index);
  } else if (datagram.head_known) {
    complete_key(packet, datagram.head);
  } else {
    return hold(packet, index);
  }
  if (datagram.received.complete()) forget(index, DropReason::fragment_expired);
}

// Where one gave way its fragments had no room.
DatagramIndex Fragments::find_or_make(Instant now, const DatagramKey& key) {
  const DatagramIndex known = datagrams_.find(key);
  if (known != kNoDatagram) {
    if (now < datagrams_.at(known).deadline) return known;
    forget(known, DropReason::fragment_expired);
  }
  const DatagramIndex victim = datagrams_.in_the_way_of(key);
  if (victim != kNoDatagram) {
    counters_.raise(Counter::datagrams_evicted);
    forget(victim, DropReason::fragment_full);
  }
  counters_.raise(Counter::fragmented_datagrams);
  return datagrams_.make(now, key);
}

void Fragments::begin(Packet& packet, Datagram& datagram, DatagramIndex index) {
  datagram.head = head_of(packet);
  datagram.head_known = true;
  PacketQueue held = datagrams_.take_held(index);
  while (!held.empty()) {
    PooledPacket* waited = held.pop();
    complete_key(waited->packet, datagram.head);
    counters_.lower(Counter::waiting_fragments);
    released_.push(waited);
  }
}

void Fragments::hold(Packet& packet, DatagramIndex index) {
  if (!datagrams_.may_hold(index)) return packet.drop(DropReason::fragment_full);
  const DatagramIndex victim = datagrams_.in_the_way_of_holding();
  if (victim != kNoDatagram) give_up(victim, DropReason::fragment_full);
  PooledPacket* copy = pool_.copy(packet);
  if (copy == nullptr) return packet.drop(DropReason::pool_exhausted);
  datagrams_.hold(index, copy);
  counters_.raise(Counter::waiting_fragments);
  packet.verdict = Verdict::elsewhere;
}

// What it holds is dropped.
void Fragments::give_up(DatagramIndex index, DropReason reason) {
  PacketQueue held = datagrams_.take_held(index);
  while (!held.empty()) {
    counters_.raise(reason);
    counters_.lower(Counter::waiting_fragments);
    pool_.free(held.pop());
  }
}

void Fragments::forget(DatagramIndex index, DropReason reason) {
  give_up(index, reason);
  datagrams_.remove(index);
  counters_.lower(Counter::fragmented_datagrams);
}

void Fragments::poll(Instant now) {
  for (DatagramIndex index; (index = datagrams_.expired(now)) != kNoDatagram;) {
    forget(index, DropReason::fragment_expired);
  }
}

}  // namespace sluice
