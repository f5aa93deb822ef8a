#include "tcp/syn_cookie.h"

#include <cstring>

namespace sluice {

namespace {

// The least, which no peer gets below; what IPv4 and IPv6 take without an option; tunnels; Ethernet
// by IPv6 and by IPv4; jumbo frames. One that stands between two of them counts as the lower.
constexpr std::array<uint16_t, 8> kMss{64, 536, 1220, 1360, 1400, 1440, 1460, 8940};

// Of the sequence number.
constexpr uint32_t kMssBits = 0x7;
constexpr uint32_t kSlotBit = 0x8;
constexpr uint32_t kHashBits = ~(kMssBits | kSlotBit);

// Of the timestamp.
constexpr uint32_t kScaleBits = 0xf;  // kNoWindowScale: none
constexpr uint32_t kSackBit = 0x10;
constexpr uint32_t kEcnBit = 0x20;
constexpr uint32_t kTermBits = 0x3f;

uint8_t mss_index(uint16_t mss) {
  uint8_t index = kMss.size() - 1;
  while (index > 0 && kMss[index] > mss) --index;
  return index;
}

uint32_t term_bits(const CookieTerms& terms) {
  return terms.window_scale | ((terms.options & TcpFlow::kSack) != 0 ? kSackBit : 0) |
         ((terms.options & TcpFlow::kEcn) != 0 ? kEcnBit : 0);
}

// What an echoed timestamp says.
CookieTerms read_terms(Seq cookie, const TcpSegment& segment) {
  CookieTerms terms;
  terms.mss_index = static_cast<uint8_t>(cookie.raw() & kMssBits);
  if (!segment.has_timestamps) return terms;
  terms.options = TcpFlow::kTimestamps;
  terms.window_scale = static_cast<uint8_t>(segment.tsecr & kScaleBits);
  if (terms.window_scale != kNoWindowScale) terms.options |= TcpFlow::kWindowScale;
  if ((segment.tsecr & kSackBit) != 0) terms.options |= TcpFlow::kSack;
  if ((segment.tsecr & kEcnBit) != 0) terms.options |= TcpFlow::kEcn;
  return terms;
}

}  // namespace

uint16_t CookieTerms::mss() const { return kMss[mss_index]; }

CookieTerms SynCookies::terms_of(const TcpSegment& syn, uint8_t options, uint16_t mss) {
  CookieTerms terms;
  terms.mss_index = sluice::mss_index(mss);
  if ((options & TcpFlow::kTimestamps) == 0) return terms;
  terms.options = options;
  if ((options & TcpFlow::kWindowScale) != 0) terms.window_scale = syn.window_scale;
  return terms;
}

uint32_t SynCookies::timestamp_with(const CookieTerms& terms, uint32_t timestamp) {
  const uint32_t bits = term_bits(terms);
  const uint32_t back = (timestamp & kTermBits) < bits ? kTermBits + 1 : 0;
  return ((timestamp & ~kTermBits) | bits) - back;
}

Seq SynCookies::make(Instant now, const FlowKey& key, Seq irs, const CookieTerms& terms) {
  last_made_in_ = slot_of(now);
  any_made_ = true;
  return cookie(last_made_in_, key, irs, terms);
}

std::optional<CookieTerms> SynCookies::find(Instant now, const FlowKey& key,
                                            const TcpSegment& segment) {
  if (!looked_for(now)) return std::nullopt;
  const Seq acknowledged = segment.ack - 1;
  const CookieTerms terms = read_terms(acknowledged, segment);
  // Its bit tells this slot from the last.
  uint32_t slot = slot_of(now);
  if (((acknowledged.raw() & kSlotBit) != 0) != ((slot & 1) != 0)) --slot;
  if (cookie(slot, key, segment.seq - 1, terms) != acknowledged) return std::nullopt;
  return terms;
}

const SipKey& SynCookies::key_of(uint32_t slot) {
  SlotKey& key = keys_[slot & 1];
  if (!key.known || key.slot != slot) {
    std::array<uint8_t, 5> message{};
    store_be32(message.data(), slot);
    key = {slot, true, {}};
    key.key.first = siphash(secret_, message);
    message[4] = 1;
    key.key.second = siphash(secret_, message);
  }
  return key.key;
}

Seq SynCookies::cookie(uint32_t slot, const FlowKey& key, Seq irs, const CookieTerms& terms) {
  std::array<uint8_t, 43> message;
  std::memcpy(message.data(), key.src.bytes.data(), 16);
  std::memcpy(message.data() + 16, key.dst.bytes.data(), 16);
  store_be16(message.data() + 32, key.src_port);
  store_be16(message.data() + 34, key.dst_port);
  store_be32(message.data() + 36, irs.raw());
  message[40] = terms.mss_index;
  message[41] = terms.options;
  message[42] = terms.window_scale;
  const auto hash = static_cast<uint32_t>(siphash(key_of(slot), message));
  return Seq((hash & kHashBits) | ((slot & 1) != 0 ? kSlotBit : 0) | terms.mss_index);
}

}  // namespace sluice
