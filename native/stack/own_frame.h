#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "packet/packet.h"
#include "wire/ethernet.h"

namespace sluice {

// A small frame that the stack composes on the call stack and hands to a FrameSink.
class OwnFrame {
 public:
  OwnFrame(uint16_t ether_type, const MacAddress& src, const MacAddress& dst,
           size_t payload_length) {
    packet_.data = bytes_.data() + kHeadroom;
    packet_.length = static_cast<uint32_t>(EthernetHeader::kSize + payload_length);
    EthernetHeader ethernet(packet_.data);
    ethernet.set_dst(dst);
    ethernet.set_src(src);
    ethernet.set_ether_type(ether_type);
  }
  OwnFrame(const OwnFrame&) = delete;
  OwnFrame& operator=(const OwnFrame&) = delete;

  uint8_t* payload() { return packet_.at(EthernetHeader::kSize); }
  Packet& packet() { return packet_; }

 private:
  std::array<uint8_t, kHeadroom + 96> bytes_{};
  Packet packet_;
};

}  // namespace sluice
