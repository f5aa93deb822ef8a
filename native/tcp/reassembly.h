#pragma once

#include <array>
#include <cstdint>

#include "tcp/block_pool.h"
#include "tcp/buffer_pool.h"
#include "tcp/tcp_segment.h"

namespace sluice {

// A run of bytes that came before what is missing in front of it.
struct ReceivedRun {
  Seq start;
  ByteQueue bytes;
  uint32_t next = 0;
  uint32_t touched = 0;  // when bytes came to it, in a count of such events

  Seq end() const { return start + bytes.size; }
};
using RunPool = BlockPool<ReceivedRun>;

// The bytes of one connection that came out of order: runs that neither overlap nor touch. Bounded
// in number, and in memory by its caller; what was received first stays (TCPX-42). Twelve bytes
// while there is no gap; runs go back to their pool when it closes (MEM-16).
struct Reassembly {
  static constexpr uint32_t kMostRuns = 128;

  RunPool::Handle first = RunPool::kNone;
  uint32_t runs = 0;
  uint32_t touches = 0;

  bool empty() const { return first == RunPool::kNone; }
};

// Keeps of `bytes`, which begin at `seq`, what is not there yet. False where there was no room for
// all of it.
bool keep_out_of_order(Reassembly& reassembly, RunPool& runs, BufferPool& buffers, Seq seq,
                       ConstByteSpan bytes);
// Moves what joins the stream at `rcv_nxt` to the end of `to`, and returns how many bytes.
uint32_t take_in_order(Reassembly& reassembly, RunPool& runs, BufferPool& buffers, Seq rcv_nxt,
                       ByteQueue& to);
// The runs to tell of, the one that was touched last first (RFC 2018 4). Returns how many.
size_t newest_runs(const Reassembly& reassembly, const RunPool& runs, size_t most,
                   std::array<SackBlock, kMostSackBlocks>& blocks);
// Memory that the runs take, in chunks at most.
uint32_t bytes_out_of_order(const Reassembly& reassembly, const RunPool& runs);
// Where all of a range lies in one run, that run; else an empty block.
SackBlock run_around(const Reassembly& reassembly, const RunPool& runs, Seq start, Seq end);
void forget_runs(Reassembly& reassembly, RunPool& runs, BufferPool& buffers);

}  // namespace sluice
