// Builds frames for tests: PacketBuilder().ip(client, server).tcp(40000, 80).payload(100).build().
// What is not said is ordinary: fixed MAC addresses, TTL 64, an ACK segment, right checksums.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "support/frame.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"
#include "wire/udp.h"

namespace sluice::test {

class PacketBuilder {
 public:
  PacketBuilder& eth(const MacAddress& src, const MacAddress& dst) {
    eth_src_ = src;
    eth_dst_ = dst;
    return *this;
  }
  // Outermost first.
  PacketBuilder& vlan(uint16_t tci, uint16_t ether_type = kEtherTypeVlan) {
    tags_.push_back({ether_type, tci});
    return *this;
  }
  PacketBuilder& ether_type(uint16_t type) {
    ether_type_ = type;
    return *this;
  }
  PacketBuilder& arp(uint16_t operation, const MacAddress& sender_mac, const IpAddress& sender,
                     const MacAddress& target_mac, const IpAddress& target) {
    ether_type_ = kEtherTypeArp;
    payload_.resize(ArpMessage::kSize);
    ArpMessage message = ArpMessage::start(payload_.data(), operation);
    message.set_sender(sender_mac, sender);
    message.set_target(target_mac, target);
    return *this;
  }

  // IPv4 or IPv6, as the addresses are.
  PacketBuilder& ip(const IpAddress& src, const IpAddress& dst) {
    src_ = src;
    dst_ = dst;
    ether_type_ = src.is_v4() ? kEtherTypeIpv4 : kEtherTypeIpv6;
    return *this;
  }
  PacketBuilder& ipv4(const char* src, const char* dst) { return ip(test::ip(src), test::ip(dst)); }
  PacketBuilder& ipv6(const char* src, const char* dst) { return ip(test::ip(src), test::ip(dst)); }
  PacketBuilder& ttl(uint8_t ttl) { return set(ttl_, ttl); }
  PacketBuilder& dscp(uint8_t dscp) { return set(dscp_, dscp); }
  PacketBuilder& ecn(uint8_t ecn) { return set(ecn_, ecn); }
  PacketBuilder& id(uint16_t id) { return set(id_, id); }
  PacketBuilder& flow_label(uint32_t label) { return set(flow_label_, label); }
  // The payload stands directly behind the IP headers.
  PacketBuilder& protocol(uint8_t protocol) { return l4_header(protocol, false); }
  // IPv4 only; padded with end-of-options to a multiple of 4.
  PacketBuilder& ip_options(std::vector<uint8_t> options) {
    options.resize((options.size() + 3) / 4 * 4);
    return set(ip_options_, std::move(options));
  }
  // IPv6 only: `body` without its first byte (the next header), of 8n - 1 bytes.
  PacketBuilder& extension(uint8_t kind, std::vector<uint8_t> body) {
    extensions_.push_back({kind, std::move(body)});
    return *this;
  }
  // Makes a fragment; IPv6 gets a fragment header. `offset` in bytes.
  PacketBuilder& fragment(size_t offset, bool more) {
    if (src_.is_v4()) {
      const uint16_t flags = more ? Ipv4Header::kMoreFragments : 0;
      return set(ipv4_fragment_, static_cast<uint16_t>(offset / 8 | flags));
    }
    const auto field = static_cast<uint16_t>(offset | (more ? 1 : 0));
    return extension(
        44, {0, static_cast<uint8_t>(field >> 8), static_cast<uint8_t>(field), 0, 0, 0, 1});
  }
  PacketBuilder& dont_fragment() { return set(ipv4_fragment_, Ipv4Header::kDontFragment); }

  PacketBuilder& tcp(L4Port src_port, L4Port dst_port, uint8_t flags = kTcpAck) {
    src_port_ = src_port;
    dst_port_ = dst_port;
    flags_ = flags;
    return l4_header(kProtocolTcp, true);
  }
  PacketBuilder& seq(uint32_t seq) { return set(seq_, seq); }
  PacketBuilder& ack(uint32_t ack) { return set(ack_, ack); }
  PacketBuilder& window(uint16_t window) { return set(window_, window); }
  PacketBuilder& urgent(uint16_t pointer) { return set(urgent_, pointer); }
  // TCP options, in the order of the calls; padded with end-of-list to a multiple of 4.
  PacketBuilder& nop() { return raw_option({kTcpOptionNop}); }
  PacketBuilder& mss(uint16_t mss) {
    return raw_option(
        {kTcpOptionMss, 4, static_cast<uint8_t>(mss >> 8), static_cast<uint8_t>(mss)});
  }
  PacketBuilder& window_scale(uint8_t shift) {
    return raw_option({kTcpOptionWindowScale, 3, shift});
  }
  PacketBuilder& sack_permitted() { return raw_option({kTcpOptionSackPermitted, 2}); }
  PacketBuilder& timestamps(uint32_t tsval, uint32_t tsecr) {
    raw_option({kTcpOptionTimestamps, 10});
    return append32(tsval).append32(tsecr);
  }
  PacketBuilder& sack(std::initializer_list<uint32_t> edges) {
    raw_option({kTcpOptionSack, static_cast<uint8_t>(2 + 4 * edges.size())});
    for (const uint32_t edge : edges) append32(edge);
    return *this;
  }
  PacketBuilder& raw_option(std::vector<uint8_t> bytes) {
    options_.insert(options_.end(), bytes.begin(), bytes.end());
    return *this;
  }

  PacketBuilder& udp(L4Port src_port, L4Port dst_port) {
    src_port_ = src_port;
    dst_port_ = dst_port;
    return l4_header(kProtocolUdp, true);
  }
  PacketBuilder& without_udp_checksum() { return set(udp_checksum_, false); }
  // ICMP or ICMPv6, as the addresses are.
  PacketBuilder& icmp(uint8_t type, uint8_t code = 0, uint32_t rest = 0) {
    icmp_type_ = type;
    icmp_code_ = code;
    icmp_rest_ = rest;
    return l4_header(src_.is_v4() ? kProtocolIcmp : kProtocolIcmpv6, true);
  }

  // `size` bytes of a pattern, or given ones.
  PacketBuilder& payload(size_t size) {
    payload_.resize(size);
    for (size_t i = 0; i < size; ++i) payload_[i] = static_cast<uint8_t>(i * 7 + i / 251 + 1);
    return *this;
  }
  PacketBuilder& payload(std::vector<uint8_t> bytes) { return set(payload_, std::move(bytes)); }
  PacketBuilder& text(const std::string& text) { return payload({text.begin(), text.end()}); }
  // Ethernet padding behind the IP packet.
  PacketBuilder& padding(size_t size, uint8_t fill = 0xee) {
    padding_ = size;
    padding_fill_ = fill;
    return *this;
  }

  // The L4 checksum is left to whoever sends: the field holds the pseudo-header sum.
  PacketBuilder& partial() { return set(partial_, true); }
  // A super-packet of TCP or UDP segments with `size` payload bytes each.
  PacketBuilder& gso(uint16_t size) {
    gso_size_ = size;
    return partial();
  }

  Frame build() const;

 private:
  using Bytes = std::vector<uint8_t>;

  template <class Field, class Value>
  PacketBuilder& set(Field& field, Value value) {
    field = std::move(value);
    return *this;
  }
  PacketBuilder& l4_header(uint8_t protocol, bool present) {
    protocol_ = protocol;
    has_l4_header_ = present;
    return *this;
  }
  PacketBuilder& append32(uint32_t value) {
    return raw_option({static_cast<uint8_t>(value >> 24), static_cast<uint8_t>(value >> 16),
                       static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)});
  }

  bool has_ip() const { return ether_type_ == kEtherTypeIpv4 || ether_type_ == kEtherTypeIpv6; }
  Bytes ethernet() const;
  Bytes ip_header(size_t l4_size) const;
  Bytes l4() const;
  void complete_l4(Bytes& l4) const;
  uint64_t pseudo_header_sum(size_t l4_size) const;
  size_t checksum_offset() const;
  Offload offload(size_t l4_start) const;

  MacAddress eth_src_ = kMacA;
  MacAddress eth_dst_ = kMacB;
  std::vector<std::pair<uint16_t, uint16_t>> tags_;
  uint16_t ether_type_ = 0;
  IpAddress src_;
  IpAddress dst_;
  uint8_t ttl_ = 64;
  uint8_t dscp_ = 0;
  uint8_t ecn_ = 0;
  uint16_t id_ = 1;
  uint16_t ipv4_fragment_ = 0;
  uint32_t flow_label_ = 0;
  uint8_t protocol_ = 0;
  bool has_l4_header_ = false;
  Bytes ip_options_;
  std::vector<std::pair<uint8_t, Bytes>> extensions_;
  L4Port src_port_ = 0;
  L4Port dst_port_ = 0;
  uint8_t flags_ = 0;
  uint32_t seq_ = 1000;
  uint32_t ack_ = 2000;
  uint16_t window_ = 65535;
  uint16_t urgent_ = 0;
  Bytes options_;
  bool udp_checksum_ = true;
  uint8_t icmp_type_ = 0;
  uint8_t icmp_code_ = 0;
  uint32_t icmp_rest_ = 0;
  Bytes payload_;
  size_t padding_ = 0;
  uint8_t padding_fill_ = 0;
  bool partial_ = false;
  uint16_t gso_size_ = 0;
};

inline std::vector<uint8_t> PacketBuilder::ethernet() const {
  Bytes bytes(EthernetHeader::kSize - 2);
  eth_dst_.store(bytes.data());
  eth_src_.store(bytes.data() + 6);
  const auto append16 = [&bytes](uint16_t value) {
    bytes.push_back(static_cast<uint8_t>(value >> 8));
    bytes.push_back(static_cast<uint8_t>(value));
  };
  for (const auto& [type, tci] : tags_) {
    append16(type);
    append16(tci);
  }
  append16(ether_type_);
  return bytes;
}

inline std::vector<uint8_t> PacketBuilder::ip_header(size_t l4_size) const {
  if (ether_type_ == kEtherTypeIpv4) {
    Bytes bytes(Ipv4Header::kSize);
    Ipv4Header ip = Ipv4Header::start(bytes.data());
    ip.set_dscp(dscp_);
    bytes[1] |= ecn_;
    ip.set_id(id_);
    ip.set_fragment(ipv4_fragment_);
    ip.set_ttl(ttl_);
    ip.set_protocol(protocol_);
    ip.set_src(src_.v4());
    ip.set_dst(dst_.v4());
    ip.set_total_length(static_cast<uint16_t>(Ipv4Header::kSize + ip_options_.size() + l4_size));
    bytes[0] = static_cast<uint8_t>(0x45 + ip_options_.size() / 4);
    bytes.insert(bytes.end(), ip_options_.begin(), ip_options_.end());
    Ipv4Header(bytes.data()).complete_checksum();
    return bytes;
  }
  Bytes chain;
  for (size_t i = 0; i < extensions_.size(); ++i) {
    chain.push_back(i + 1 < extensions_.size() ? extensions_[i + 1].first : protocol_);
    chain.insert(chain.end(), extensions_[i].second.begin(), extensions_[i].second.end());
  }
  Bytes bytes(Ipv6Header::kSize);
  Ipv6Header ip = Ipv6Header::start(bytes.data());
  ip.set_dscp(dscp_);
  bytes[1] |= static_cast<uint8_t>(ecn_ << 4);
  ip.set_flow_label(flow_label_);
  ip.set_payload_length(static_cast<uint16_t>(chain.size() + l4_size));
  ip.set_next_header(extensions_.empty() ? protocol_ : extensions_[0].first);
  ip.set_hop_limit(ttl_);
  ip.set_src(src_);
  ip.set_dst(dst_);
  bytes.insert(bytes.end(), chain.begin(), chain.end());
  return bytes;
}

inline std::vector<uint8_t> PacketBuilder::l4() const {
  if (!has_l4_header_) return payload_;
  Bytes bytes;
  if (protocol_ == kProtocolTcp) {
    const size_t options = (options_.size() + 3) / 4 * 4;
    SLUICE_CHECK(options <= TcpHeader::kMaxSize - TcpHeader::kSize);
    bytes.resize(TcpHeader::kSize + options);
    TcpHeader tcp = TcpHeader::start(bytes.data(), bytes.size());
    tcp.set_src_port(src_port_);
    tcp.set_dst_port(dst_port_);
    tcp.set_seq(Seq(seq_));
    tcp.set_ack(Seq(ack_));
    tcp.set_flags(flags_);
    tcp.set_window(window_);
    tcp.set_urgent_pointer(urgent_);
    std::copy(options_.begin(), options_.end(), tcp.options());
  } else if (protocol_ == kProtocolUdp) {
    bytes.resize(UdpHeader::kSize);
    UdpHeader udp(bytes.data());
    udp.set_src_port(src_port_);
    udp.set_dst_port(dst_port_);
    udp.set_length(static_cast<uint16_t>(UdpHeader::kSize + payload_.size()));
  } else {
    bytes.resize(IcmpHeader::kSize);
    IcmpHeader icmp(bytes.data());
    icmp.set_type(icmp_type_);
    icmp.set_code(icmp_code_);
    icmp.set_rest(icmp_rest_);
  }
  bytes.insert(bytes.end(), payload_.begin(), payload_.end());
  complete_l4(bytes);
  return bytes;
}

inline uint64_t PacketBuilder::pseudo_header_sum(size_t l4_size) const {
  const auto size = static_cast<uint32_t>(l4_size);
  if (ether_type_ == kEtherTypeIpv6) {
    return pseudo_header_sum_v6(src_.bytes.data(), dst_.bytes.data(), protocol_, size);
  }
  if (protocol_ == kProtocolIcmp) return 0;
  return pseudo_header_sum_v4(src_.bytes.data() + 12, dst_.bytes.data() + 12, protocol_, size);
}

inline size_t PacketBuilder::checksum_offset() const {
  switch (protocol_) {
    case kProtocolTcp: return TcpHeader::kChecksumOffset;
    case kProtocolUdp: return UdpHeader::kChecksumOffset;
    default: return IcmpHeader::kChecksumOffset;
  }
}

inline void PacketBuilder::complete_l4(Bytes& l4) const {
  const uint64_t sum = pseudo_header_sum(l4.size());
  if (partial_) return store_be16(&l4[checksum_offset()], fold_sum(sum));
  if (protocol_ == kProtocolUdp && !udp_checksum_) return;
  const uint16_t checksum = finish_checksum(sum + sum_bytes(l4.data(), l4.size()));
  const bool udp_zero = protocol_ == kProtocolUdp && checksum == 0;
  store_be16(&l4[checksum_offset()], udp_zero ? 0xffff : checksum);
}

inline Offload PacketBuilder::offload(size_t l4_start) const {
  Offload offload;
  if (!partial_) return offload;
  offload.needs_checksum = true;
  offload.checksum_start = static_cast<uint16_t>(l4_start);
  offload.checksum_offset = static_cast<uint16_t>(checksum_offset());
  if (gso_size_ == 0) return offload;
  offload.gso_size = gso_size_;
  const GsoType tcp = ether_type_ == kEtherTypeIpv4 ? GsoType::tcp4 : GsoType::tcp6;
  offload.gso_type = protocol_ == kProtocolUdp ? GsoType::udp : tcp;
  offload.header_length = static_cast<uint16_t>(l4_start + l4().size() - payload_.size());
  return offload;
}

inline Frame PacketBuilder::build() const {
  Bytes bytes = ethernet();
  const Bytes segment = l4();
  if (has_ip()) {
    const Bytes header = ip_header(segment.size());
    bytes.insert(bytes.end(), header.begin(), header.end());
  }
  const size_t l4_start = bytes.size();
  bytes.insert(bytes.end(), segment.begin(), segment.end());
  bytes.insert(bytes.end(), padding_, padding_fill_);
  return Frame(bytes, offload(l4_start));
}

}  // namespace sluice::test
