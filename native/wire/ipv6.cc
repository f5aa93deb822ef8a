#include "wire/ipv6.h"

namespace sluice {

namespace {

constexpr int kMaxExtensionHeaders = 8;

constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kDestinationOptions = 60;

// RFC 8200 4.2 to 4.6: length in units of 8 bytes without the first.
size_t extension_size(uint8_t kind, uint8_t length_field) {
  return kind == kIpv6Fragment ? 8 : (size_t{length_field} + 1) * 8;
}

// RFC 2675: an option that only packets beyond 64 KB have, which no link of ours carries.
bool has_jumbo_payload(const uint8_t* options, size_t size) {
  constexpr uint8_t kPad1 = 0, kJumboPayload = 0xc2;
  for (size_t i = 2; i < size;) {
    if (options[i] == kJumboPayload) return true;
    i += options[i] == kPad1 || i + 1 >= size ? 1 : size_t{2} + options[i + 1];
  }
  return false;
}

}  // namespace

bool is_ipv6_extension(uint8_t next_header) {
  return next_header == kHopByHop || next_header == kRouting || next_header == kIpv6Fragment ||
         next_header == kDestinationOptions;
}

Ipv6Chain walk_ipv6_extensions(const uint8_t* ip, size_t size) {
  Ipv6Chain chain;
  chain.protocol = ip[6];
  chain.l4 = Ipv6Header::kSize;
  for (int headers = 0; is_ipv6_extension(chain.protocol); ++headers) {
    const uint8_t* at = ip + chain.l4;
    const uint8_t kind = chain.protocol;
    if (chain.l4 + 8 > size || chain.l4 + extension_size(kind, at[1]) > size) {
      chain.fault = chain.fragment ? Ipv6Chain::Fault::tiny : Ipv6Chain::Fault::malformed;
      return chain;
    }
    // RFC 8200 4.1: hop-by-hop options stand directly behind the IPv6 header; nobody needs a second
    // fragment header, nor knows what it means.
    const bool misplaced = (kind == kHopByHop && headers != 0) ||
                           (kind == kIpv6Fragment && chain.fragment_header != 0);
    if (headers == kMaxExtensionHeaders || misplaced ||
        (kind == kHopByHop && has_jumbo_payload(at, extension_size(kind, at[1])))) {
      chain.fault = Ipv6Chain::Fault::malformed;
      return chain;
    }
    if (kind == kRouting && at[3] != 0) {
      chain.fault = Ipv6Chain::Fault::routing;
      return chain;
    }
    if (kind == kIpv6Fragment) {
      chain.fragment_header = chain.l4;
      chain.fragment_field = load_be16(at + 2) & 0xfff9;
      chain.fragment = chain.fragment_field != 0;
    }
    chain.protocol = at[0];
    chain.l4 += extension_size(kind, at[1]);
    if (chain.fragment_offset() != 0) return chain;
  }
  return chain;
}

}  // namespace sluice
