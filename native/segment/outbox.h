#pragma once

#include <cstdint>
#include <cstring>

#include "bus/message_ring.h"
#include "bus/messages.h"
#include "segment/counters.h"

namespace sluice {

// Messages of the worker to the control segment, built in place and pushed whole. The ring is
// bounded: put() tells when it is full, and the caller keeps what may not be lost.
class Outbox {
 public:
  Outbox(MessageRing& ring, Counters& counters) : ring_(ring), counters_(counters) {}

  // A zeroed message of type View, its type and serial set; valid until the next begin().
  template <class View>
  View begin(uint32_t serial) {
    static_assert(View::kSize <= sizeof buffer_);
    std::memset(buffer_, 0, View::kSize);
    View view(buffer_);
    view.set_msg_type(View::kCode);
    view.set_serial(serial);
    return view;
  }
  template <class View>
  bool put(const View&) {
    return push(View::kSize);
  }
  // A question may find no room where other messages still do: these tell what has happened, and
  // without them nothing ends, while a flood of new flows has no end of questions. What is learned
  // of sessions waits with them.
  // `tail`: bytes behind it, at most kMostAppData; it is padded to a multiple of 4.
  template <class View>
  bool put_question(const View&, size_t tail = 0) {
    const size_t end = View::kSize + tail;
    const size_t size = (end + 3) & ~size_t{3};
    std::memset(buffer_ + end, 0, size - end);
    if (ring_.unread() <= ring_.capacity() / 4 * 3) return push(size);
    counters_.raise(Counter::messages_unsent);
    return false;
  }
  // Where the message that was put last ends in the ring, to ask whether it was read.
  uint64_t written() const { return ring_.written(); }
  bool was_read(uint64_t end) const { return ring_.was_read(end); }
  // The answer to a CSMB message.
  bool acknowledge(const CsmbHeader& message, uint32_t vs_id, uint8_t error);

  bool has_room(size_t bytes) const { return ring_.has_room(bytes); }
  // Whether anything was put since the last call.
  bool take_news() {
    const bool news = news_;
    news_ = false;
    return news;
  }

 private:
  bool push(size_t size) {
    if (!ring_.push({buffer_, size})) {
      counters_.raise(Counter::messages_unsent);
      return false;
    }
    news_ = true;
    return true;
  }

  MessageRing& ring_;
  Counters& counters_;
  bool news_ = false;
  uint16_t csmb_serial_ = 0;
  alignas(8) uint8_t buffer_[AppQueryView::kSize + kMostAppData];
};

}  // namespace sluice
