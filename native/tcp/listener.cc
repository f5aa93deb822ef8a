#include "tcp/listener.h"

#include <algorithm>

#include "tcp/life.h"
#include "tcp/window.h"

namespace sluice {

namespace {

// RFC 3168 6.1.1: a SYN with both bits asks.
bool asks_for_ecn(const TcpSegment& syn) {
  return (syn.flags & (kTcpEce | kTcpCwr)) == (kTcpEce | kTcpCwr);
}

// Of those that a SYN tells of, what we want, too.
uint8_t agreed_options(const TcpConfig& config, const TcpSegment& syn, uint8_t allowed) {
  uint8_t wanted = config.offer;
  if (config.ecn != EcnMode::refuse && asks_for_ecn(syn)) wanted |= TcpFlow::kEcn;
  return wanted & allowed & options_of(syn);
}

void listen_with(const Listener& listener, const Tcp& tcp, Connection& c) {
  c.passive = true;
  c.told_mss = std::min(c.told_mss, listener.mss);
  c.window_kib = listener.window_kib;
  renew_share(tcp, c);
}

}  // namespace

Connection* syn_arrives(TcpTurn& turn, TcpFlow& flow, LegIndex leg, const FlowKey& key,
                        const TcpPath& path, const TcpSegment& syn, std::optional<Seq> beyond,
                        const Listener& listener) {
  if (!opens_connection(syn)) return nullptr;
  Connection* c = begin_connection(turn, flow, leg, key, path);
  if (c == nullptr) return nullptr;
  listen_with(listener, turn.tcp, *c);
  if (beyond) begin_beyond(turn.tcp, *c, *beyond);
  flow.options = agreed_options(turn.tcp.config, syn, listener.options);
  flow.set_scales(0, turn.tcp.window_scale());
  take_syn(turn, *c, syn);
  flow.state = ConnectionState::syn_received;
  send_syn(turn, *c);
  return c;
}

SegmentHeader answer_with_cookie(const TcpTurn& turn, SynCookies& cookies, const FlowKey& key,
                                 const TcpPath& path, const TcpSegment& syn,
                                 const Listener& listener) {
  const Tcp& tcp = turn.tcp;
  const bool ipv6 = !key.src.is_v4();
  const CookieTerms terms =
      SynCookies::terms_of(syn, agreed_options(tcp.config, syn, listener.options),
                           syn.mss != 0 ? syn.mss : default_mss(ipv6));
  SegmentHeader header;
  header.seq = cookies.make(turn.now, key.reversed(), syn.seq, terms);
  header.ack = syn.seq + 1;
  header.flags = kTcpSyn | kTcpAck;
  header.window = window_without_state(tcp, listener.window_kib);
  header.mss = std::min(own_mss(path.mtu, ipv6), listener.mss);
  if ((terms.options & TcpFlow::kTimestamps) == 0) return header;
  header.has_timestamps = true;
  header.tsval =
      SynCookies::timestamp_with(terms, Tcp::timestamp(tcp.timestamp_offset(key), turn.now));
  header.tsecr = syn.tsval;
  header.sack_permitted = (terms.options & TcpFlow::kSack) != 0;
  if ((terms.options & TcpFlow::kWindowScale) != 0) header.window_scale = tcp.window_scale();
  if ((terms.options & TcpFlow::kEcn) != 0) header.flags |= kTcpEce;
  return header;
}

Connection* cookie_returns(TcpTurn& turn, TcpFlow& flow, LegIndex leg, const FlowKey& key,
                           const TcpPath& path, const TcpSegment& segment, const CookieTerms& terms,
                           const Listener& listener) {
  Connection* c = begin_connection(turn, flow, leg, key, path);
  if (c == nullptr) return nullptr;
  // Where a node has shown less since the SYN-ACK, the client may send more than this says: it is
  // told so by ICMP, as of any path.
  listen_with(listener, turn.tcp, *c);
  turn.tcp.handshakes[c->handshake].iss = segment.ack - 1;
  flow.options = terms.options;
  flow.set_scales(0, turn.tcp.window_scale());
  flow.window = window_without_state(turn.tcp, listener.window_kib);
  // The SYN, as far as it is remembered; this segment's timestamp is the newer one.
  TcpSegment syn = segment;
  syn.seq = segment.seq - 1;
  syn.flags = kTcpSyn;
  syn.mss = terms.mss();
  syn.window_scale = terms.window_scale;
  syn.sack_permitted = (terms.options & TcpFlow::kSack) != 0;
  take_syn(turn, *c, syn);
  flow.state = ConnectionState::syn_received;
  flow.snd_nxt = segment.ack;
  return c;
}

}  // namespace sluice
