#pragma once

#include <cstdint>
#include <vector>

#include "base/instant.h"
#include "base/mapped_array.h"
#include "fragment/index_list.h"
#include "fragment/received_ranges.h"
#include "packet/packet_pool.h"
#include "wire/address.h"
#include "wire/address_hash.h"

namespace sluice {

// What the fragments of one datagram have in common (RFC 791 3.2, RFC 8200 4.5).
struct DatagramKey {
  IpAddress src;
  IpAddress dst;
  uint32_t id = 0;
  uint8_t protocol = 0;  // of IPv4; IPv6 tells datagrams apart without it

  bool operator==(const DatagramKey&) const = default;
};

// What the first fragment says of all: the rest of their signature.
struct DatagramHead {
  L4Port src_port = 0;
  L4Port dst_port = 0;
  uint8_t protocol = 0;
  uint8_t dscp = 0;
  bool has_key = false;  // as in Headers
  bool echo_request = false;
  FragmentedSegment segment;
};

using DatagramIndex = uint32_t;
inline constexpr DatagramIndex kNoDatagram = kNoIndex;

struct Datagram {
  DatagramKey key;
  DatagramHead head;  // once it is known
  bool head_known = false;
  bool spoilt = false;  // none of its fragments passes any more
  Instant deadline;
  PacketQueue held;  // until the head is known
  ReceivedRanges received;

 private:
  friend class DatagramTable;
  IndexLink age, source, holders;
  DatagramIndex chain = kNoDatagram;  // next of the same bucket, or next free one
};

// The datagrams of which some fragments have come, a bounded number of them. One that nobody
// completes is forgotten after the time that RFC 791 and RFC 8200 give. When there is no room the
// oldest gives way, or the oldest of the same source where that has its share: a flood from one
// source pushes out its own, and one from many whatever has waited longest, while the fragments of
// an honest datagram follow each other at once. Nothing is allocated after construction.
class DatagramTable {
 public:
  static constexpr Duration kLifeV4 = Duration::seconds(30);  // RFC 1122 3.3.2 has 60 at the least
  static constexpr Duration kLifeV6 = Duration::seconds(60);  // RFC 8200 4.5

  // `held`: fragments that may wait for the first of their datagram, of all datagrams together.
  DatagramTable(uint32_t datagrams, uint32_t held, uint64_t seed);

  DatagramIndex find(const DatagramKey& key) const;
  // The one that has to be removed before make(key): kNoDatagram when there is room.
  DatagramIndex in_the_way_of(const DatagramKey& key) const;
  DatagramIndex make(Instant now, const DatagramKey& key);
  void remove(DatagramIndex index);  // nothing is held in it
  // One whose time is over; kNoDatagram if there is none.
  DatagramIndex expired(Instant now) const;
  Instant deadline() const;

  Datagram& at(DatagramIndex index) { return datagrams_[index]; }

  // Whether the source of a datagram may have one more fragment held.
  bool may_hold(DatagramIndex index) const;
  // The datagram that has to give up what it holds before hold(): kNoDatagram when there is room.
  DatagramIndex in_the_way_of_holding() const;
  void hold(DatagramIndex index, PooledPacket* packet);
  // All that it holds, to be passed on or given up.
  PacketQueue take_held(DatagramIndex index);

  uint32_t size() const { return size_; }
  uint32_t held() const { return held_; }

 private:
  // A source's share of the table, and of what is held.
  static constexpr uint32_t kShare = 8;
  static constexpr uint32_t kSources = 1024;

  struct Source {
    IndexList datagrams;  // from the oldest
    uint32_t count = 0;
    uint32_t held = 0;
  };

  static uint32_t share_of(uint32_t all) { return all / kShare > 0 ? all / kShare : 1; }
  static int family_of(const DatagramKey& key) { return key.src.is_v4() ? 0 : 1; }
  size_t bucket_of(const DatagramKey& key) const;
  uint32_t source_of(const DatagramKey& key) const;

  uint32_t most_;
  uint32_t most_held_;
  AddressHash hash_;
  MappedArray<Datagram> datagrams_;
  std::vector<DatagramIndex> buckets_;  // a power of two
  std::vector<Source> sources_;
  IndexList ages_[2];  // of IPv4 and of IPv6, which live for different times
  IndexList holders_;  // from the one that has held for longest
  DatagramIndex free_ = kNoDatagram;
  uint32_t fresh_ = 0;  // never used from here on
  uint32_t size_ = 0;
  uint32_t held_ = 0;
};

}  // namespace sluice
