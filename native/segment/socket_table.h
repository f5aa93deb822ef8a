#pragma once

#include <atomic>
#include <cstdint>

#include "base/instant.h"
#include "tcp/block_pool.h"
#include "tcp/connection.h"

namespace sluice {

// What a socket's bytes that move in the engine have come to. Its worker writes, anybody reads.
class RelayProgress {
 public:
  void add(Instant now, uint64_t bytes) {
    bytes_.store(bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    last_.store(now.nanoseconds(), std::memory_order_relaxed);
  }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // When the last of them did, as Instant has it; 0 before the first.
  int64_t last() const { return last_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> bytes_{0};
  std::atomic<int64_t> last_{0};
};

// What a connection goes on with that comes back from a splice.
struct SocketKept {
  uint8_t options = 0;  // as TcpFlow has them
  uint8_t scales = 0;
  uint8_t tos = 0;
  bool no_delay = false;
  uint16_t mss = 0;
  uint16_t told_mss = 0;
  uint16_t keep_alive = 0;
};

// What the engine remembers of one socket of TypeScript's, or of one that is to be. It outlives the
// connection block, until the socket has heard of its end and says so (ForgetSocket).
struct Socket {
  // What is to be told as soon as there is room, in this order. Bytes, their end, and room to write
  // follow from the connection itself.
  static constexpr uint8_t kOpened = 1;
  static constexpr uint8_t kUnrelayed = 2;
  static constexpr uint8_t kHeld = 4;
  static constexpr uint8_t kSpliced = 8;  // or that it will not be, `block` says why
  static constexpr uint8_t kClosed = 16;

  ConnectionPool::Handle connection = ConnectionPool::kNone;
  LegIndex leg = kNoLeg;     // while there is a connection, or a flow of UDP
  uint32_t serial = 0;       // of its pair
  uint32_t target = 0;       // the socket that what it receives goes to; 0: TypeScript's
  uint32_t source = 0;       // the socket whose bytes it sends; 0: TypeScript's
  uint32_t headroom = 0;     // that its bytes leave free in the target's send buffer
  uint32_t read_credit = 0;  // of UDP: below zero what the last datagram owes
  uint32_t write_credit = 0;
  uint32_t inspection = 0;  // while it is read for, or opened by, one
  uint32_t next = 0;        // in the list of those with news
  uint64_t received = 0;
  uint64_t sent = 0;
  Seq irs;                // of a client's: where its numbers began
  RelayProgress relayed;  // of those received, to a target
  uint64_t relayed_datagrams = 0;
  uint64_t left = 0;  // to be relayed until that is over, where they are counted
  Seq spliced_from;   // in the client's numbers: what it receives from here on is not counted yet
  Seq own_end;        // of one that is spliced: what its peer got before it was the engine's
  SocketKept kept;
  uint16_t vs = 0;
  uint8_t block = 0;  // SpliceBlock
  uint8_t news = 0;
  uint8_t end = 0;              // StreamEnd
  uint8_t count = 0;            // RelayCount
  uint8_t depth = 0;            // RelayDepth: what its relay may become
  bool used : 1 = false;        // the place is
  bool listed : 1 = false;      // in the list of those with news
  bool known : 1 = false;       // TypeScript knows of it
  bool passive : 1 = false;     // a client opened it
  bool opened : 1 = false;      // it was established once
  bool unanswered : 1 = false;  // a client's, whose SYN-ACK was repeated
  bool held : 1 = false;        // nothing is handed up
  bool ends_stay : 1 = false;   // its end is not for the target
  bool shut : 1 = false;        // nothing more is written
  bool closed : 1 = false;      // by its user: nobody reads
  bool ended : 1 = false;       // the peer sends no more
  bool ended_told : 1 = false;
  bool mirrored : 1 = false;   // a connection to a server has begun with its `irs`
  bool silent : 1 = false;     // nobody in TypeScript hears of it
  bool spliced : 1 = false;    // others run the connection
  bool returns : 1 = false;    // its relay ends as soon as it can
  bool reports : 1 = false;    // its peer may still report what is before `own_end`
  bool aborts : 1 = false;     // closed on its way back, by a RST
  bool forgotten : 1 = false;  // by TypeScript, while it was in the list
};

// Places for sockets of one kind, named by index + 1; 0 is none. One worker owns it. It also keeps
// the list of those with news, each of them once.
class SocketTable {
 public:
  static constexpr uint32_t kPlaceBits = 24;
  static constexpr uint32_t kPlaceMask = (1u << kPlaceBits) - 1;

  static constexpr uint32_t kDatagrams = 1u << 31;  // in the ids of sockets of UDP

  SocketTable(uint32_t count, uint32_t worker, uint32_t kind = 0)
      : pool_(count), prefix_(kind | worker << kPlaceBits) {}

  static uint32_t worker_of(uint32_t id) { return (id & ~kDatagrams) >> kPlaceBits; }

  // A fresh place; 0 when all are used.
  uint32_t take() {
    const uint32_t place = pool_.take();
    if (place != 0) pool_[place].used = true;
    return place;
  }
  void give_back(uint32_t place) {
    pool_[place].used = false;
    pool_.give_back(place);
  }
  // Whether a socket of that id is there.
  bool knows(uint32_t id) const {
    const uint32_t place = id & kPlaceMask;
    return is_ours(id) && place != 0 && place <= pool_.capacity() && pool_[place].used;
  }
  // Whether a socket of that id could be here, and not with another worker.
  bool is_ours(uint32_t id) const { return (id & ~kPlaceMask) == prefix_; }
  // Of a socket that is there, for any thread; nullptr where no socket could be.
  const RelayProgress* progress_of(uint32_t id) const {
    const uint32_t place = id & kPlaceMask;
    return place == 0 || place > pool_.capacity() ? nullptr : &pool_[place].relayed;
  }
  uint32_t id_of(uint32_t place) const { return prefix_ | place; }

  Socket& operator[](uint32_t place) { return pool_[place]; }
  const Socket& operator[](uint32_t place) const { return pool_[place]; }
  uint32_t used() const { return pool_.used(); }

  // A socket has news. Where it is forgotten before they are told, drop_first() gives it back.
  void list(uint32_t place) {
    Socket& socket = pool_[place];
    if (socket.listed) return;
    socket.listed = true;
    socket.next = 0;
    (first_listed_ == 0 ? first_listed_ : pool_[last_listed_].next) = place;
    last_listed_ = place;
  }
  // 0 if there is none.
  uint32_t first_listed() const { return first_listed_; }
  void drop_first() {
    const uint32_t place = first_listed_;
    Socket& socket = pool_[place];
    first_listed_ = socket.next;
    socket.listed = false;
    if (socket.forgotten) give_back(place);
  }
  // TypeScript has heard of its end. An order that crossed the last news may have put it into the
  // list once more.
  void forget(uint32_t place) {
    Socket& socket = pool_[place];
    socket.forgotten = true;
    if (!socket.listed) give_back(place);
  }

 private:
  BlockPool<Socket> pool_;
  uint32_t prefix_;
  uint32_t first_listed_ = 0;
  uint32_t last_listed_ = 0;
};

}  // namespace sluice
