#include "tcp/reassembly.h"

#include <algorithm>

namespace sluice {

namespace {

// A run of its own between `previous` (or the beginning) and what follows it.
bool insert_run(Reassembly& reassembly, RunPool& runs, BufferPool& buffers,
                RunPool::Handle previous, Seq seq, ConstByteSpan bytes) {
  if (reassembly.runs == Reassembly::kMostRuns) return false;
  RunPool::Handle handle = runs.take();
  if (handle == RunPool::kNone) return false;
  ReceivedRun& run = runs[handle];
  run.start = seq;
  run.touched = ++reassembly.touches;
  if (buffers.append(run.bytes, bytes) == 0) {
    runs.give_back(handle);
    return false;
  }
  uint32_t& link = previous == RunPool::kNone ? reassembly.first : runs[previous].next;
  run.next = link;
  link = handle;
  ++reassembly.runs;
  return run.bytes.size == bytes.size();
}

// Joins a run with the one behind it where they touch.
void join_next(Reassembly& reassembly, RunPool& runs, BufferPool& buffers, ReceivedRun& run) {
  if (run.next == RunPool::kNone || runs[run.next].start != run.end()) return;
  RunPool::Handle handle = run.next;
  ReceivedRun& next = runs[handle];
  const uint32_t all = next.bytes.size;
  if (buffers.move(next.bytes, run.bytes, all) != all) return;
  run.next = next.next;
  runs.give_back(handle);
  --reassembly.runs;
}

}  // namespace

bool keep_out_of_order(Reassembly& reassembly, RunPool& runs, BufferPool& buffers, Seq seq,
                       ConstByteSpan bytes) {
  RunPool::Handle previous = RunPool::kNone;
  RunPool::Handle next = reassembly.first;
  while (!bytes.empty()) {
    while (next != RunPool::kNone && runs[next].start <= seq) {
      previous = next;
      next = runs[next].next;
    }
    if (previous != RunPool::kNone && runs[previous].end() > seq) {
      const auto known = static_cast<size_t>(runs[previous].end() - seq);
      runs[previous].touched = ++reassembly.touches;
      if (known >= bytes.size()) return true;
      bytes = bytes.subspan(known);
      seq += static_cast<uint32_t>(known);
      continue;
    }
    size_t room = bytes.size();
    if (next != RunPool::kNone) {
      room = std::min<size_t>(room, static_cast<size_t>(runs[next].start - seq));
    }
    const ConstByteSpan part = bytes.first(room);
    if (previous != RunPool::kNone && runs[previous].end() == seq) {
      ReceivedRun& run = runs[previous];
      run.touched = ++reassembly.touches;
      if (buffers.append(run.bytes, part) != part.size()) return false;
      join_next(reassembly, runs, buffers, run);
    } else {
      if (!insert_run(reassembly, runs, buffers, previous, seq, part)) return false;
      previous = previous == RunPool::kNone ? reassembly.first : runs[previous].next;
      join_next(reassembly, runs, buffers, runs[previous]);
    }
    next = runs[previous].next;
    bytes = bytes.subspan(room);
    seq += static_cast<uint32_t>(room);
  }
  return true;
}

uint32_t take_in_order(Reassembly& reassembly, RunPool& runs, BufferPool& buffers, Seq rcv_nxt,
                       ByteQueue& to) {
  uint32_t taken = 0;
  while (!reassembly.empty() && runs[reassembly.first].start <= rcv_nxt + taken) {
    ReceivedRun& run = runs[reassembly.first];
    const auto known = static_cast<uint32_t>(rcv_nxt + taken - run.start);
    const uint32_t dropped = std::min(known, run.bytes.size);
    buffers.drop_front(run.bytes, dropped);
    run.start += dropped;
    const uint32_t moved = buffers.move(run.bytes, to, run.bytes.size);
    taken += moved;
    run.start += moved;
    if (!run.bytes.empty()) break;
    RunPool::Handle done = reassembly.first;
    reassembly.first = run.next;
    runs.give_back(done);
    --reassembly.runs;
  }
  return taken;
}

size_t newest_runs(const Reassembly& reassembly, const RunPool& runs, size_t most,
                   std::array<SackBlock, kMostSackBlocks>& blocks) {
  std::array<uint32_t, kMostSackBlocks> ages{};
  size_t count = 0;
  for (auto handle = reassembly.first; handle != RunPool::kNone; handle = runs[handle].next) {
    const ReceivedRun& run = runs[handle];
    const uint32_t age = reassembly.touches - run.touched;
    size_t place = 0;
    while (place < count && ages[place] < age) ++place;
    if (place >= most) continue;
    if (count < most) ++count;
    for (size_t i = count - 1; i > place; --i) {
      ages[i] = ages[i - 1];
      blocks[i] = blocks[i - 1];
    }
    ages[place] = age;
    blocks[place] = {run.start, run.end()};
  }
  return count;
}

uint32_t bytes_out_of_order(const Reassembly& reassembly, const RunPool& runs) {
  uint32_t bytes = 0;
  for (auto handle = reassembly.first; handle != RunPool::kNone; handle = runs[handle].next) {
    bytes += (runs[handle].bytes.size + BufferPool::kChunk - 1) / BufferPool::kChunk *
             BufferPool::kChunk;
  }
  return bytes;
}

SackBlock run_around(const Reassembly& reassembly, const RunPool& runs, Seq start, Seq end) {
  for (auto handle = reassembly.first; handle != RunPool::kNone; handle = runs[handle].next) {
    const ReceivedRun& run = runs[handle];
    if (run.start <= start && run.end() >= end) return {run.start, run.end()};
  }
  return {};
}

void forget_runs(Reassembly& reassembly, RunPool& runs, BufferPool& buffers) {
  while (!reassembly.empty()) {
    RunPool::Handle handle = reassembly.first;
    reassembly.first = runs[handle].next;
    buffers.clear(runs[handle].bytes);
    runs.give_back(handle);
  }
  reassembly.runs = 0;
}

}  // namespace sluice
