// A packet made of fuzz input: an offload state, then the frame, in a buffer exactly as large as
// the frame and its headroom, so that the sanitizer sees every overrun.
//
// Input: flags (bit 0 needs_checksum, bits 1-2 gso_type, bit 3 make the IPv4 header's checksum
// right), checksum_start U16, checksum_offset U8, gso_size U16, then the frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "packet/packet.h"
#include "wire/checksum.h"

namespace sluice::test {

class HostilePacket {
 public:
  static constexpr size_t kPrefix = 6;

  // size >= kPrefix
  HostilePacket(const uint8_t* data, size_t size) : buffer_(kHeadroom + size - kPrefix) {
    if (size > kPrefix) std::memcpy(frame(), data + kPrefix, size - kPrefix);
    packet_.data = frame();
    packet_.length = static_cast<uint32_t>(size - kPrefix);
    if ((data[0] & 8) != 0) correct_ipv4_checksum();
    Offload& offload = packet_.offload;
    offload.gso_type = static_cast<GsoType>(data[0] >> 1 & 3);
    offload.needs_checksum = (data[0] & 1) != 0 || offload.gso_type != GsoType::none;
    offload.checksum_unknown = (data[0] & 16) != 0;
    offload.checksum_start = load_be16(data + 1);
    offload.checksum_offset = data[3];
    offload.gso_size = load_be16(data + 4);
  }
  HostilePacket(const HostilePacket&) = delete;

  Packet& packet() { return packet_; }
  std::vector<uint8_t> bytes() const { return {buffer_.begin() + kHeadroom, buffer_.end()}; }

 private:
  // A fuzzer finds a right checksum only by luck, and everything interesting lies behind it.
  void correct_ipv4_checksum() {
    constexpr size_t kIp = 14;
    if (packet_.length < kIp + 20) return;
    uint8_t* ip = frame() + kIp;
    const size_t header_length = (ip[0] & 0xfu) * 4;
    if (header_length < 20 || packet_.length < kIp + header_length) return;
    store_be16(ip + 10, 0);
    store_be16(ip + 10, finish_checksum(sum_bytes(ip, header_length)));
  }
  uint8_t* frame() { return buffer_.data() + kHeadroom; }

  std::vector<uint8_t> buffer_;
  Packet packet_;
};

}  // namespace sluice::test
