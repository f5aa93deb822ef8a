#pragma once

#include <cstdint>
#include <span>

#include "base/mapped_array.h"
#include "flow/flow_entry.h"
#include "flow/offset_switch.h"
#include "packet/packet.h"
#include "rewrite/tcp_offsets.h"

namespace sluice {

// Whether a packet has a signature of six fields that a flow may have, and was not dropped.
inline bool has_signature(const Packet& packet) {
  return packet.verdict == Verdict::none && packet.headers.has_key;
}

// The flows of one worker: pairs of legs, and an index from signature to leg.
//
// The index is an array of buckets of one cache line, eight slots each: a 16-bit tag and the leg. A
// signature has two buckets and stands in one of them, so a lookup touches at most two lines of
// index; entering moves at most two other signatures aside. The hash leaves the DSCP out: flows
// of one session that differ in it alone share their buckets (DFS-03), and the comparison tells
// them apart. The hash is keyed, so peers cannot choose buckets.
//
// Ownership: the table hands out pairs by allocate() and takes them back by release(); what stands
// in the entries beside the signature is the caller's. Nothing is allocated after construction.
class FlowTable {
 public:
  // Legs that differ in their DSCP alone: what fits into their two buckets.
  static constexpr int kMostVariants = 16;

  FlowTable(uint32_t max_pairs, uint64_t seed);

  // A pair with zeroed legs, in mode `waiting`; kNoPair when all are in use.
  PairIndex allocate();
  // Takes both legs out of the index. What stands in them stays until release().
  void retire(PairIndex pair);
  // Retires the pair and frees it.
  void release(PairIndex pair);

  // Makes a leg findable by `key`. False, and nothing changes, if find() has an answer for the key
  // already or its buckets are full.
  bool enter(LegIndex leg, const FlowKey& key);
  // The same for a leg that takes packets of any DSCP: no other leg may differ from it in that
  // alone.
  bool enter_any_dscp(LegIndex leg, const FlowKey& key);
  void leave(LegIndex leg);
  // What packets of the leg become. Of the key, DSCP and protocol are not used.
  void set_target(LegIndex leg, const FlowKey& key);

  LegIndex find(const FlowKey& key) const;
  // legs[i] = find(packets[i].key) where that is a signature, else kNoLeg; memory is fetched for
  // the whole batch before it is used, and for its rewriting. Good until changes() changes.
  void find_batch(std::span<const Packet> packets, LegIndex* legs) const;
  // Begins to fetch what following the packets of these legs uses beside them: their pairs and
  // other legs. kNoLeg is passed over.
  void prefetch_pairs(std::span<const LegIndex> legs) const;

  // Calls visit(leg) for each entered leg whose key equals `key` in all but the DSCP. `visit` may
  // not enter or leave.
  template <class Visit>
  void for_each_variant(const FlowKey& key, Visit&& visit) const {
    const uint64_t hash = hash_of(key);
    const Bucket* buckets[] = {&buckets_[first_bucket(hash)], &buckets_[second_bucket(hash)]};
    for (int b = 0; b < (buckets[0] == buckets[1] ? 1 : 2); ++b) {
      for (const uint32_t named : buckets[b]->legs) {
        if (named != 0 && same_but_dscp(named - 1, key)) visit(LegIndex{named - 1});
      }
    }
  }

  FlowKey key_of(LegIndex leg) const;
  FlowKey target_of(LegIndex leg) const;

  FlowEntry& leg(LegIndex index) { return entries_[index]; }
  const FlowEntry& leg(LegIndex index) const { return entries_[index]; }
  FlowPair& pair(PairIndex index) { return pairs_[index]; }
  const FlowPair& pair(PairIndex index) const { return pairs_[index]; }
  // Those of the client's leg; whatever it was before where no leg has kOffsets.
  TcpOffsets& offsets(PairIndex index) { return offsets_[index]; }
  const TcpOffsets& offsets(PairIndex index) const { return offsets_[index]; }
  OffsetSwitch& offset_switch(PairIndex index) { return switches_[index]; }
  const OffsetSwitch& offset_switch(PairIndex index) const { return switches_[index]; }

  // The pair that follows TCP for this one, and has its numbers: itself, unless it is a variant.
  PairIndex session_of(PairIndex index) const {
    const bool variant = (pairs_[index].flags & FlowPair::kVariant) != 0;
    return variant ? entries_[server_leg(index)].detail : index;
  }

  // How often a leg was entered or left.
  uint64_t changes() const { return changes_; }
  uint32_t max_pairs() const { return max_pairs_; }
  uint32_t pairs_in_use() const { return in_use_; }
  // Pairs at and beyond this index have never been used.
  uint32_t high_water() const { return high_water_; }

 private:
  static constexpr int kSlots = kMostVariants / 2;
  static constexpr int kMaxMoves = 2;

  // A slot is free when its leg is 0; legs are named by index + 1, so that zeroed memory is an
  // empty index.
  struct alignas(64) Bucket {
    uint16_t tags[kSlots];
    uint32_t legs[kSlots];
  };
  static_assert(sizeof(Bucket) == 64);

  // A signature as its entry begins with it, but for IPv6 addresses, of which it has the ends: two
  // comparisons tell almost all signatures apart.
  struct Words {
    uint64_t addresses;
    uint64_t rest;  // ports, protocol, DSCP, LegFlags::kIpv6
  };
  static Words words_of(const FlowKey& key);
  uint64_t hash_of(const FlowKey& key, const Words& words) const;
  uint64_t hash_of(const FlowKey& key) const { return hash_of(key, words_of(key)); }
  size_t first_bucket(uint64_t hash) const { return in_range(static_cast<uint32_t>(hash)); }
  size_t second_bucket(uint64_t hash) const { return in_range(static_cast<uint32_t>(hash >> 32)); }
  size_t in_range(uint32_t hash) const {
    return static_cast<size_t>((uint64_t{hash} * bucket_count_) >> 32);
  }
  static uint16_t tag_of(uint64_t hash) { return static_cast<uint16_t>(hash); }
  // Bit 2n is set where slot n has the tag.
  static uint32_t tag_matches(const Bucket& bucket, uint16_t tag);
  bool matches(LegIndex leg, const FlowKey& key, const Words& words, uint64_t dscp_mask) const;
  bool same_but_dscp(LegIndex leg, const FlowKey& key) const {
    return matches(leg, key, words_of(key), 0);
  }
  bool is_of(LegIndex leg, const FlowKey& key, const Words& words) const;
  LegIndex find_in(const Bucket& bucket, uint16_t tag, const FlowKey& key,
                   const Words& words) const;
  // The first leg with this tag; whether it has the signature remains to be seen.
  static LegIndex candidate_in(const Bucket& bucket, uint16_t tag);
  LegIndex find_hashed(uint64_t hash, const FlowKey& key, const Words& words) const;
  bool insert(LegIndex leg, uint64_t hash, const FlowKey& key);
  static int free_slot(const Bucket& bucket);
  bool place(Bucket& bucket, uint16_t tag, LegIndex leg);
  bool make_room(size_t bucket_index, int depth);
  bool place_anywhere(uint64_t hash, LegIndex leg);

  uint32_t max_pairs_;
  uint32_t in_use_ = 0;
  uint32_t high_water_ = 0;
  PairIndex free_head_ = kNoPair;  // a list through FlowPair::serial
  uint64_t changes_ = 0;
  uint64_t key_[3];
  size_t bucket_count_;
  MappedArray<FlowEntry> entries_;
  MappedArray<FlowAddresses> addresses_;
  MappedArray<FlowPair> pairs_;
  MappedArray<TcpOffsets> offsets_;
  MappedArray<OffsetSwitch> switches_;
  MappedArray<Bucket> buckets_;
};

}  // namespace sluice
