#include "tcp/window.h"

#include <algorithm>

#include "tcp/segment_header.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace sluice {

namespace {

// Room in the receive buffer, out-of-order bytes counted. Who has sent little is not offered much:
// the window stays ahead of any slow start, and an offer that nobody uses is in no splice's way.
uint32_t receive_room(const Tcp& tcp, const Connection& c) {
  const uint32_t used = c.receive_queue.size +
                        (c.reassembly.empty() ? 0 : bytes_out_of_order(c.reassembly, tcp.runs));
  const uint32_t first = tcp.config.first_window;
  const uint32_t known = std::max(first, 4 * c.taken);
  // What cannot be told is no news: an ACK that says the same would be a duplicate.
  const uint32_t told = 65535U << c.flow->rcv_wscale();
  const uint32_t most = std::min(told, first == 0 ? c.share : std::min(c.share, known));
  return most > used ? most - used : 0;
}

// Where the right edge would be if all room were offered.
Seq furthest_edge(const Tcp& tcp, const Connection& c) {
  if (c.frozen) return c.rcv_adv;
  return c.flow->rcv_nxt + receive_room(tcp, c);
}

// RFC 9293 3.8.6.2.2: a step that is worth an advertisement.
int32_t worthwhile(const Connection& c) {
  return static_cast<int32_t>(std::min<uint32_t>(c.share / 2, c.rcv_mss));
}

}  // namespace

void renew_share(const Tcp& tcp, Connection& c) {
  c.share = tcp.share();
  if (c.window_kib != 0) c.share = std::min(c.share, uint32_t{c.window_kib} * 1024);
}

uint16_t advertise(const Tcp& tcp, Connection& c, bool syn) {
  const Seq furthest = furthest_edge(tcp, c);
  const Seq edge = furthest - c.rcv_adv >= worthwhile(c) ? furthest : c.rcv_adv;
  const auto window = static_cast<uint32_t>(std::max(edge - c.flow->rcv_nxt, 0));
  const uint8_t scale = syn ? 0 : c.flow->rcv_wscale();
  uint32_t field = window >> scale;
  // No more than there is room for, unless that took back what was offered (RFC 9293 3.8.6).
  if (c.flow->rcv_nxt + (field << scale) < c.rcv_adv) ++field;
  field = std::min<uint32_t>(field, 65535);
  c.rcv_adv = std::max(c.rcv_adv, c.flow->rcv_nxt + (field << scale));
  c.flow->window = static_cast<uint16_t>(field);
  return c.flow->window;
}

// As much again as the peer has, or all that is worth a step: fewer would be an ACK for each read.
bool window_update_is_due(const Tcp& tcp, const Connection& c) {
  const int32_t more = furthest_edge(tcp, c) - c.rcv_adv;
  return more >= worthwhile(c) && more > 0 && static_cast<uint32_t>(more) >= c.rcv_wnd();
}

uint16_t window_without_state(const Tcp& tcp, uint8_t window_kib) {
  uint32_t least = tcp.config.windows_for > 0 ? tcp.share() : tcp.config.least_share;
  if (window_kib != 0) least = std::min(least, uint32_t{window_kib} * 1024);
  return static_cast<uint16_t>(std::min<uint32_t>(least, 65535));
}

uint16_t own_mss(uint16_t mtu, bool ipv6) {
  const size_t headers = (ipv6 ? Ipv6Header::kSize : Ipv4Header::kSize) + TcpHeader::kSize;
  return static_cast<uint16_t>(mtu - headers);
}

uint16_t payload_of(const Connection& c, uint16_t peer_mss) {
  constexpr uint16_t kLeast = 64;  // what a peer may make of us by offering next to nothing
  const uint16_t options = c.flow->agreed(TcpFlow::kTimestamps) ? kTimestampsSize : 0;
  const uint16_t mss = std::max(std::min(own_mss(c), peer_mss), kLeast);
  return static_cast<uint16_t>(mss - options);
}

}  // namespace sluice
