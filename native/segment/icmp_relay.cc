#include "segment/icmp_relay.h"

#include "flow/leg_rewrite.h"
#include "packet/l4_checksum.h"
#include "rewrite/icmp_rewrite.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ip_protocol.h"
#include "wire/seq.h"

namespace sluice {

namespace {

constexpr uint16_t kLeastMtu = 552;     // TCPX-66: less is nobody's link, and a forger's gain
constexpr uint16_t kLeastMtuV6 = 1280;  // RFC 8201 4: less is to be discarded

IcmpHeader header_of(const Packet& error) { return IcmpHeader(error.at(error.headers.l4)); }

bool tells_mtu(const Packet& error) {
  const IcmpHeader icmp = header_of(error);
  if (error.headers.family == 6) return icmp.type() == kIcmpv6PacketTooBig;
  return icmp.type() == kIcmpUnreachable && icmp.code() == kIcmpFragmentationNeeded;
}

// RFC 5927 7.2: what does not let the quoted packet pass is less than its length. 0: a router that
// does not know RFC 1191.
bool mtu_is_plausible(const IcmpQuote& quote, const Packet& error) {
  if (error.headers.family == 6) {
    const uint32_t mtu = load_be32(error.at(error.headers.l4 + 4u));
    return mtu >= kLeastMtuV6 && mtu < quote.length;
  }
  return quote.dont_fragment && header_of(error).next_hop_mtu() < quote.length;
}

// The checksum is the rewriter's business.
void raise_mtu(const Packet& error) {
  IcmpHeader icmp = header_of(error);
  const uint16_t mtu = icmp.next_hop_mtu();
  if (error.headers.family == 4 && mtu != 0 && mtu < kLeastMtu) icmp.set_rest(kLeastMtu);
}

// Of an error that quotes TCP.
Seq quoted_seq(const IcmpQuote& quote, const Packet& error) {
  return Seq(load_be32(error.at(quote.l4 + 4u)));
}

}  // namespace

LegIndex IcmpRelay::leg_of(const IcmpQuote& quote) const {
  if (!quote.has_key) return kNoLeg;
  const LegIndex leg = flows_.leg_of_any_dscp(quote.key.reversed());
  if (leg == kNoLeg) return kNoLeg;
  const PairMode mode = flows_.table().pair(pair_of(leg)).mode;
  const bool answers =
      mode == PairMode::translate || mode == PairMode::splice || mode == PairMode::proxied;
  return answers ? leg : kNoLeg;
}

void IcmpRelay::translate(LegIndex leg, const IcmpQuote& quote, Packet& error) const {
  if (!l4_checksum_is_right(error)) return error.drop(DropReason::l4_checksum);
  if (!is_plausible(leg, quote, error)) return error.drop(DropReason::icmp_implausible);
  if (tells_mtu(error)) raise_mtu(error);
  const FlowTable& table = flows_.table();
  IcmpRewrite rewrite;
  // What arrives by this leg answers the quoted packet.
  rewrite.quoted = table.target_of(leg).reversed();
  if (table.leg(leg).flags & (LegFlags::kOffsets | LegFlags::kSwitched)) {
    rewrite.added =
        leg_offsets_of(table, other_leg(flows_.session_leg(leg)), quoted_seq(quote, error));
  }
  rewrite.src = source_of(leg, quote, rewrite.quoted, error);
  rewrite.dst = rewrite.quoted.src;
  apply(rewrite, quote, error);
  error.verdict = Verdict::forward;
}

// RFC 5927 4.1: it quotes what is on its way, if it quotes TCP. It came from a host that the
// packet reached, so it goes to the packet's source.
bool IcmpRelay::is_plausible(LegIndex leg, const IcmpQuote& quote, const Packet& error) const {
  if (!(quote.key.src == error.key.dst)) return false;
  if (tells_mtu(error) && !mtu_is_plausible(quote, error)) return false;
  const FlowTable& table = flows_.table();
  if (table.pair(pair_of(leg)).flags & FlowPair::kHalfFlow) return true;
  const LegIndex sender = other_leg(flows_.session_leg(leg));
  if (table.leg(sender).packets == 0) return false;
  if (quote.key.protocol != kProtocolTcp) return true;
  return is_in_flight(sender, quoted_seq(quote, error));
}

// `seq` as it was on the way from the engine. A packet that was sent again, or that an
// acknowledgement has overtaken, is told of in vain, as it would be to the host itself.
bool IcmpRelay::is_in_flight(LegIndex sender, Seq seq) const {
  constexpr uint32_t kMostUnanswered = 0xffff;  // what a SYN may bring with it
  const FlowTable& table = flows_.table();
  const FlowEntry& from = table.leg(sender);
  const FlowEntry& to = table.leg(other_leg(sender));
  if (!from.tcp.has(LegTcpState::kSeen)) return true;  // the host has to see for itself
  // Both legs are followed in the client's sequence spaces.
  if (is_client_leg(sender) && (from.flags & (LegFlags::kOffsets | LegFlags::kSwitched))) {
    seq = seq - leg_offsets_of(table, sender, seq).seq;
  }
  const uint32_t unanswered =
      to.tcp.has(LegTcpState::kAcked) ? from.seq_end - to.acked : kMostUnanswered;
  return from.seq_end - seq.raw() <= unanswered;
}

// RFC 5508 REQ-5: the node's own error is its virtual server's. One of a router that only the
// node's side knows, since the destination was translated, is ours.
IpAddress IcmpRelay::source_of(LegIndex leg, const IcmpQuote& quote, const FlowKey& sent,
                               const Packet& error) const {
  if (error.key.src == quote.key.dst) return sent.dst;
  if (sent.dst == quote.key.dst) return error.key.src;
  const NextHopView& hop = stack_.next_hop(flows_.table().leg(leg).next_hop);
  const IpAddress* own = stack_.speaker(hop.port, sent.src);
  return own == nullptr ? sent.dst : *own;
}

}  // namespace sluice
