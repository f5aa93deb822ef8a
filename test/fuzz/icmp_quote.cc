// Any ICMP error, about any packet, cut anywhere: what its quote is said to be lies in the packet,
// a rewritten error has right checksums, and undone it quotes what it quoted before.
//
// Input: seed of the rewrite U64, then a HostilePacket.
#include "packet/icmp_quote.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "packet/l4_checksum.h"
#include "packet/parse.h"
#include "rewrite/icmp_rewrite.h"
#include "support/hostile_packet.h"
#include "wire/ip_protocol.h"

namespace {

using namespace sluice;

IpAddress random_address(Random& random, bool v4) {
  if (v4) return IpAddress::v4(static_cast<uint32_t>(random.next()));
  IpAddress address;
  for (uint8_t& byte : address.bytes) byte = static_cast<uint8_t>(random.next());
  return address;
}

IcmpRewrite random_rewrite(Random& random, bool v4) {
  IcmpRewrite rewrite;
  for (IpAddress* address :
       {&rewrite.src, &rewrite.dst, &rewrite.quoted.src, &rewrite.quoted.dst}) {
    *address = random_address(random, v4);
  }
  rewrite.quoted.src_port = static_cast<L4Port>(random.next());
  rewrite.quoted.dst_port = static_cast<L4Port>(random.next());
  for (uint32_t* offset :
       {&rewrite.added.seq, &rewrite.added.ack, &rewrite.added.tsval, &rewrite.added.tsecr}) {
    *offset = static_cast<uint32_t>(random.next());
  }
  return rewrite;
}

// Ones' complement has two zeros; a checksum may come back under its other name (wire/checksum.h).
void name_zero(std::vector<uint8_t>& bytes, size_t at) {
  if (at + 2 <= bytes.size() && load_be16(&bytes[at]) == 0xffff) store_be16(&bytes[at], 0);
}

std::vector<uint8_t> quoted(const IcmpQuote& quote, const Packet& error) {
  std::vector<uint8_t> bytes(error.at(quote.l3), error.at(quote.end));
  if (error.headers.family == 4) name_zero(bytes, 10);
  const size_t l4 = size_t{quote.l4} - quote.l3;
  if (!quote.has_key) return bytes;
  switch (quote.key.protocol) {
    case kProtocolTcp: name_zero(bytes, l4 + 16); break;
    case kProtocolUdp: name_zero(bytes, l4 + 6); break;
    case kProtocolIcmp:
    case kProtocolIcmpv6: name_zero(bytes, l4 + 2); break;
    default: break;
  }
  return bytes;
}

void check(const IcmpQuote& quote, const Packet& error) {
  SLUICE_CHECK(quote.l3 == error.headers.payload && quote.l3 < quote.l4);
  SLUICE_CHECK(quote.l4 <= quote.end && quote.end <= error.headers.end);
  SLUICE_CHECK(!quote.has_key || quote.l4 + 8u <= quote.end);
  SLUICE_CHECK(quote.key.src.is_v4() == (error.headers.family == 4));
  SLUICE_CHECK(quote.key.dst.is_v4() == (error.headers.family == 4));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kSeed = 8;
  if (size < kSeed + test::HostilePacket::kPrefix) return 0;
  test::HostilePacket hostile(data + kSeed, size - kSeed);
  Packet& packet = hostile.packet();
  parse(packet);
  if (packet.verdict == Verdict::drop || !is_icmp_error(packet)) return 0;
  IcmpQuote quote;
  if (!parse_icmp_quote(packet, quote)) return 0;
  check(quote, packet);
  const std::vector<uint8_t> original = quoted(quote, packet);
  Random random(load_be64(data));
  IcmpRewrite rewrite = random_rewrite(random, packet.headers.family == 4);
  apply(rewrite, quote, packet);
  SLUICE_CHECK(l4_checksum_is_right(packet));
  rewrite.quoted = quote.key;
  rewrite.added = negated(rewrite.added);
  apply(rewrite, quote, packet);
  SLUICE_CHECK(quoted(quote, packet) == original);
  return 0;
}
