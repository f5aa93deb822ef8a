#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/instant.h"
#include "base/siphash.h"
#include "packet/flow_key.h"
#include "tcp/tcp_flow.h"
#include "tcp/tcp_segment.h"

namespace sluice {

// What is remembered of a client's SYN without keeping anything.
struct CookieTerms {
  uint8_t mss_index = 0;
  uint8_t options = 0;  // those of TcpFlow that are agreed
  uint8_t window_scale = kNoWindowScale;

  uint16_t mss() const;
  bool operator==(const CookieTerms&) const = default;
};

// SYN cookies (RFC 4987 3.6, TCPX-01): our initial sequence number says, to us alone, that a SYN
// came from this endpoint a moment ago, and what it offered. 28 bits of it are a keyed hash; of the
// others one tells the slot of time and three the MSS. Options are in the low bits of the TSval
// that the client echoes (TCPX-02), and under the hash, too.
class SynCookies {
 public:
  // A cookie is good until the slot behind its own is over: 64 to 128 seconds.
  static constexpr Duration kSlot = Duration::seconds(64);

  // Each slot has a key of its own, made of the secret; two of them are known at a time.
  explicit SynCookies(const SipKey& secret) : secret_(secret) {}

  // What to remember of a SYN: `options` are those that both want, and `mss` what it told. Without
  // timestamps there is no room for options.
  static CookieTerms terms_of(const TcpSegment& syn, uint8_t options, uint16_t mss);
  // The TSval that tells the terms: not later than `timestamp`, and by less than 64 ms earlier. For
  // the same terms it never goes back.
  static uint32_t timestamp_with(const CookieTerms& terms, uint32_t timestamp);

  // The sequence number for a SYN-ACK. `key` is that of what the client sends, `irs` its own first
  // number.
  Seq make(Instant now, const FlowKey& key, Seq irs, const CookieTerms& terms);
  // Whether any was made within this slot or the last: else none is looked for.
  bool looked_for(Instant now) const { return any_made_ && slot_of(now) - last_made_in_ <= 1; }
  // The terms of the handshake that a segment completes, be it the ACK or, where that was lost,
  // the first data. Nothing, if its acknowledgement is of no cookie of this slot or the last.
  std::optional<CookieTerms> find(Instant now, const FlowKey& key, const TcpSegment& segment);

 private:
  struct SlotKey {
    uint32_t slot = 0;
    bool known = false;
    SipKey key;
  };

  static uint32_t slot_of(Instant now) {
    return static_cast<uint32_t>(now.nanoseconds() / kSlot.nanoseconds());
  }
  const SipKey& key_of(uint32_t slot);
  Seq cookie(uint32_t slot, const FlowKey& key, Seq irs, const CookieTerms& terms);

  SipKey secret_;
  std::array<SlotKey, 2> keys_;
  uint32_t last_made_in_ = 0;
  bool any_made_ = false;
};

}  // namespace sluice
