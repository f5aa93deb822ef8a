#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/mapped_array.h"

namespace sluice {

// Bytes of a stream, in order, in chunks of a BufferPool. All that is done with it goes through its
// pool.
struct ByteQueue {
  uint32_t head = 0;  // slices by index + 1; 0 is none
  uint32_t tail = 0;
  uint32_t size = 0;  // bytes

  bool empty() const { return size == 0; }
};

// Where the last search in a queue ended: the next one goes on from there.
struct BufferCursor {
  uint32_t slice = 0;
  uint32_t offset = 0;  // of the first byte of the slice

  // So many bytes were dropped from the front of the queue.
  void dropped(uint32_t count) {
    if (offset < count)
      *this = {};
    else
      offset -= count;
  }
};

// The memory of all buffers of a worker (BUF-13): chunks of 2 KB, and slices that say which part of
// which chunk comes next. A slice can change its queue, so bytes go from one connection to another
// without being copied. Everything is reserved at construction (law 4).
class BufferPool {
 public:
  static constexpr uint32_t kChunk = 2048;
  static constexpr size_t kMostSpans = 65536 / kChunk + 2;  // of what one super-packet carries

  // `reserved` of the chunks are for bytes that were promised a place (append_promised).
  explicit BufferPool(uint32_t chunks, uint32_t reserved = 0);

  // Puts bytes behind the others and returns how many the pool had room for.
  uint32_t append(ByteQueue& queue, ConstByteSpan bytes) { return append(queue, bytes, reserved_); }
  // The same, out of what is reserved, too. All find room where chunks_of(bytes) are free.
  uint32_t append_promised(ByteQueue& queue, ConstByteSpan bytes) {
    return append(queue, bytes, 0);
  }
  static constexpr uint32_t chunks_of(size_t bytes) {
    return static_cast<uint32_t>((bytes + kChunk - 1) / kChunk);
  }
  // Drops the first bytes; as many are there.
  void drop_front(ByteQueue& queue, uint32_t count);
  void clear(ByteQueue& queue) { drop_front(queue, queue.size); }
  // Moves the first bytes of one queue behind the last of another; returns how many: fewer than
  // asked for only where the pool has no slice left to cut one in two.
  uint32_t move(ByteQueue& from, ByteQueue& to, uint32_t count);

  // Where `length` bytes from `offset` lie, all of which are there: at most kMostSpans pieces, and
  // what did not fit into them is left out. The cursor is one of this queue, and of no other.
  size_t locate(const ByteQueue& queue, BufferCursor& cursor, uint32_t offset, uint32_t length,
                std::span<ConstByteSpan, kMostSpans> pieces) const;
  // Copies the first bytes and leaves them there; returns how many.
  uint32_t peek(const ByteQueue& queue, ByteSpan to) const;

  uint32_t chunks() const { return static_cast<uint32_t>(chunk_state_.size()); }
  uint32_t chunks_in_use() const { return chunks_in_use_; }
  uint32_t free_chunks() const { return chunks() - chunks_in_use_; }
  uint32_t reserved() const { return reserved_; }
  // Bytes that are not reserved.
  uint64_t capacity() const { return uint64_t{chunks() - reserved_} * kChunk; }

 private:
  struct Slice {
    uint32_t next;
    uint32_t chunk;
    uint16_t begin, end;
  };
  // A free chunk is linked by `next_free`, a used one counts the slices that are parts of it.
  struct Chunk {
    uint32_t next_free;
    uint16_t slices;
    uint16_t filled;  // bytes from here on are nobody's
  };

  static uint32_t size_of(const Slice& slice) { return uint32_t{slice.end} - slice.begin; }
  uint8_t* at(uint32_t chunk) { return bytes_.data() + size_t{chunk - 1} * kChunk; }
  const uint8_t* at(uint32_t chunk) const { return bytes_.data() + size_t{chunk - 1} * kChunk; }
  Slice& slice(uint32_t index) { return slices_[index - 1]; }
  const Slice& slice(uint32_t index) const { return slices_[index - 1]; }
  Chunk& chunk(uint32_t index) { return chunk_state_[index - 1]; }

  uint32_t append(ByteQueue& queue, ConstByteSpan bytes, uint32_t leave);
  uint32_t take_slice();
  uint32_t take_chunk(uint32_t leave);
  void free_slice(uint32_t index);
  uint32_t fill_tail(ByteQueue& queue, ConstByteSpan bytes);
  void link(ByteQueue& queue, uint32_t index);
  bool split(uint32_t index, uint32_t count);
  bool continues(const ByteQueue& from, const ByteQueue& to) const;
  // The slice with the byte at `offset`.
  BufferCursor find(const ByteQueue& queue, BufferCursor from, uint32_t offset) const;

  MappedArray<uint8_t> bytes_;
  MappedArray<Chunk> chunk_state_;
  MappedArray<Slice> slices_;
  uint32_t reserved_;
  uint32_t free_chunk_ = 0;
  uint32_t free_slice_ = 0;
  uint32_t fresh_chunks_ = 0;
  uint32_t fresh_slices_ = 0;
  uint32_t chunks_in_use_ = 0;
  uint32_t slices_in_use_ = 0;  // at least one is left for each free chunk
};

}  // namespace sluice
