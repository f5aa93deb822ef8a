#include "flow/flow_table.h"

#include <emmintrin.h>

#include <cstddef>

#include "base/check.h"
#include "base/hash.h"
#include "base/random.h"

namespace sluice {

namespace {

uint64_t word_at(const IpAddress& address, size_t offset) {
  uint64_t word;
  std::memcpy(&word, address.bytes.data() + offset, sizeof word);
  return word;
}

uint32_t v4_word(const IpAddress& address) {
  uint32_t word;
  std::memcpy(&word, address.bytes.data() + 12, sizeof word);
  return word;
}

IpAddress from_v4_word(uint32_t word) { return IpAddress::v4(__builtin_bswap32(word)); }

// Where the fields of a signature stand in an entry and in FlowTable::Words.
constexpr unsigned kDscpShift = 40;
constexpr uint64_t kDscpMask = uint64_t{0xff} << kDscpShift;
constexpr uint64_t kIpv6Bit = uint64_t{LegFlags::kIpv6} << 56;
constexpr uint64_t kPortsAndProtocol = 0xff'ffff'ffff;
static_assert(offsetof(FlowEntry, src_port) == 8 && offsetof(FlowEntry, protocol) == 12 &&
              offsetof(FlowEntry, dscp) == 13 && offsetof(FlowEntry, flags) == 15);

// They may begin in one cache line and end in the next.
void prefetch(const TcpOffsets& offsets) {
  __builtin_prefetch(&offsets);
  __builtin_prefetch(&offsets.strip_timestamps);
}

// Slots at three quarters when every pair is in use: full buckets are then rare and one move mends
// them.
size_t buckets_for(uint32_t pairs) { return (size_t{pairs} * 2 * 4 / 3) / 8 + 2; }

}  // namespace

FlowTable::FlowTable(uint32_t max_pairs, uint64_t seed)
    : max_pairs_(max_pairs),
      bucket_count_(buckets_for(max_pairs)),
      entries_(size_t{max_pairs} * 2),
      addresses_(size_t{max_pairs} * 2),
      pairs_(max_pairs),
      offsets_(max_pairs),
      switches_(max_pairs),
      buckets_(bucket_count_) {
  Random random(seed);
  for (uint64_t& word : key_) word = random.next() | 1;
}

FlowTable::Words FlowTable::words_of(const FlowKey& key) {
  const uint64_t ports =
      uint64_t{__builtin_bswap16(key.src_port)} | uint64_t{__builtin_bswap16(key.dst_port)} << 16;
  return {uint64_t{v4_word(key.src)} | uint64_t{v4_word(key.dst)} << 32,
          ports | uint64_t{key.protocol} << 32 | uint64_t{key.dscp} << kDscpShift |
              (key.dst.is_v4() ? 0 : kIpv6Bit)};
}

uint64_t FlowTable::hash_of(const FlowKey& key, const Words& words) const {
  const uint64_t rest = words.rest & ~kDscpMask;
  if ((rest & kIpv6Bit) == 0) {
    return mix64(mix64(words.addresses ^ key_[0], rest ^ key_[1]) ^ key_[2], key_[1]);
  }
  const uint64_t src = mix64(word_at(key.src, 0) ^ key_[0], word_at(key.src, 8) ^ key_[1]);
  const uint64_t dst = mix64(word_at(key.dst, 0) ^ key_[1], word_at(key.dst, 8) ^ key_[2]);
  return mix64(mix64(src ^ key_[2], dst ^ rest) ^ key_[0], key_[1]);
}

PairIndex FlowTable::allocate() {
  PairIndex pair = free_head_;
  if (pair != kNoPair) {
    free_head_ = pairs_[pair].serial;
  } else if (high_water_ < max_pairs_) {
    pair = high_water_++;
  } else {
    return kNoPair;
  }
  ++in_use_;
  entries_[client_leg(pair)] = FlowEntry{};
  entries_[server_leg(pair)] = FlowEntry{};
  pairs_[pair] = FlowPair{};
  pairs_[pair].mode = PairMode::waiting;
  return pair;
}

void FlowTable::retire(PairIndex pair) {
  leave(client_leg(pair));
  leave(server_leg(pair));
  pairs_[pair].mode = PairMode::over;
}

void FlowTable::release(PairIndex pair) {
  SLUICE_CHECK(pairs_[pair].mode != PairMode::free);
  retire(pair);
  pairs_[pair].mode = PairMode::free;
  pairs_[pair].serial = free_head_;
  free_head_ = pair;
  --in_use_;
}

bool FlowTable::matches(LegIndex index, const FlowKey& key, const Words& words,
                        uint64_t dscp_mask) const {
  Words entered;
  std::memcpy(&entered, &entries_[index], sizeof entered);
  const uint64_t mask = kPortsAndProtocol | kIpv6Bit | dscp_mask;
  if (entered.addresses != words.addresses || ((entered.rest ^ words.rest) & mask) != 0) {
    return false;
  }
  if ((words.rest & kIpv6Bit) == 0) return true;
  return addresses_[index].src == key.src && addresses_[index].dst == key.dst;
}

bool FlowTable::is_of(LegIndex index, const FlowKey& key, const Words& words) const {
  return matches(index, key, words, entries_[index].flags & LegFlags::kAnyDscp ? 0 : kDscpMask);
}

uint32_t FlowTable::tag_matches(const Bucket& bucket, uint16_t tag) {
  const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(bucket.tags));
  const __m128i wanted = _mm_set1_epi16(static_cast<int16_t>(tag));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi16(tags, wanted))) & 0x5555;
}

LegIndex FlowTable::find_in(const Bucket& bucket, uint16_t tag, const FlowKey& key,
                            const Words& words) const {
  for (uint32_t slots = tag_matches(bucket, tag); slots != 0; slots &= slots - 1) {
    const uint32_t named = bucket.legs[__builtin_ctz(slots) / 2];
    if (named != 0 && is_of(named - 1, key, words)) return named - 1;
  }
  return kNoLeg;
}

LegIndex FlowTable::find_hashed(uint64_t hash, const FlowKey& key, const Words& words) const {
  const LegIndex leg = find_in(buckets_[first_bucket(hash)], tag_of(hash), key, words);
  if (leg != kNoLeg) return leg;
  return find_in(buckets_[second_bucket(hash)], tag_of(hash), key, words);
}

LegIndex FlowTable::find(const FlowKey& key) const {
  const Words words = words_of(key);
  return find_hashed(hash_of(key, words), key, words);
}

LegIndex FlowTable::candidate_in(const Bucket& bucket, uint16_t tag) {
  for (uint32_t slots = tag_matches(bucket, tag); slots != 0; slots &= slots - 1) {
    const uint32_t named = bucket.legs[__builtin_ctz(slots) / 2];
    if (named != 0) return named - 1;
  }
  return kNoLeg;
}

// Four passes, so that the memory of one packet is under way while others are looked at: fetch the
// first buckets; fetch the entries that they suggest, else the second buckets; fetch the entries
// that those suggest; compare, and fetch the offsets of those that have any. What each pass
// calls is flattened into it: the work of one packet is less than the calls would cost.
[[gnu::flatten]] void FlowTable::find_batch(std::span<const Packet> packets, LegIndex* legs) const {
  uint64_t hashes[kBatchCapacity];
  Words words[kBatchCapacity];
  uint8_t elsewhere[kBatchCapacity];
  size_t elsewhere_count = 0;
  const size_t count = packets.size();
  for (size_t i = 0; i < count; ++i) {
    words[i] = words_of(packets[i].key);
    hashes[i] = hash_of(packets[i].key, words[i]);
    __builtin_prefetch(&buckets_[first_bucket(hashes[i])]);
  }
  for (size_t i = 0; i < count; ++i) {
    legs[i] = candidate_in(buckets_[first_bucket(hashes[i])], tag_of(hashes[i]));
    if (legs[i] != kNoLeg) {
      __builtin_prefetch(&entries_[legs[i]], 1);
    } else {
      elsewhere[elsewhere_count++] = static_cast<uint8_t>(i);
      __builtin_prefetch(&buckets_[second_bucket(hashes[i])]);
    }
  }
  for (const uint8_t i : std::span(elsewhere, elsewhere_count)) {
    legs[i] = candidate_in(buckets_[second_bucket(hashes[i])], tag_of(hashes[i]));
    if (legs[i] != kNoLeg) __builtin_prefetch(&entries_[legs[i]], 1);
  }
  for (size_t i = 0; i < count; ++i) {
    if (legs[i] == kNoLeg) continue;
    if (!has_signature(packets[i])) {
      legs[i] = kNoLeg;
    } else if (!is_of(legs[i], packets[i].key, words[i])) {
      legs[i] = find_hashed(hashes[i], packets[i].key, words[i]);
    }
    if (legs[i] != kNoLeg && (entries_[legs[i]].flags & LegFlags::kOffsets)) {
      prefetch(offsets_[pair_of(legs[i])]);
    }
  }
}

void FlowTable::prefetch_pairs(std::span<const LegIndex> legs) const {
  for (const LegIndex leg : legs) {
    if (leg == kNoLeg) continue;
    __builtin_prefetch(&pairs_[pair_of(leg)].mode);
    __builtin_prefetch(&entries_[other_leg(leg)]);
  }
}

int FlowTable::free_slot(const Bucket& bucket) {
  for (int slot = 0; slot < kSlots; ++slot) {
    if (bucket.legs[slot] == 0) return slot;
  }
  return -1;
}

bool FlowTable::place(Bucket& bucket, uint16_t tag, LegIndex leg) {
  const int slot = free_slot(bucket);
  if (slot < 0) return false;
  bucket.tags[slot] = tag;
  bucket.legs[slot] = leg + 1;
  return true;
}

// Frees a slot of a full bucket by moving one of its signatures to that one's other bucket, where
// a slot may have to be freed first (cuckoo hashing). `depth` bounds the work: 8 slots a level.
bool FlowTable::make_room(size_t bucket_index, int depth) {
  Bucket& bucket = buckets_[bucket_index];
  for (int slot = 0; slot < kSlots; ++slot) {
    const LegIndex leg = bucket.legs[slot] - 1;
    const uint64_t hash = hash_of(key_of(leg));
    const size_t first = first_bucket(hash);
    const size_t other = first == bucket_index ? second_bucket(hash) : first;
    if (other == bucket_index) continue;
    if (place(buckets_[other], tag_of(hash), leg) ||
        (depth > 1 && make_room(other, depth - 1) && place(buckets_[other], tag_of(hash), leg))) {
      bucket.legs[slot] = 0;
      return true;
    }
  }
  return false;
}

bool FlowTable::place_anywhere(uint64_t hash, LegIndex leg) {
  const size_t buckets[] = {first_bucket(hash), second_bucket(hash)};
  for (int depth = 0; depth <= kMaxMoves; ++depth) {
    for (const size_t bucket : buckets) {
      if (depth > 0 && !make_room(bucket, depth)) continue;
      if (place(buckets_[bucket], tag_of(hash), leg)) return true;
    }
  }
  return false;
}

bool FlowTable::enter(LegIndex index, const FlowKey& key) {
  const Words words = words_of(key);
  const uint64_t hash = hash_of(key, words);
  return find_hashed(hash, key, words) == kNoLeg && insert(index, hash, key);
}

bool FlowTable::enter_any_dscp(LegIndex index, const FlowKey& key) {
  bool taken = false;
  for_each_variant(key, [&taken](LegIndex) { taken = true; });
  if (taken || !insert(index, hash_of(key), key)) return false;
  entries_[index].flags |= LegFlags::kAnyDscp;
  return true;
}

bool FlowTable::insert(LegIndex index, uint64_t hash, const FlowKey& key) {
  if (!place_anywhere(hash, index)) return false;
  ++changes_;
  FlowEntry& entry = entries_[index];
  entry.src_v4 = v4_word(key.src);
  entry.dst_v4 = v4_word(key.dst);
  entry.src_port = __builtin_bswap16(key.src_port);
  entry.dst_port = __builtin_bswap16(key.dst_port);
  entry.protocol = key.protocol;
  entry.dscp = key.dscp;
  entry.flags |= LegFlags::kEntered;
  if (!key.dst.is_v4()) {
    entry.flags |= LegFlags::kIpv6;
    addresses_[index].src = key.src;
    addresses_[index].dst = key.dst;
  }
  return true;
}

void FlowTable::leave(LegIndex index) {
  FlowEntry& entry = entries_[index];
  if (!(entry.flags & LegFlags::kEntered)) return;
  const uint64_t hash = hash_of(key_of(index));
  for (const size_t bucket : {first_bucket(hash), second_bucket(hash)}) {
    for (uint32_t& named : buckets_[bucket].legs) {
      if (named == index + 1) named = 0;
    }
  }
  entry.flags &= static_cast<uint8_t>(~LegFlags::kEntered);
  ++changes_;
}

void FlowTable::set_target(LegIndex index, const FlowKey& key) {
  FlowEntry& entry = entries_[index];
  entry.new_src_v4 = v4_word(key.src);
  entry.new_dst_v4 = v4_word(key.dst);
  entry.new_src_port = __builtin_bswap16(key.src_port);
  entry.new_dst_port = __builtin_bswap16(key.dst_port);
  if (!key.dst.is_v4()) {
    addresses_[index].new_src = key.src;
    addresses_[index].new_dst = key.dst;
  }
}

FlowKey FlowTable::key_of(LegIndex index) const {
  const FlowEntry& entry = entries_[index];
  const FlowAddresses& v6 = addresses_[index];
  const bool is_v6 = (entry.flags & LegFlags::kIpv6) != 0;
  return {is_v6 ? v6.src : from_v4_word(entry.src_v4),
          is_v6 ? v6.dst : from_v4_word(entry.dst_v4),
          __builtin_bswap16(entry.src_port),
          __builtin_bswap16(entry.dst_port),
          entry.protocol,
          entry.dscp};
}

FlowKey FlowTable::target_of(LegIndex index) const {
  const FlowEntry& entry = entries_[index];
  const FlowAddresses& v6 = addresses_[index];
  const bool is_v6 = (entry.flags & LegFlags::kIpv6) != 0;
  return {is_v6 ? v6.new_src : from_v4_word(entry.new_src_v4),
          is_v6 ? v6.new_dst : from_v4_word(entry.new_dst_v4),
          __builtin_bswap16(entry.new_src_port),
          __builtin_bswap16(entry.new_dst_port),
          entry.protocol,
          entry.dscp};
}

}  // namespace sluice
