#pragma once

#include <array>
#include <cstdint>

#include "tcp/block_pool.h"
#include "tcp/tcp_flow.h"
#include "wire/seq.h"

namespace sluice {

// Where a pair of connections of the engine's own stands, and who owns what there (design, the one
// idea). pair.cc has the transitions, each by its name, in the order in which a pair meets them.
//
//   stage      who runs TCP            what its packets meet                connection blocks
//   proxied    the engine, both legs   arrives: the bytes go to TypeScript,  one for each leg
//                                      or of a relayed direction into the
//                                      other connection
//   draining   the ends, from the      passes: what we have acknowledged     both, till nothing is
//              boundary on; we repeat  before the boundary is ours, the      in flight, and a
//              what is ours            rest passes, shifted                  Transition
//   spliced    the ends                the pipeline alone: headers shifted;  none
//                                      of a counted pair passes as well
//   returning  we, from the boundary   passes: what is before the boundary   both, muted, and a
//              on; before it the ends  passes, the rest is kept by us        Transition
//   over       the ends                the pipeline: what is repeated of a   none
//                                      spliced pair that has ended
//
//   proxied   -> proxied    begin_relay, unrelay, leave_relay: each direction by itself
//             -> draining   try_splice asks whether, begin_splice
//   draining  -> spliced    finish_splice
//   spliced   -> returning  begin_return: ordered (come_back), at the end of a count (settles), or
//                           when there is room for what waited for it (take_back_waiting)
//   returning -> proxied    finish_return
//   each that is spliced -> over   end_spliced
enum class PairStage : uint8_t { proxied, draining, spliced, returning, over };

inline bool is_spliced(PairStage stage) {
  return stage != PairStage::proxied && stage != PairStage::over;
}

// Of a pair whose connections go or come back, the client's first: their flows, as the flow entries
// are those of a translated pair by now or still, and where what we have not acknowledged begins.
struct Transition {
  std::array<TcpFlow, 2> flow;
  std::array<Seq, 2> start;
  std::array<uint32_t, 2> clock;  // of what goes: the last timestamp that we had from it
  bool back = false;
};
using TransitionPool = BlockPool<Transition>;

// The sockets of a spliced pair, the client's first.
struct PairSockets {
  std::array<uint32_t, 2> places;
  TransitionPool::Handle transition;  // kNone: there is none
  // In the list of those that wait to come back, which outlives the pair: the one behind it, as
  // index + 1, or of the last itself; 0 of who is not there.
  uint32_t next_waiting;
};

}  // namespace sluice
