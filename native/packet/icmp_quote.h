#pragma once

#include <cstdint>

#include "packet/packet.h"

namespace sluice {

// The packet that an ICMP error is about, as much of it as the error quotes.
struct IcmpQuote {
  FlowKey key;      // with the ports, or what stands there, of a whole packet or first fragment
  uint16_t l3 = 0;  // where its headers are, counted from the error's `data`
  uint16_t l4 = 0;
  uint32_t end = 0;            // of what is quoted, without the extensions of RFC 4884
  uint32_t length = 0;         // that the packet had in all, as its IP header says
  bool has_key = false;        // as in Headers
  bool dont_fragment = false;  // always over IPv6
};

// Of a packet that passed parse(): whether it is an error about another one, of those that are sent
// on to its sender (RFC 792, RFC 4443 2.1).
bool is_icmp_error(const Packet& packet);
// Whether it asks hosts for what they are no longer to do, or not for those behind a router: source
// quench (RFC 6633), redirect (RFC 1812 5.2.7.2, RFC 4861 8.1).
bool is_icmp_order(const Packet& packet);

// Reads what an ICMP error quotes. False where that is not the headers of an IP packet of its own
// family and 8 bytes behind them, which all errors have (RFC 792; RFC 5508 REQ-3 for the checksum
// of the quoted header).
bool parse_icmp_quote(const Packet& error, IcmpQuote& quote);

}  // namespace sluice
