// tcp/: user-level TCP. One Connection is one end of one connection: segments, calls of its user
// and timers in; segments, deadlines and events out. Knows header formats and its own half of the
// flow entry; not where segments come from or go to, nor who reads the bytes. Allocates nothing
// after construction, reads no clock, draws no entropy (docs/tcp.md says what is implemented).
#pragma once

#include <cstdint>

namespace sluice {

// RFC 9293 3.3.2. What may be used in each:
//   closed        nothing
//   syn_sent, syn_received                          the handshake block; no bytes move yet
//   established, close_wait                         both directions
//   fin_wait_1, fin_wait_2                          receiving; what was sent may be acknowledged
//   closing, last_ack                               only acknowledgements are awaited
//   time_wait     the TcpFlow alone; the connection block may live on for bytes not yet read
enum class ConnectionState : uint8_t {
  closed,
  syn_sent,
  syn_received,
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
  time_wait,
};

// Both sides know each other's sequence numbers.
constexpr bool is_synchronized(ConnectionState state) {
  return state >= ConnectionState::established;
}
// The user may still send.
constexpr bool may_send(ConnectionState state) {
  return state == ConnectionState::established || state == ConnectionState::close_wait;
}
// The peer's FIN has not come.
constexpr bool may_receive(ConnectionState state) {
  return state == ConnectionState::established || state == ConnectionState::fin_wait_1 ||
         state == ConnectionState::fin_wait_2;
}

}  // namespace sluice
