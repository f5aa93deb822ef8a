#pragma once

#include <cstdint>

#include "rewrite/earlier_numbers.h"
#include "rewrite/tcp_offsets.h"
#include "timer/timer_wheel.h"

namespace sluice {

// Where a flow of TCP went from earlier offsets to those that it has, in the client's numbers of
// before. Valid while its legs have LegFlags::kSwitched.
struct OffsetSwitch {
  // So long the earlier ones are kept behind the last acknowledgement that asks for them: for what
  // was sent again in vain and has been overtaken.
  static constexpr Tick kOvertaken = 2000;

  // Nothing of before is under way behind so many bytes, however fast they were.
  static constexpr int32_t kFarPast = 1 << 30;

  Seq client_from, server_from;  // the first byte of each that has the present offsets
  // Of the client's packets: what the earlier offsets add beyond the present ones, to the numbers
  // of its own bytes and of the server's. Each is forgotten by itself: kept on, it would come
  // round.
  uint32_t seq, ack;
  // When the bytes of each were first seen to be acknowledged beyond that; 0: not yet.
  Tick client_past, server_past;

  // Numbers that the client is to get bytes by which the server does not send.
  uint32_t gap_to_client() const { return static_cast<int32_t>(ack) > 0 ? ack : 0; }

  EarlierNumbers of_client() const { return {client_from, server_from, seq, ack}; }
  EarlierNumbers of_server(const TcpOffsets& present) const {
    return {server_from + present.ack + ack, client_from + present.seq + seq, 0 - ack, 0 - seq};
  }
};

}  // namespace sluice
