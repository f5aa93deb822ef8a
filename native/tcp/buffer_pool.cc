#include "tcp/buffer_pool.h"

#include <algorithm>
#include <cstring>

namespace sluice {

// Two slices for each chunk: cutting a chunk between two queues is the exception.
BufferPool::BufferPool(uint32_t chunks, uint32_t reserved)
    : bytes_(size_t{chunks} * kChunk),
      chunk_state_(chunks),
      slices_(size_t{chunks} * 2),
      reserved_(reserved) {}

uint32_t BufferPool::take_slice() {
  uint32_t index = free_slice_;
  if (index != 0) {
    free_slice_ = slice(index).next;
  } else if (fresh_slices_ < slices_.size()) {
    index = ++fresh_slices_;
  }
  if (index != 0) ++slices_in_use_;
  return index;
}

uint32_t BufferPool::take_chunk(uint32_t leave) {
  if (free_chunks() <= leave) return 0;
  uint32_t index = free_chunk_;
  if (index != 0) {
    free_chunk_ = chunk(index).next_free;
  } else {
    index = ++fresh_chunks_;
  }
  chunk(index) = {0, 1, 0};
  ++chunks_in_use_;
  return index;
}

void BufferPool::free_slice(uint32_t index) {
  Slice& freed = slice(index);
  Chunk& holder = chunk(freed.chunk);
  if (--holder.slices == 0) {
    holder.next_free = free_chunk_;
    free_chunk_ = freed.chunk;
    --chunks_in_use_;
  }
  freed.next = free_slice_;
  free_slice_ = index;
  --slices_in_use_;
}

void BufferPool::link(ByteQueue& queue, uint32_t index) {
  slice(index).next = 0;
  (queue.tail == 0 ? queue.head : slice(queue.tail).next) = index;
  queue.tail = index;
}

// What the last slice can take: bytes of its chunk that no other slice has.
uint32_t BufferPool::fill_tail(ByteQueue& queue, ConstByteSpan bytes) {
  if (queue.tail == 0) return 0;
  Slice& tail = slice(queue.tail);
  Chunk& holder = chunk(tail.chunk);
  if (holder.filled != tail.end) return 0;
  const auto count = static_cast<uint32_t>(std::min<size_t>(kChunk - tail.end, bytes.size()));
  std::memcpy(at(tail.chunk) + tail.end, bytes.data(), count);
  tail.end = static_cast<uint16_t>(tail.end + count);
  holder.filled = tail.end;
  queue.size += count;
  return count;
}

uint32_t BufferPool::append(ByteQueue& queue, ConstByteSpan bytes, uint32_t leave) {
  uint32_t done = bytes.empty() ? 0 : fill_tail(queue, bytes);
  while (done < bytes.size()) {
    const uint32_t chunk_index = take_chunk(leave);
    if (chunk_index == 0) break;
    const uint32_t index = take_slice();
    slice(index) = {0, chunk_index, 0, 0};
    link(queue, index);
    done += fill_tail(queue, bytes.subspan(done));
  }
  return done;
}

void BufferPool::drop_front(ByteQueue& queue, uint32_t count) {
  queue.size -= count;
  while (count > 0) {
    const uint32_t index = queue.head;
    Slice& front = slice(index);
    const uint32_t part = std::min(count, size_of(front));
    front.begin = static_cast<uint16_t>(front.begin + part);
    count -= part;
    if (front.begin < front.end) break;
    queue.head = front.next;
    if (queue.head == 0) queue.tail = 0;
    free_slice(index);
  }
}

// Cuts a slice in two, the first of `count` bytes.
bool BufferPool::split(uint32_t index, uint32_t count) {
  if (slices_.size() - slices_in_use_ <= free_chunks()) return false;
  const uint32_t rest = take_slice();
  Slice& first = slice(index);
  slice(rest) = first;
  slice(rest).begin = first.end = static_cast<uint16_t>(first.begin + count);
  first.next = rest;
  ++chunk(first.chunk).slices;
  return true;
}

// Whether the first bytes of one queue lie right behind the last of the other.
bool BufferPool::continues(const ByteQueue& from, const ByteQueue& to) const {
  if (to.tail == 0) return false;
  const Slice& last = slice(to.tail);
  const Slice& first = slice(from.head);
  return last.chunk == first.chunk && last.end == first.begin;
}

// What goes on where the last move ended takes no slice of its own: whoever acknowledges byte by
// byte would use them up.
uint32_t BufferPool::move(ByteQueue& from, ByteQueue& to, uint32_t count) {
  uint32_t moved = 0;
  while (moved < count) {
    const uint32_t index = from.head;
    const uint32_t wanted = count - moved;
    if (continues(from, to)) {
      const uint32_t part = std::min(size_of(slice(index)), wanted);
      slice(to.tail).end = static_cast<uint16_t>(slice(to.tail).end + part);
      to.size += part;
      moved += part;
      drop_front(from, part);
      continue;
    }
    if (size_of(slice(index)) > wanted) {
      if (!split(index, wanted)) break;
      if (from.tail == index) from.tail = slice(index).next;
    }
    const uint32_t part = size_of(slice(index));
    from.head = slice(index).next;
    if (from.head == 0) from.tail = 0;
    from.size -= part;
    link(to, index);
    to.size += part;
    moved += part;
  }
  return moved;
}

BufferCursor BufferPool::find(const ByteQueue& queue, BufferCursor from, uint32_t offset) const {
  if (from.slice == 0 || from.offset > offset) from = {queue.head, 0};
  while (offset - from.offset >= size_of(slice(from.slice))) {
    from.offset += size_of(slice(from.slice));
    from.slice = slice(from.slice).next;
  }
  return from;
}

size_t BufferPool::locate(const ByteQueue& queue, BufferCursor& cursor, uint32_t offset,
                          uint32_t length, std::span<ConstByteSpan, kMostSpans> pieces) const {
  size_t count = 0;
  if (length == 0) return count;
  cursor = find(queue, cursor, offset);
  uint32_t skip = offset - cursor.offset;
  for (uint32_t index = cursor.slice; length > 0 && count < kMostSpans; skip = 0) {
    const Slice& piece = slice(index);
    const uint32_t part = std::min(size_of(piece) - skip, length);
    pieces[count++] = {at(piece.chunk) + piece.begin + skip, part};
    length -= part;
    index = piece.next;
  }
  return count;
}

uint32_t BufferPool::peek(const ByteQueue& queue, ByteSpan to) const {
  uint32_t done = 0;
  for (uint32_t index = queue.head; index != 0 && done < to.size(); index = slice(index).next) {
    const Slice& piece = slice(index);
    const auto part = static_cast<uint32_t>(std::min<size_t>(size_of(piece), to.size() - done));
    std::memcpy(to.data() + done, at(piece.chunk) + piece.begin, part);
    done += part;
  }
  return done;
}

}  // namespace sluice
