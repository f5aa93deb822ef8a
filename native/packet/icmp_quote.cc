#include "packet/icmp_quote.h"

#include <algorithm>

#include "packet/key_ports.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace sluice {

namespace {

constexpr size_t kLeastOfL4 = 8;  // RFC 792

bool is_icmp(const Packet& packet) {
  const Headers& headers = packet.headers;
  if (headers.fragment) return false;
  return (headers.family == 4 && headers.protocol == kProtocolIcmp) ||
         (headers.family == 6 && headers.protocol == kProtocolIcmpv6);
}

uint8_t type_of(const Packet& packet) { return IcmpHeader(packet.at(packet.headers.l4)).type(); }

// RFC 4884 4.1, 4.2: a field of the ICMP header tells how long the quote is, in words of 4 bytes or
// 8, where extensions stand behind it.
uint32_t quote_end(const Packet& error) {
  const Headers& headers = error.headers;
  const bool v4 = headers.family == 4;
  const uint32_t words = *error.at(headers.l4 + (v4 ? 5u : 4u));
  const bool tells = v4 || type_of(error) != kIcmpv6PacketTooBig;
  if (!tells || words == 0) return headers.end;
  return std::min<uint32_t>(headers.end, headers.payload + words * (v4 ? 4 : 8));
}

bool parse_ipv4(uint8_t* at, size_t size, IcmpQuote& quote, bool& first) {
  if (size < Ipv4Header::kSize || at[0] >> 4 != 4) return false;
  const Ipv4Header ip(at);
  // RFC 5508 REQ-3: where the checksum of what is quoted is wrong the error goes no further.
  if (ip.header_length() < Ipv4Header::kSize || ip.header_length() > size ||
      ip.total_length() < ip.header_length() || !ip.checksum_is_right()) {
    return false;
  }
  quote.key.src = IpAddress::v4(ip.src());
  quote.key.dst = IpAddress::v4(ip.dst());
  quote.key.protocol = ip.protocol();
  quote.key.dscp = ip.dscp();
  quote.l4 = static_cast<uint16_t>(quote.l3 + ip.header_length());
  quote.length = ip.total_length();
  quote.dont_fragment = ip.dont_fragment();
  first = ip.fragment_offset() == 0;
  return true;
}

bool parse_ipv6(uint8_t* at, size_t size, IcmpQuote& quote, bool& first) {
  if (size < Ipv6Header::kSize || at[0] >> 4 != 6) return false;
  const Ipv6Header ip(at);
  quote.length = static_cast<uint32_t>(Ipv6Header::kSize + ip.payload_length());
  const Ipv6Chain chain = walk_ipv6_extensions(at, std::min<size_t>(size, quote.length));
  if (chain.fault != Ipv6Chain::Fault::none) return false;
  quote.key.src = ip.src();
  quote.key.dst = ip.dst();
  if (quote.key.src.is_v4() || quote.key.dst.is_v4()) return false;  // taken for IPv4 by keys
  quote.key.protocol = chain.protocol;
  quote.key.dscp = ip.dscp();
  quote.l4 = static_cast<uint16_t>(quote.l3 + chain.l4);
  quote.dont_fragment = true;
  first = chain.fragment_offset() == 0;
  return true;
}

}  // namespace

bool is_icmp_error(const Packet& packet) {
  if (!is_icmp(packet)) return false;
  const uint8_t type = type_of(packet);
  if (packet.headers.family == 6) {
    return type >= kIcmpv6Unreachable && type <= kIcmpv6ParameterProblem;
  }
  return type == kIcmpUnreachable || type == kIcmpTimeExceeded || type == kIcmpParameterProblem;
}

bool is_icmp_order(const Packet& packet) {
  if (!is_icmp(packet)) return false;
  const uint8_t type = type_of(packet);
  if (packet.headers.family == 6) return type == kIcmpv6Redirect;
  return type == kIcmpSourceQuench || type == kIcmpRedirect;
}

bool parse_icmp_quote(const Packet& error, IcmpQuote& quote) {
  quote = IcmpQuote{};
  quote.l3 = error.headers.payload;
  const uint32_t end = quote_end(error);
  uint8_t* at = error.at(quote.l3);
  bool first = false;
  const bool whole = error.headers.family == 4 ? parse_ipv4(at, end - quote.l3, quote, first)
                                               : parse_ipv6(at, end - quote.l3, quote, first);
  if (!whole) return false;
  quote.end = std::min(end, quote.l3 + quote.length);
  if (!first) return true;
  if (quote.l4 + kLeastOfL4 > quote.end) return false;
  quote.has_key = read_key_ports(error.at(quote.l4), quote.key);
  return true;
}

}  // namespace sluice
