#pragma once

#include "packet/packet.h"
#include "wire/seq.h"

namespace sluice {

// What the packets of one leg have of offsets that were in force before the present ones, which
// begin at a byte of each direction: what stands before it keeps the number that it had, whoever
// sends or acknowledges it again (TCPX-23). Both are in the numbers that arrive.
//
// Each number has one image, by where it stands itself: sequence number, acknowledgement and each
// edge of SACK. So a segment with new bytes and an old acknowledgement acknowledges what was sent
// (TCPX-24).
struct EarlierNumbers {
  Seq seq_from;  // the sender's first byte that has the present offsets
  Seq ack_from;  // what acknowledges up to here is about bytes of before
  // What the earlier offsets add beyond the present ones.
  uint32_t seq = 0;
  uint32_t ack = 0;

  uint32_t of_seq(Seq number) const { return number < seq_from ? seq : 0; }
  // Between the two lie numbers of bytes that the sender of the others knows nothing of.
  uint32_t of_ack(Seq number) const {
    if (number <= ack_from) return ack;
    const int32_t before = ack_from + ack - number;
    return before > 0 ? static_cast<uint32_t>(before) : 0;
  }
  // What gives numbers back that these have made of them.
  EarlierNumbers undone() const { return {seq_from + seq, ack_from + ack, 0 - seq, 0 - ack}; }
};

// Renumbers a packet of TCP such that the present offsets make of it what it is to be.
void renumber(const EarlierNumbers& earlier, Packet& packet);

// The same for what arrives. A segment with bytes of both sides is cut between them: the two parts
// are not neighbours any more, and its sender repeats the rest. One with a wrong checksum keeps it,
// and all its bytes.
void carry_over(const EarlierNumbers& earlier, Packet& packet);

// Whether a fragment has bytes behind the switch, of a segment that begins before it. Such a
// segment cannot be cut, since its checksum covers what is in others; without this fragment nobody
// gets anything of it, and without any of those it has nothing behind the switch.
bool reaches_across(const EarlierNumbers& earlier, const Packet& fragment);

}  // namespace sluice
