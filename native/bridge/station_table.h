// bridge/: what a bridge knows of its links. Which station is behind which port, learnt from the
// frames that it sends (IEEE 802.1D 7.8). Sends nothing, reads no clock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/instant.h"
#include "base/mapped_array.h"
#include "packet/packet.h"
#include "wire/address.h"

namespace sluice {

// A station as a bridge tells it from others: its MAC address and the VLAN of its frames (that of
// the outer tag; 0 without one), for one address may be behind different ports in different VLANs.
class Station {
 public:
  Station(const MacAddress& mac, uint16_t vlan) : bits_(load_be48(mac) << 12 | (vlan & 0xfff)) {}
  // Whom a frame is from and to. The frame has passed EthernetHeader::check.
  static Station source_of(const uint8_t* frame);
  static Station destination_of(const uint8_t* frame);

  uint64_t bits() const { return bits_; }  // 60 of them

 private:
  static uint64_t load_be48(const MacAddress& mac) {
    return uint64_t{load_be16(mac.bytes.data())} << 32 | load_be32(mac.bytes.data() + 2);
  }
  uint64_t bits_;
};

// Where stations are. A station stands in the one bucket of four that its hash names; where that is
// full, the one that was silent longest gives way. So a flood of made-up addresses pushes out those
// that say nothing, and whatever is pushed out is known again with its next frame.
class StationTable {
 public:
  static constexpr size_t kStations = 16384;
  static constexpr Duration kAgeing = Duration::seconds(300);  // 802.1D 7.9.2
  // After which learn() says so when a station is heard of again.
  static constexpr Duration kRenewal = Duration::seconds(60);

  // `stations` is rounded up to a power of two.
  explicit StationTable(uint64_t seed, size_t stations = kStations);

  enum class News : uint8_t {
    none,
    renewed,  // it was silent for a while
    found,    // nobody knew where it is
    moved,    // it was behind another port
  };
  // A frame from `station` came in by `port`.
  News learn(Instant now, Station station, PortId port);
  // kNoPort where nothing was heard of it for kAgeing.
  PortId find(Instant now, Station station) const;

  // Forgets who has been silent for too long: a part of the table at each call.
  void age(Instant now);

  size_t size() const { return size_; }          // those not forgotten yet
  uint64_t evicted() const { return evicted_; }  // stations that made room for others

 private:
  struct Place {
    uint64_t bits;  // the station's, and in the upper four the port; 0: free
    Instant heard;
    bool holds(Station station) const {
      return bits != 0 && (bits & kStationBits) == station.bits();
    }
    PortId port() const { return static_cast<PortId>(bits >> 60); }
  };
  static constexpr uint64_t kStationBits = (uint64_t{1} << 60) - 1;
  static_assert(kMaxPorts <= 16);
  static constexpr size_t kPlaces = 4;  // of a bucket, which is one cache line
  static constexpr size_t kPartsToAge = 64;

  size_t bucket_of(Station station) const;  // the index of its first place
  Place& place_for(Instant now, Place* bucket);

  uint64_t key_;
  size_t buckets_;
  MappedArray<Place> places_;
  size_t size_ = 0;
  uint64_t evicted_ = 0;
  size_t next_to_age_ = 0;
};

}  // namespace sluice
