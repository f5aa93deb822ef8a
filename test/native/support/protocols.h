// Flows of other protocols than TCP and UDP: packets as their ends send them, and a control segment
// that changes addresses only.
#pragma once

#include <vector>

#include "support/dialogue.h"

namespace sluice::test {

inline constexpr uint8_t kProtocolGre = 47;
inline constexpr uint8_t kProtocolEsp = 50;

inline uint8_t icmp_protocol(const Hosts& hosts) { return icmp_of(hosts.client.is_v4()); }

inline PacketBuilder echo_request(const IpAddress& src, const IpAddress& dst, uint16_t identifier,
                                  uint16_t sequence = 1) {
  return PacketBuilder()
      .ip(src, dst)
      .icmp(src.is_v4() ? kIcmpEchoRequest : kIcmpv6EchoRequest, 0,
            uint32_t{identifier} << 16 | sequence)
      .payload(56);
}
inline PacketBuilder echo_reply(const IpAddress& src, const IpAddress& dst, uint16_t identifier,
                                uint16_t sequence = 1) {
  return PacketBuilder()
      .ip(src, dst)
      .icmp(src.is_v4() ? kIcmpEchoReply : kIcmpv6EchoReply, 0,
            uint32_t{identifier} << 16 | sequence)
      .payload(56);
}

// A common header of SCTP (RFC 9260 3.1) and some chunk; what its CRC says matters to no segment.
inline PacketBuilder sctp(const IpAddress& src, const IpAddress& dst, L4Port src_port,
                          L4Port dst_port) {
  std::vector<uint8_t> bytes(32, 0x5c);
  store_be16(&bytes[0], src_port);
  store_be16(&bytes[2], dst_port);
  return PacketBuilder().ip(src, dst).protocol(kProtocolSctp).payload(bytes);
}

inline PacketBuilder raw(const IpAddress& src, const IpAddress& dst, uint8_t protocol,
                         size_t size = 24) {
  return PacketBuilder().ip(src, dst).protocol(protocol).payload(size);
}

// Sends every flow to an address, the rest as it is; and lets it leave from another, where there is
// one, with this in the place of the client's port.
inline TestEngine::Decider to_address(const IpAddress& address, const IpAddress& source = {},
                                      L4Port source_port = 0) {
  return [=](const QueryView& query, ReplyView reply) {
    TestEngine::to_endpoint(address, 0)(query, reply);
    XlatView xlat = reply.xlat();
    xlat.set_xlat_mask(XlatMask::dst_addr | XlatMask::dec_ttl);
    if (source.is_zero()) return true;
    xlat.set_xlat_src_ipaddr(source);
    xlat.set_xlat_src_port(source_port);
    xlat.set_xlat_mask(xlat.xlat_mask() | XlatMask::src_addr | XlatMask::src_port);
    return true;
  };
}

// An engine with one virtual server of a protocol, on no port.
inline std::unique_ptr<TestEngine> engine_with(const Hosts& hosts, uint8_t protocol,
                                               const TestEngineOptions& options = {}) {
  auto engine = std::make_unique<TestEngine>(options);
  engine->add_virtual_server(kService, hosts.virtual_server, 0, protocol);
  engine->introduce(hosts);
  engine->decide_with(to_address(hosts.server));
  engine->run(Duration::seconds(3));
  engine->clear_sent();
  engine->told.clear();
  return engine;
}

// What stands behind the IP headers of a frame that the engine sent.
inline std::vector<uint8_t> l4_bytes(const MemoryFrame& frame) {
  Sent sent(frame);
  const Packet& packet = sent.packet();
  return {packet.at(packet.headers.l4), packet.at(packet.headers.end)};
}

}  // namespace sluice::test
