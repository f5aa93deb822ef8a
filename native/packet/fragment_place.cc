#include "packet/fragment_place.h"

#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace sluice {

FragmentPlace place_of(const Packet& fragment) {
  const Headers& headers = fragment.headers;
  if (headers.family == 4) {
    const Ipv4Header ip(fragment.at(headers.l3));
    return {static_cast<uint32_t>(ip.fragment_offset()), headers.end - headers.l4,
            ip.more_fragments()};
  }
  const uint16_t field = load_be16(fragment.at(headers.fragment_header + size_t{2}));
  const uint32_t size = headers.end - headers.fragment_header - uint32_t{kIpv6FragmentHeader};
  return {field & 0xfff8u, size, (field & 1) != 0};
}

}  // namespace sluice
