// Verifies the checksums of a frame by itself: reads the bytes without wire/ and sums them one word
// at a time, so that a mistake there cannot hide here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "packet/packet.h"

namespace sluice::test {

class ChecksumCheck {
 public:
  explicit ChecksumCheck(const Packet& packet)
      : data_(packet.data), size_(packet.length), offload_(packet.offload) {}

  // What is wrong with the first wrong checksum; "" if all of them are right. A partial one is
  // right when it holds the sum of the pseudo-header.
  std::string fault() {
    size_t at = 12;
    while (read16(at) == 0x8100 || read16(at) == 0x88a8) at += 4;
    const uint32_t ether_type = read16(at);
    if (ether_type == 0x0800) return ipv4_fault(at + 2);
    if (ether_type == 0x86dd) return ipv6_fault(at + 2);
    return "";
  }

 private:
  uint32_t read16(size_t at) const {
    return at + 2 > size_ ? 0 : static_cast<uint32_t>(data_[at] << 8 | data_[at + 1]);
  }

  // Ones' complement sum of [from, to), on top of `sum`.
  uint32_t sum(size_t from, size_t to, uint32_t sum) const {
    for (size_t i = from; i < to; i += 2) {
      sum += static_cast<uint32_t>(data_[i] << 8) + (i + 1 < to ? data_[i + 1] : 0);
      sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
  }

  std::string ipv4_fault(size_t ip) const {
    const size_t l4 = ip + (data_[ip] & 15) * 4u;
    const size_t end = ip + read16(ip + 2);
    if (end > size_) return "IPv4 total length is longer than the frame";
    if (sum(ip, l4, 0) != 0xffff) return "IPv4 header checksum";
    if ((read16(ip + 6) & 0x3fff) != 0) return "";
    return l4_fault(data_[ip + 9], l4, end, ip + 12, ip + 20, data_[ip + 9] != 1);
  }

  std::string ipv6_fault(size_t ip) const {
    uint8_t protocol = data_[ip + 6];
    size_t l4 = ip + 40;
    const size_t end = l4 + read16(ip + 4);
    if (end > size_) return "IPv6 payload length is longer than the frame";
    while (protocol == 0 || protocol == 43 || protocol == 60 || protocol == 44) {
      if (protocol == 44 && (read16(l4 + 2) & 0xfff9) != 0) return "";
      const size_t length = protocol == 44 ? 8 : data_[l4 + 1] * 8u + 8;
      protocol = data_[l4];
      l4 += length;
    }
    return l4_fault(protocol, l4, end, ip + 8, ip + 40, true);
  }

  std::string l4_fault(uint8_t protocol, size_t l4, size_t end, size_t addresses,
                       size_t addresses_end, bool pseudo_header) const {
    size_t field = 0;
    std::string name;
    if (protocol == 6) {
      field = l4 + 16;
      name = "TCP checksum";
    } else if (protocol == 17) {
      field = l4 + 6;
      name = "UDP checksum";
      end = l4 + read16(l4 + 4);
    } else if (protocol == 1 || protocol == 58) {
      field = l4 + 2;
      name = "ICMP checksum";
    } else {
      return "";
    }
    uint32_t pseudo = 0;
    if (pseudo_header) {
      const auto length = static_cast<uint32_t>(end - l4);
      pseudo = sum(addresses, addresses_end, protocol + (length & 0xffff) + (length >> 16));
    }
    if (offload_.needs_checksum && offload_.checksum_start == l4) {
      return read16(field) % 0xffff == pseudo % 0xffff ? "" : "partial " + name;
    }
    const bool ipv4_udp = protocol == 17 && addresses_end - addresses == 8;
    if (ipv4_udp && read16(field) == 0) return "";
    if (protocol == 17 && read16(field) == 0) return "UDP checksum missing";
    return sum(l4, end, pseudo) == 0xffff ? "" : name;
  }

  const uint8_t* data_;
  size_t size_;
  Offload offload_;
};

// CHECK_EQ(checksum_fault(packet), "");
inline std::string checksum_fault(const Packet& packet) { return ChecksumCheck(packet).fault(); }

}  // namespace sluice::test
