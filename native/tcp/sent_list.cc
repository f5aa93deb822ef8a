#include "tcp/sent_list.h"

namespace sluice {

bool append_record(SentList& list, SentPool& pool, const SentRecord& record) {
  const SentPool::Handle handle = pool.take();
  if (handle == SentPool::kNone) return false;
  pool[handle] = record;
  pool[handle].next = SentPool::kNone;
  (list.empty() ? list.head : pool[list.tail].next) = handle;
  list.tail = handle;
  ++list.count;
  return true;
}

bool split_record(SentList& list, SentPool& pool, SentPool::Handle handle, uint32_t length) {
  const SentPool::Handle rest_handle = pool.take();
  if (rest_handle == SentPool::kNone) return false;
  SentRecord& first = pool[handle];
  SentRecord& rest = pool[rest_handle];
  rest = first;
  rest.seq += length;
  rest.length -= length;
  first.length = length;
  first.flags &= static_cast<uint8_t>(~SentRecord::kFin);
  first.next = rest_handle;
  if (list.tail == handle) list.tail = rest_handle;
  ++list.count;
  return true;
}

void drop_first(SentList& list, SentPool& pool) {
  SentPool::Handle handle = list.head;
  SentRecord& first = pool[handle];
  if (first.has(SentRecord::kSacked)) list.sacked -= first.length;
  unmark_lost(list, first);
  list.head = first.next;
  if (list.empty()) list.tail = SentPool::kNone;
  pool.give_back(handle);
  --list.count;
}

void trim_first(SentList& list, SentPool& pool, uint32_t length) {
  SentRecord& first = pool[list.head];
  if (first.has(SentRecord::kSacked)) list.sacked -= length;
  if (first.has(SentRecord::kLost)) list.lost -= length;
  first.seq += length;
  first.length -= length;
  // The rest was not sent again with the beginning; it is the turn of it now.
  if (first.has(SentRecord::kCutShort)) {
    first.flags &= static_cast<uint8_t>(~SentRecord::kCutShort);
    mark_lost(list, first);
  }
}

void clear_records(SentList& list, SentPool& pool) {
  while (!list.empty()) drop_first(list, pool);
}

}  // namespace sluice
