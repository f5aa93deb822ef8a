#include "wire/ipv6.h"

namespace sluice {

namespace {

constexpr int kMaxExtensionHeaders = 8;

constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kAuthentication = 51;
constexpr uint8_t kDestinationOptions = 60;

bool is_extension(uint8_t next_header) {
  return next_header == kHopByHop || next_header == kRouting || next_header == kFragment ||
         next_header == kAuthentication || next_header == kDestinationOptions;
}

// RFC 8200 4.2 to 4.6: length in units of 8 bytes without the first. RFC 4302 2.2 counts the
// authentication header in units of 4 without the first two.
size_t extension_size(uint8_t kind, uint8_t length_field) {
  if (kind == kFragment) return 8;
  if (kind == kAuthentication) return (size_t{length_field} + 2) * 4;
  return (size_t{length_field} + 1) * 8;
}

}  // namespace

Ipv6Chain walk_ipv6_extensions(const uint8_t* ip, size_t size) {
  Ipv6Chain chain;
  chain.protocol = ip[6];
  chain.l4 = Ipv6Header::kSize;
  for (int headers = 0; is_extension(chain.protocol); ++headers) {
    const uint8_t* at = ip + chain.l4;
    const uint8_t kind = chain.protocol;
    // RFC 8200 4.1: hop-by-hop options stand directly behind the IPv6 header.
    const bool misplaced = kind == kHopByHop && headers != 0;
    if (headers == kMaxExtensionHeaders || misplaced || chain.l4 + 8 > size ||
        chain.l4 + extension_size(kind, at[1]) > size) {
      chain.fault = Ipv6Chain::Fault::malformed;
      return chain;
    }
    if (kind == kRouting && at[3] != 0) {
      chain.fault = Ipv6Chain::Fault::routing;
      return chain;
    }
    chain.protocol = at[0];
    chain.l4 += extension_size(kind, at[1]);
    if (kind == kFragment) {
      chain.fragment_field = load_be16(at + 2) & 0xfff9;
      chain.fragment = chain.fragment_field != 0;
      if (chain.fragment) return chain;
    }
  }
  return chain;
}

}  // namespace sluice
