// wire/: header formats, bytes in, fields out. Each class is a view of a header inside a frame:
// `check` is called once, with the bytes that are there; afterwards no accessor can fail. Setters
// change their field and nothing else: checksums are the business of rewrite/, or of whoever builds
// the packet. Setters of a length or header length void the check. Holds no state, does no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "wire/address.h"

namespace sluice {

inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeArp = 0x0806;
inline constexpr uint16_t kEtherTypeVlan = 0x8100;  // 802.1Q tag
inline constexpr uint16_t kEtherTypeQinQ = 0x88a8;  // 802.1ad service tag
inline constexpr uint16_t kEtherTypeIpv6 = 0x86dd;

// An Ethernet II header with at most two VLAN tags (QinQ); a third is an unknown EtherType.
class EthernetHeader {
 public:
  static constexpr size_t kSize = 14;  // without tags
  static constexpr size_t kTagSize = 4;
  static constexpr int kMaxTags = 2;

  // What the frame carries: its EtherType, and where it starts, counted from the frame.
  struct Payload {
    uint16_t ether_type;
    uint16_t offset;
  };

  explicit EthernetHeader(uint8_t* at) : at_(at) {}

  // Room for the addresses, every tag and the EtherType behind them.
  static bool check(const uint8_t* at, size_t available) {
    return available >= kSize && find_payload(at, available).offset <= available;
  }

  MacAddress dst() const { return MacAddress::load(at_); }
  MacAddress src() const { return MacAddress::load(at_ + 6); }
  Payload payload() const { return find_payload(at_, SIZE_MAX); }

  void set_dst(const MacAddress& mac) { mac.store(at_); }
  void set_src(const MacAddress& mac) { mac.store(at_ + 6); }
  // Of an untagged frame.
  void set_ether_type(uint16_t ether_type) { store_be16(at_ + 12, ether_type); }

 private:
  static bool is_tag(uint16_t ether_type) {
    return ether_type == kEtherTypeVlan || ether_type == kEtherTypeQinQ;
  }
  // Stops at a tag that is cut off, with an offset beyond `available`.
  static Payload find_payload(const uint8_t* at, size_t available) {
    Payload payload{load_be16(at + 12), kSize};
    for (int tags = 0; tags < kMaxTags && is_tag(payload.ether_type); ++tags) {
      payload.offset += kTagSize;
      if (payload.offset > available) break;
      payload.ether_type = load_be16(at + payload.offset - 2);
    }
    return payload;
  }

  uint8_t* at_;
};

// The VLAN of a frame that passed EthernetHeader::check: the identifier in its outer tag, 0 where
// it has none, or one that tells a priority alone (IEEE 802.1Q 9.6).
inline uint16_t vlan_of(const uint8_t* frame) {
  const uint16_t type = load_be16(frame + 12);
  if (type != kEtherTypeVlan && type != kEtherTypeQinQ) return 0;
  return load_be16(frame + 14) & 0xfff;
}

// 01-80-C2-00-00-00 to -0F: for the bridge at the other end of the link, as spanning tree, pause
// frames, link aggregation and LLDP use them. No bridge sends them on (IEEE 802.1Q 8.6.3).
inline bool is_for_next_bridge(const MacAddress& destination) {
  static constexpr uint8_t kReserved[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};
  return std::memcmp(destination.bytes.data(), kReserved, 5) == 0 && destination.bytes[5] <= 0x0f;
}

}  // namespace sluice
