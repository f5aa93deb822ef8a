#pragma once

#include <cstdint>

#include "base/instant.h"
#include "tcp/block_pool.h"
#include "wire/seq.h"

namespace sluice {

// What was sent at one instant and is not acknowledged: one segment, or a super-packet of many.
struct SentRecord {
  static constexpr uint8_t kSacked = 1;         // a SACK block has it
  static constexpr uint8_t kLost = 2;           // to be sent again
  static constexpr uint8_t kRetransmitted = 4;  // was sent again
  static constexpr uint8_t kFin = 8;            // ends with the FIN, which counts in its length
  static constexpr uint8_t kCutShort = 16;      // of it only the beginning was sent again

  Instant sent_at;  // the last time
  Seq seq;
  uint32_t length = 0;  // of sequence space
  uint32_t next = 0;
  uint8_t flags = 0;

  Seq end() const { return seq + length; }
  bool has(uint8_t flag) const { return (flags & flag) != 0; }
};
using SentPool = BlockPool<SentRecord>;

// The records of one connection in the order of their sequence numbers, without gaps from snd_una
// to snd_nxt (RFC 6675's scoreboard, RFC 8985's list of segments).
struct SentList {
  SentPool::Handle head = SentPool::kNone;
  SentPool::Handle tail = SentPool::kNone;
  uint32_t count = 0;
  uint32_t sacked = 0;  // bytes
  uint32_t lost = 0;    // bytes marked lost and not sent again since

  bool empty() const { return head == SentPool::kNone; }
};

// Puts a record behind the others. False where the pool is exhausted.
bool append_record(SentList& list, SentPool& pool, const SentRecord& record);
// Cuts a record in two, the first of `length` bytes. False where the pool is exhausted.
bool split_record(SentList& list, SentPool& pool, SentPool::Handle handle, uint32_t length);
// Takes the first record out.
void drop_first(SentList& list, SentPool& pool);
// Takes the first `length` bytes of the first record, which has more, out.
void trim_first(SentList& list, SentPool& pool, uint32_t length);
void clear_records(SentList& list, SentPool& pool);

inline void mark_lost(SentList& list, SentRecord& record) {
  if (record.has(SentRecord::kLost | SentRecord::kSacked)) return;
  record.flags |= SentRecord::kLost;
  list.lost += record.length;
}
inline void unmark_lost(SentList& list, SentRecord& record) {
  if (!record.has(SentRecord::kLost)) return;
  record.flags &= static_cast<uint8_t>(~SentRecord::kLost);
  list.lost -= record.length;
}
inline void mark_sacked(SentList& list, SentRecord& record) {
  unmark_lost(list, record);
  record.flags |= SentRecord::kSacked;
  list.sacked += record.length;
}

}  // namespace sluice
