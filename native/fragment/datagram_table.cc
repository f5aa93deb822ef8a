#include "fragment/datagram_table.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace sluice {

DatagramTable::DatagramTable(uint32_t datagrams, uint32_t held, uint64_t seed)
    : most_(datagrams),
      most_held_(held),
      hash_(seed),
      datagrams_(datagrams),
      buckets_(std::bit_ceil(size_t{datagrams} + 1), kNoDatagram),
      sources_(kSources) {}

size_t DatagramTable::bucket_of(const DatagramKey& key) const {
  const uint64_t rest = uint64_t{key.id} << 8 | key.protocol;
  return mix64(hash_(key.src) ^ rest, hash_(key.dst) | 1) & (buckets_.size() - 1);
}

// A host, or the network that IPv6 gives to one (RFC 6177).
uint32_t DatagramTable::source_of(const DatagramKey& key) const {
  IpAddress network = key.src;
  if (!network.is_v4()) std::fill(network.bytes.begin() + 8, network.bytes.end(), uint8_t{0});
  return static_cast<uint32_t>(hash_(network) >> 32) % kSources;
}

DatagramIndex DatagramTable::find(const DatagramKey& key) const {
  DatagramIndex index = buckets_[bucket_of(key)];
  while (index != kNoDatagram && !(datagrams_[index].key == key)) index = datagrams_[index].chain;
  return index;
}

DatagramIndex DatagramTable::in_the_way_of(const DatagramKey& key) const {
  const Source& source = sources_[source_of(key)];
  if (source.count >= share_of(most_)) return source.datagrams.first;
  if (size_ < most_) return kNoDatagram;
  const DatagramIndex v4 = ages_[0].first;
  const DatagramIndex v6 = ages_[1].first;
  if (v4 == kNoDatagram || v6 == kNoDatagram) return v4 == kNoDatagram ? v6 : v4;
  const Instant v4_began = datagrams_[v4].deadline + (kLifeV6 - kLifeV4);
  return v4_began <= datagrams_[v6].deadline ? v4 : v6;
}

DatagramIndex DatagramTable::make(Instant now, const DatagramKey& key) {
  SLUICE_CHECK(size_ < most_);
  DatagramIndex index = free_;
  if (index != kNoDatagram) {
    free_ = datagrams_[index].chain;
  } else {
    index = fresh_++;
  }
  Datagram& made = *new (&datagrams_[index]) Datagram;
  made.key = key;
  made.deadline = now + (key.src.is_v4() ? kLifeV4 : kLifeV6);
  DatagramIndex& bucket = buckets_[bucket_of(key)];
  made.chain = bucket;
  bucket = index;
  Source& source = sources_[source_of(key)];
  source.datagrams.push(datagrams_.data(), &Datagram::source, index);
  ++source.count;
  ages_[family_of(key)].push(datagrams_.data(), &Datagram::age, index);
  ++size_;
  return index;
}

void DatagramTable::remove(DatagramIndex index) {
  Datagram& gone = datagrams_[index];
  SLUICE_CHECK(gone.held.empty());
  DatagramIndex* named = &buckets_[bucket_of(gone.key)];
  while (*named != index) named = &datagrams_[*named].chain;
  *named = gone.chain;
  Source& source = sources_[source_of(gone.key)];
  source.datagrams.remove(datagrams_.data(), &Datagram::source, index);
  --source.count;
  ages_[family_of(gone.key)].remove(datagrams_.data(), &Datagram::age, index);
  gone.chain = free_;
  free_ = index;
  --size_;
}

DatagramIndex DatagramTable::expired(Instant now) const {
  for (const IndexList& age : ages_) {
    if (!age.empty() && datagrams_[age.first].deadline <= now) return age.first;
  }
  return kNoDatagram;
}

Instant DatagramTable::deadline() const {
  Instant earliest = Instant::never();
  for (const IndexList& age : ages_) {
    if (!age.empty()) earliest = std::min(earliest, datagrams_[age.first].deadline);
  }
  return earliest;
}

bool DatagramTable::may_hold(DatagramIndex index) const {
  return sources_[source_of(datagrams_[index].key)].held < share_of(most_held_);
}

DatagramIndex DatagramTable::in_the_way_of_holding() const {
  return held_ < most_held_ ? kNoDatagram : holders_.first;
}

void DatagramTable::hold(DatagramIndex index, PooledPacket* packet) {
  Datagram& datagram = datagrams_[index];
  if (datagram.held.empty()) holders_.push(datagrams_.data(), &Datagram::holders, index);
  datagram.held.push(packet);
  ++sources_[source_of(datagram.key)].held;
  ++held_;
}

PacketQueue DatagramTable::take_held(DatagramIndex index) {
  Datagram& datagram = datagrams_[index];
  if (datagram.held.empty()) return {};
  holders_.remove(datagrams_.data(), &Datagram::holders, index);
  const auto count = static_cast<uint32_t>(datagram.held.size());
  sources_[source_of(datagram.key)].held -= count;
  held_ -= count;
  return std::exchange(datagram.held, PacketQueue());
}

}  // namespace sluice
