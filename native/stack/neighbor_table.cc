#include "stack/neighbor_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/check.h"

namespace sluice {

namespace {

// RFC 4861 10.
constexpr uint8_t kMaxSolicitations = 3;  // MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT
constexpr Duration kRetransmission = Duration::seconds(1);  // also RFC 1122 2.3.2.1
constexpr Duration kReachable = Duration::seconds(30);      // times 0.5 to 1.5, against lock-step
constexpr Duration kDelayFirstProbe = Duration::seconds(5);
// Ours. RFC 1122 2.3.2.1 bounds the rate of requests for a host that is not there; a host that
// comes up announces itself or asks for us, which ends the refusal at once.
constexpr Duration kRefusal = Duration::seconds(3);
constexpr Duration kForget = Duration::seconds(60);
// Every slot is looked at, so that of many neighbours each may be a little late.
constexpr Duration kScanPause = Duration::milliseconds(10);

}  // namespace

NeighborTable::NeighborTable(const Limits& limits, uint64_t seed, PacketPool& pool,
                             Solicitor& solicitor, FrameSink& sink)
    : limits_(limits),
      hash_(seed),
      random_(seed),
      pool_(pool),
      solicitor_(solicitor),
      sink_(sink),
      slots_(limits.neighbors),
      views_(limits.neighbors),
      buckets_(std::bit_ceil(limits.neighbors), kNoNextHop) {
  SLUICE_CHECK(limits.neighbors > 0 && limits.neighbors <= kNoNextHop);
  SLUICE_CHECK(limits.packets_per_neighbor > 0);
  for (size_t i = limits.neighbors; i-- > 0;) {
    slots_[i].chain = free_;
    free_ = static_cast<NextHop>(i);
  }
}

NextHop NeighborTable::acquire(Instant now, const Link& link, const IpAddress& address) {
  NextHop hop = find(link.port, address);
  if (hop == kNoNextHop) {
    hop = insert(link, address);
    if (hop == kNoNextHop) return kNoNextHop;
  } else if (slots_[hop].references == 0) {
    unlist(hop);
  }
  Slot& slot = slots_[hop];
  ++slot.references;
  if (slot.state == State::stale) suspect(now, hop);
  return hop;
}

void NeighborTable::release(NextHop hop) {
  SLUICE_CHECK(slots_[hop].references > 0);
  if (--slots_[hop].references > 0) return;
  if (slots_[hop].state == State::unresolved) {
    erase(hop);
  } else {
    list(hop);
  }
}

bool NeighborTable::hold(Instant now, NextHop hop, const Packet& packet, DropReason& why) {
  Slot& slot = slots_[hop];
  SLUICE_CHECK(slot.references > 0 && !views_[hop].resolved);
  if (slot.state == State::failed) {
    why = DropReason::neighbor_unresolved;
    return false;
  }
  while (held_packets_ >= limits_.held_packets && asked_.oldest != kNoNextHop) {
    evict(asked_.oldest, DropReason::neighbor_queue_full);
  }
  const bool full = held_packets_ >= limits_.held_packets;
  if (full && slot.held.empty()) {
    why = DropReason::neighbor_queue_full;
    return false;
  }
  PooledPacket* pooled = pool_.copy(packet);
  if (pooled == nullptr) {
    why = DropReason::pool_exhausted;
    return false;
  }
  slot.held.push(pooled);
  ++held_packets_;
  if (packet.origin == PacketOrigin::own) ++held_own_packets_;
  // RFC 4861 7.2.2 and RFC 1122 2.3.2.2: the latest packet is the one to keep.
  if (full || slot.held.size() > limits_.packets_per_neighbor) {
    give_up_oldest(hop, DropReason::neighbor_queue_full);
  }
  if (slot.state == State::unresolved) {
    slot.requests = 0;
    ask(now, hop);
  }
  return true;
}

bool NeighborTable::advertised(Instant now, const Advertisement& said) {
  const NextHop hop = find(said.port, said.address);
  if (hop == kNoNextHop) return false;
  Slot& slot = slots_[hop];
  NextHopView& view = views_[hop];
  if (slot.references == 0) {
    unlist(hop);
    list(hop);
  }
  if (!view.resolved) {
    if (said.mac != nullptr) resolve(now, hop, *said.mac, said.solicited);
    return true;
  }
  // RFC 4861 7.2.5, the last list of cases.
  const bool changed = said.mac != nullptr && !(*said.mac == view.dst);
  if (changed && !said.overrides) {
    if (slot.state == State::reachable) suspect(now, hop);
    return true;
  }
  if (changed) view.dst = *said.mac;
  if (said.solicited) {
    confirm(now, hop);
  } else if (changed) {
    suspect(now, hop);
  }
  return true;
}

void NeighborTable::learn(Instant now, const Link& link, const IpAddress& address,
                          const MacAddress& mac) {
  const Advertisement said{link.port, address, &mac, false, true};
  if (advertised(now, said)) return;
  const NextHop hop = insert(link, address);
  if (hop == kNoNextHop) return;
  list(hop);
  resolve(now, hop, mac, false);
}

// A scan: deadlines are seconds apart, so it runs a few times a second however busy the links are.
void NeighborTable::poll(Instant now) {
  if (now < deadline_) return;
  deadline_ = Instant::never();
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].deadline <= now) expire(now, static_cast<NextHop>(i));
    deadline_ = std::min(deadline_, slots_[i].deadline);
  }
  deadline_ = std::max(deadline_, now + kScanPause);
}

void NeighborTable::expire(Instant now, NextHop hop) {
  Slot& slot = slots_[hop];
  switch (slot.state) {
    case State::unused:
    case State::unresolved: SLUICE_CHECK(false); break;
    case State::incomplete:
      if (slot.requests < kMaxSolicitations) return ask(now, hop);
      return fail(now, hop);
    case State::reachable:
      if (slot.references == 0) return suspect(now, hop);
      [[fallthrough]];
    case State::delay:
      // RFC 1122 2.3.2.1 (2), unicast poll: what is in use is confirmed before it is given up.
      slot.requests = 0;
      return ask(now, hop);
    case State::probe:
      if (slot.requests < kMaxSolicitations) return ask(now, hop);
      [[fallthrough]];
    case State::failed:
    case State::stale:
      // RFC 4861 7.3.3: the next packet, if one comes, asks everybody.
      if (slot.references == 0) {
        unlist(hop);
        return erase(hop);
      }
      views_[hop].resolved = false;
      enter(hop, State::unresolved, Instant::never());
      break;
  }
}

// One more request: to the MAC address we know, or to everybody where we know none.
void NeighborTable::ask(Instant now, NextHop hop) {
  const NextHopView& view = views_[hop];
  ++slots_[hop].requests;
  enter(hop, view.resolved ? State::probe : State::incomplete, now + kRetransmission);
  solicitor_.solicit(view.port, slots_[hop].address, view.resolved ? &view.dst : nullptr);
}

void NeighborTable::fail(Instant now, NextHop hop) {
  enter(hop, State::failed, now + kRefusal);
  PacketQueue held = take_held(hop);
  while (!held.empty()) give_up(held.pop(), DropReason::neighbor_unresolved);
}

void NeighborTable::resolve(Instant now, NextHop hop, const MacAddress& mac, bool confirmed) {
  const bool listed = slots_[hop].references == 0;
  if (listed) unlist(hop);
  views_[hop].dst = mac;
  views_[hop].resolved = true;
  if (listed) list(hop);
  if (confirmed) {
    confirm(now, hop);
  } else {
    suspect(now, hop);
  }
  send_held(hop);
}

void NeighborTable::confirm(Instant now, NextHop hop) {
  const auto spread =
      static_cast<int64_t>(random_.below(static_cast<uint64_t>(kReachable.nanoseconds())));
  enter(hop, State::reachable, now + Duration::nanoseconds(kReachable.nanoseconds() / 2 + spread));
}

// What we know may be wrong: used as it is, and probed soon if somebody relies on it.
void NeighborTable::suspect(Instant now, NextHop hop) {
  if (slots_[hop].references > 0) {
    enter(hop, State::delay, now + kDelayFirstProbe);
  } else {
    enter(hop, State::stale, now + kForget);
  }
}

void NeighborTable::enter(NextHop hop, State state, Instant deadline) {
  slots_[hop].state = state;
  slots_[hop].deadline = deadline;
  deadline_ = std::min(deadline_, deadline);
}

void NeighborTable::send_held(NextHop hop) {
  const NextHopView view = views_[hop];
  PacketQueue held = take_held(hop);
  std::array<Packet*, kBatchCapacity> batch;
  while (!held.empty()) {
    size_t count = 0;
    for (PooledPacket* each = held.front(); each != nullptr && count < batch.size();
         each = each->next) {
      view.write_addresses(each->packet.data);
      each->packet.verdict = Verdict::forward;
      batch[count++] = &each->packet;
    }
    sink_.resume(view.port, {batch.data(), count});
    for (size_t i = 0; i < count; ++i) pool_.free(held.pop());
  }
}

void NeighborTable::give_up_oldest(NextHop hop, DropReason reason) {
  PooledPacket* oldest = slots_[hop].held.pop();
  no_longer_held(oldest->packet);
  give_up(oldest, reason);
}

void NeighborTable::no_longer_held(const Packet& packet) {
  --held_packets_;
  if (packet.origin == PacketOrigin::own) --held_own_packets_;
}

// What is taken counts as held no longer; the slot keeps an empty queue.
PacketQueue NeighborTable::take_held(NextHop hop) {
  for (const PooledPacket* each = slots_[hop].held.front(); each != nullptr; each = each->next) {
    no_longer_held(each->packet);
  }
  return std::exchange(slots_[hop].held, PacketQueue{});
}

void NeighborTable::give_up(PooledPacket* pooled, DropReason reason) {
  pooled->packet.drop(reason);
  sink_.give_up(pooled->packet);
  pool_.free(pooled);
}

NextHop& NeighborTable::bucket(PortId port, const IpAddress& address) {
  return buckets_[(hash_(address) + port) & (buckets_.size() - 1)];
}

NextHop NeighborTable::find(PortId port, const IpAddress& address) {
  NextHop hop = bucket(port, address);
  while (hop != kNoNextHop && !(views_[hop].port == port && slots_[hop].address == address)) {
    hop = slots_[hop].chain;
  }
  return hop;
}

// An unresolved slot that is in no list: the caller refers to it or lists it.
NextHop NeighborTable::insert(const Link& link, const IpAddress& address) {
  if (free_ == kNoNextHop) {
    const List& longer = known_.size > asked_.size ? known_ : asked_;
    if (longer.oldest == kNoNextHop) return kNoNextHop;
    evict(longer.oldest, DropReason::neighbor_table_full);
  }
  const NextHop hop = free_;
  Slot& slot = slots_[hop];
  free_ = slot.chain;
  slot.address = address;
  slot.state = State::unresolved;
  NextHop& head = bucket(link.port, address);
  slot.chain = head;
  head = hop;
  NextHopView& view = views_[hop];
  view.src = link.mac;
  view.mtu = link.mtu;
  view.port = link.port;
  return hop;
}

void NeighborTable::evict(NextHop hop, DropReason reason) {
  PacketQueue held = take_held(hop);
  unlist(hop);
  erase(hop);
  ++evicted_;
  while (!held.empty()) give_up(held.pop(), reason);
}

// Back to the free slots; nobody refers to the slot, it holds nothing and is in no list.
void NeighborTable::erase(NextHop hop) {
  NextHop* at = &bucket(views_[hop].port, slots_[hop].address);
  while (*at != hop) at = &slots_[*at].chain;
  *at = slots_[hop].chain;
  views_[hop] = NextHopView{};
  slots_[hop] = Slot{};
  slots_[hop].chain = free_;
  free_ = hop;
}

// Appends to the slots that may be evicted.
void NeighborTable::list(NextHop hop) {
  List& list = list_of(hop);
  slots_[hop].older = list.newest;
  (list.newest == kNoNextHop ? list.oldest : slots_[list.newest].newer) = hop;
  list.newest = hop;
  ++list.size;
}

void NeighborTable::unlist(NextHop hop) {
  List& list = list_of(hop);
  Slot& slot = slots_[hop];
  (slot.older == kNoNextHop ? list.oldest : slots_[slot.older].newer) = slot.newer;
  (slot.newer == kNoNextHop ? list.newest : slots_[slot.newer].older) = slot.older;
  slot.older = slot.newer = kNoNextHop;
  --list.size;
}

}  // namespace sluice
