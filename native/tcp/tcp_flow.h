#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "flow/flow_entry.h"
#include "tcp/connection_state.h"
#include "wire/seq.h"

namespace sluice {

// The small half of a connection's control block: what its flow entry holds beside the signature
// (addresses, L4 ports) while the engine runs TCP for that leg, and all that a TIME-WAIT needs to
// answer (MEM-04, MEM-13). Disjoint from Connection: nothing stands in both (MEM-02).
struct TcpFlow {
  // Agreed in the handshake.
  static constexpr uint8_t kTimestamps = 1;
  static constexpr uint8_t kSack = 2;
  static constexpr uint8_t kWindowScale = 4;
  static constexpr uint8_t kEcn = 8;

  ConnectionState state = ConnectionState::closed;
  uint8_t options = 0;
  uint8_t scales = 0;   // snd_wscale in the low half, rcv_wscale in the high one
  uint8_t tos = 0;      // DSCP of what is sent, in the upper six bits
  uint16_t window = 0;  // as last sent, on the wire
  Seq rcv_nxt;
  Seq snd_nxt;
  uint32_t ts_recent = 0;  // TS.Recent of RFC 7323
  Tick ts_recent_age = 0;  // when it was taken

  bool agreed(uint8_t option) const { return (options & option) != 0; }
  uint8_t snd_wscale() const { return scales & 0x0f; }
  uint8_t rcv_wscale() const { return scales >> 4; }
  void set_scales(uint8_t send, uint8_t receive) {
    scales = static_cast<uint8_t>(send | receive << 4);
  }
};
static_assert(sizeof(TcpFlow) == sizeof(TcpWords) && std::is_trivially_copyable_v<TcpFlow>,
              "the flow entry of a terminated leg is one cache line");

inline TcpFlow& tcp_flow_in(TcpWords& words) {
  return *std::launder(reinterpret_cast<TcpFlow*>(words.data()));
}
inline const TcpFlow& tcp_flow_in(const TcpWords& words) {
  return *std::launder(reinterpret_cast<const TcpFlow*>(words.data()));
}

// That of a leg of a proxied pair. Ownership: the leg's; a Connection refers to it.
inline TcpFlow& tcp_flow_of(FlowEntry& leg) { return tcp_flow_in(leg.own.tcp); }
inline const TcpFlow& tcp_flow_of(const FlowEntry& leg) { return tcp_flow_in(leg.own.tcp); }

}  // namespace sluice
