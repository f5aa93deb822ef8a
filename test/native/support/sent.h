#pragma once

#include "packet/parse.h"
#include "port/memory_port.h"
#include "support/frame.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

namespace sluice::test {

// A packet that the engine sent, parsed.
class Sent {
 public:
  explicit Sent(const MemoryFrame& frame) : frame_(frame.bytes, frame.offload) {
    packet_ = frame_.packet();
    parse(packet_);
  }
  Sent(const Sent&) = delete;
  Sent& operator=(const Sent&) = delete;
  Packet& packet() { return packet_; }
  const FlowKey& key() const { return packet_.key; }
  uint8_t flags() const { return packet_.headers.tcp_flags; }
  TcpHeader tcp() const { return TcpHeader(packet_.at(packet_.headers.l4)); }
  bool has_option(uint8_t kind) const { return option(kind) != nullptr; }
  // Of a segment that has the option.
  uint32_t tsval() const { return load_be32(option(kTcpOptionTimestamps) + 2); }
  uint32_t sack_edge(size_t i) const { return load_be32(option(kTcpOptionSack) + 2 + 4 * i); }
  uint8_t ecn() const {
    const uint8_t* l3 = packet_.at(packet_.headers.l3);
    return packet_.headers.family == 4 ? l3[1] & 3 : l3[1] >> 4 & 3;
  }
  uint8_t ttl() const {
    uint8_t* l3 = packet_.at(packet_.headers.l3);
    return packet_.headers.family == 4 ? Ipv4Header(l3).ttl() : Ipv6Header(l3).hop_limit();
  }

 private:
  const uint8_t* option(uint8_t kind) const {
    for (TcpOptionWalk walk(tcp()); walk.next();) {
      if (walk.option().kind() == kind) return walk.option().at();
    }
    return nullptr;
  }
  Frame frame_;
  Packet packet_;
};

}  // namespace sluice::test
