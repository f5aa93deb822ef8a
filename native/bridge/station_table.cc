#include "bridge/station_table.h"

#include <bit>

#include "base/hash.h"
#include "wire/ethernet.h"

namespace sluice {

Station Station::source_of(const uint8_t* frame) {
  return Station(MacAddress::load(frame + 6), vlan_of(frame));
}

Station Station::destination_of(const uint8_t* frame) {
  return Station(MacAddress::load(frame), vlan_of(frame));
}

StationTable::StationTable(uint64_t seed, size_t stations)
    : key_(mix64(seed | 1, 0x9e3779b97f4a7c15) | 1),
      buckets_(std::bit_ceil((stations + kPlaces - 1) / kPlaces)),
      places_(buckets_ * kPlaces) {}

size_t StationTable::bucket_of(Station station) const {
  return (mix64(station.bits() ^ key_, key_) & (buckets_ - 1)) * kPlaces;
}

StationTable::News StationTable::learn(Instant now, Station station, PortId port) {
  Place* const bucket = &places_[bucket_of(station)];
  const uint64_t bits = station.bits() | uint64_t{port} << 60;
  for (Place* place = bucket; place < bucket + kPlaces; ++place) {
    if (!place->holds(station)) continue;
    const Duration silence = now - place->heard;
    const bool moved = place->port() != port;
    *place = {bits, now};
    if (silence > kAgeing) return News::found;
    if (moved) return News::moved;
    return silence > kRenewal ? News::renewed : News::none;
  }
  place_for(now, bucket) = {bits, now};
  return News::found;
}

StationTable::Place& StationTable::place_for(Instant now, Place* bucket) {
  Place* longest_silent = bucket;
  for (Place* place = bucket; place < bucket + kPlaces; ++place) {
    if (place->bits == 0) {
      ++size_;
      return *place;
    }
    if (place->heard < longest_silent->heard) longest_silent = place;
  }
  evicted_ += now - longest_silent->heard <= kAgeing;
  return *longest_silent;
}

PortId StationTable::find(Instant now, Station station) const {
  const Place* const bucket = &places_[bucket_of(station)];
  for (const Place* place = bucket; place < bucket + kPlaces; ++place) {
    if (place->holds(station)) return now - place->heard > kAgeing ? kNoPort : place->port();
  }
  return kNoPort;
}

void StationTable::age(Instant now) {
  const size_t part = (places_.size() + kPartsToAge - 1) / kPartsToAge;
  for (size_t i = 0; i < part; ++i) {
    Place& place = places_[next_to_age_];
    next_to_age_ = (next_to_age_ + 1) % places_.size();
    if (place.bits == 0 || now - place.heard <= kAgeing) continue;
    place = {};
    --size_;
  }
}

}  // namespace sluice
