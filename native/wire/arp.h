#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/address.h"
#include "wire/ethernet.h"

namespace sluice {

// An ARP message for IPv4 over Ethernet (RFC 826).
class ArpMessage {
 public:
  static constexpr size_t kSize = 28;
  static constexpr uint16_t kRequest = 1;
  static constexpr uint16_t kReply = 2;

  explicit ArpMessage(uint8_t* at) : at_(at) {}

  static bool check(const uint8_t* at, size_t available) {
    if (available < kSize) return false;
    const uint16_t operation = load_be16(at + 6);
    return load_be64(at) >> 16 == kFormat && (operation == kRequest || operation == kReply);
  }

  // Writes the constant fields; the rest is the caller's to set.
  static ArpMessage start(uint8_t* at, uint16_t operation) {
    store_be64(at, kFormat << 16 | operation);
    return ArpMessage(at);
  }

  uint16_t operation() const { return load_be16(at_ + 6); }
  MacAddress sender_mac() const { return MacAddress::load(at_ + 8); }
  IpAddress sender_ip() const { return IpAddress::load_v4(at_ + 14); }
  MacAddress target_mac() const { return MacAddress::load(at_ + 18); }
  IpAddress target_ip() const { return IpAddress::load_v4(at_ + 24); }

  void set_sender(const MacAddress& mac, const IpAddress& ip) {
    mac.store(at_ + 8);
    store_be32(at_ + 14, ip.v4());
  }
  void set_target(const MacAddress& mac, const IpAddress& ip) {
    mac.store(at_ + 18);
    store_be32(at_ + 24, ip.v4());
  }

 private:
  // Hardware type Ethernet (1), protocol type IPv4, address sizes 6 and 4.
  static constexpr uint64_t kFormat = 0x0001'0800'0604;

  uint8_t* at_;
};

}  // namespace sluice
