#pragma once

#include <arpa/inet.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"
#include "packet/packet.h"
#include "packet/parse.h"
#include "wire/ethernet.h"
#include "wire/ipv4.h"

namespace sluice::test {

// "192.0.2.1" or "2001:db8::1".
inline IpAddress ip(const char* text) {
  uint8_t bytes[16];
  if (inet_pton(AF_INET, text, bytes) == 1) return IpAddress::load_v4(bytes);
  SLUICE_CHECK(inet_pton(AF_INET6, text, bytes) == 1);
  return IpAddress::load_v6(bytes);
}

// The same cast of hosts for IPv4 and IPv6: for (const Hosts& hosts : both_families()).
struct Hosts {
  std::string family;
  IpAddress client;
  IpAddress virtual_server;
  IpAddress engine;  // the engine's own address on the server side
  IpAddress server;
};

inline const std::vector<Hosts>& both_families() {
  static const std::vector<Hosts> hosts = {
      {"IPv4", ip("192.0.2.10"), ip("192.0.2.100"), ip("10.1.0.1"), ip("10.1.0.11")},
      {"IPv6", ip("2001:db8::10"), ip("2001:db8::100"), ip("fd00:1::1"), ip("fd00:1::11")},
  };
  return hosts;
}

inline constexpr MacAddress kMacA{{0x02, 0, 0, 0, 0, 0x0a}};
inline constexpr MacAddress kMacB{{0x02, 0, 0, 0, 0, 0x0b}};

// The bytes of a frame, with the headroom that every packet has, and its offload state.
class Frame {
 public:
  Frame(const std::vector<uint8_t>& bytes, const Offload& offload)
      : storage_(kHeadroom + bytes.size()), offload_(offload) {
    std::copy(bytes.begin(), bytes.end(), data());
  }

  // A packet over these bytes, as a port hands it out. Lives no longer than the frame.
  Packet packet() {
    Packet packet;
    packet.data = data();
    packet.length = static_cast<uint32_t>(size());
    packet.in_port = 0;
    packet.offload = offload_;
    return packet;
  }
  Packet parsed() {
    Packet parsed = packet();
    parse(parsed);
    return parsed;
  }

  uint8_t* data() { return storage_.data() + kHeadroom; }
  size_t size() const { return storage_.size() - kHeadroom; }
  std::vector<uint8_t> bytes() const { return {storage_.begin() + kHeadroom, storage_.end()}; }
  Offload& offload() { return offload_; }

  // To make a frame wrong. Offsets from the first byte of the frame.
  Frame& put8(size_t offset, uint8_t value) {
    data()[offset] = value;
    return *this;
  }
  Frame& put16(size_t offset, uint16_t value) {
    store_be16(data() + offset, value);
    return *this;
  }
  Frame& resize(size_t size) {
    storage_.resize(kHeadroom + size);
    return *this;
  }
  // Of an untagged IPv4 frame, after its header was made wrong in another way.
  Frame& fix_ipv4_checksum() {
    Ipv4Header(data() + EthernetHeader::kSize).complete_checksum();
    return *this;
  }

 private:
  std::vector<uint8_t> storage_;
  Offload offload_;
};

}  // namespace sluice::test
