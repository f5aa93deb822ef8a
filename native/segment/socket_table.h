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
  void add(Instant now, uint32_t bytes) {
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

// What the engine remembers of one socket of TypeScript's, or of one that is to be. It outlives the
// connection block, until the socket has heard of its end and says so (ForgetSocket).
struct Socket {
  // What is to be told as soon as there is room, in this order. Bytes, their end, and room to write
  // follow from the connection itself.
  static constexpr uint8_t kOpened = 1;
  static constexpr uint8_t kUnrelayed = 2;
  static constexpr uint8_t kHeld = 4;
  static constexpr uint8_t kClosed = 8;

  ConnectionPool::Handle connection = ConnectionPool::kNone;
  LegIndex leg = kNoLeg;  // while there is a connection
  uint32_t serial = 0;    // of its pair
  uint32_t target = 0;    // the socket that what it receives goes to; 0: TypeScript's
  uint32_t source = 0;    // the socket whose bytes it sends; 0: TypeScript's
  uint32_t headroom = 0;  // that its bytes leave free in the target's send buffer
  uint32_t read_credit = 0;
  uint32_t write_credit = 0;
  uint32_t next = 0;  // in the list of those with news
  uint64_t received = 0;
  uint64_t sent = 0;
  RelayProgress relayed;  // of those received, to a target
  uint16_t vs = 0;
  uint8_t news = 0;
  uint8_t end = 0;             // StreamEnd
  bool used : 1 = false;       // the place is
  bool listed : 1 = false;     // in the list of those with news
  bool known : 1 = false;      // TypeScript knows of it
  bool passive : 1 = false;    // a client opened it
  bool opened : 1 = false;     // it was established once
  bool held : 1 = false;       // nothing is handed up
  bool ends_stay : 1 = false;  // its end is not for the target
  bool shut : 1 = false;       // nothing more is written
  bool closed : 1 = false;     // by its user: nobody reads
  bool ended : 1 = false;      // the peer sends no more
  bool ended_told : 1 = false;
  bool forgotten : 1 = false;  // by TypeScript, while it was in the list
};

// Places for sockets, named by index + 1; 0 is none. One worker owns it.
class SocketTable {
 public:
  static constexpr uint32_t kPlaceBits = 24;
  static constexpr uint32_t kPlaceMask = (1u << kPlaceBits) - 1;

  SocketTable(uint32_t count, uint32_t worker) : pool_(count), prefix_(worker << kPlaceBits) {}

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

 private:
  BlockPool<Socket> pool_;
  uint32_t prefix_;
};

}  // namespace sluice
