// The part of Connections for handshakes of which nothing is kept (TCPX-01): SYNs answered by
// cookies, and the segments that come back with one.

#include "segment/connections.h"
#include "segment/whole_packet.h"
#include "tcp/input.h"
#include "tcp/listener.h"

namespace sluice {

namespace {

// Sends for one that has neither flow nor next hop, to where the packet came from: a flood of SYNs
// makes nobody ask for the neighbours that it claims to be.
class ReturnSink final : public SegmentSink {
 public:
  ReturnSink(const Packet& arrived, const Link& link, SegmentFrames& frames)
      : arrived_(arrived), link_(link), frames_(frames) {}

  void send(LegIndex, const OutgoingSegment& segment) override {
    frames_.send_back(arrived_, link_, segment);
  }

 private:
  const Packet& arrived_;
  const Link& link_;
  SegmentFrames& frames_;
};

}  // namespace

bool Connections::wants_cookie(Instant now) {
  switch (options_.syn_cookies) {
    case SynCookiePolicy::never: return false;
    case SynCookiePolicy::always: return true;
    case SynCookiePolicy::automatic: return half_open_.is_flood(now);
  }
  return false;
}

void Connections::answer_with_cookie(Instant now, Packet& packet, const VirtualServer& server) {
  if (!has_block()) return packet.drop(DropReason::connections_full);
  const Link& link = stack_.link(packet.in_port);
  TcpTurn turn = at(now);
  const SegmentHeader header = sluice::answer_with_cookie(
      turn, cookies_, packet.key.reversed(), {link.mtu}, read_segment(packet), listener_of(server));
  ReturnSink sink(packet, link, frames_);
  send_alone(sink, kNoLeg, header, 0);
  counters_.raise(Counter::syn_cookies_sent);
  packet.verdict = Verdict::deliver;
}

bool Connections::cookie_arrives(Instant now, Packet& packet, const VirtualServer& server) {
  if (!cookies_.looked_for(now)) return false;
  const TcpSegment segment = read_segment(packet);
  const std::optional<CookieTerms> terms = cookies_.find(now, packet.key, segment);
  if (!terms) {
    counters_.raise(Counter::syn_cookies_refused);
    return false;
  }
  if (!is_whole(packet)) return true;
  uint32_t place;
  const LegIndex leg = open_client(now, packet, server.id, place);
  if (leg == kNoLeg) return true;
  TcpTurn turn = at(now);
  Connection* c = cookie_returns(turn, tcp_flow_of(flows_.own_leg(leg)), leg, packet.key.reversed(),
                                 path_of(leg), segment, *terms, listener_of(server));
  if (!adopt_client(now, packet, server, {c, leg, place, segment.seq - 1})) return true;
  counters_.raise(Counter::syn_cookies_accepted);
  after(turn, place, segment_arrives(turn, *c, segment));
  return true;
}

}  // namespace sluice
