#pragma once

#include <cstdint>
#include <memory>

#include "segment/app_reader.h"
#include "tcp/block_pool.h"
#include "timer/timer_wheel.h"

namespace sluice {

// A client's connection from its SYN until it has its server's (HS-07 to HS-14).
//   reading  what the client sends is read, and stays where it is
//   asked    a decision is awaited; the answer may be that more has to be read first (HS-12)
//   opening  the server's answer is awaited
// and for a while beyond, where what its server says first is read as well (LB-16):
//   learning  the client's bytes pass, the server's stay where they are
struct Inspection {
  enum class Stage : uint8_t { reading, asked, opening, learning };

  AppReader reader;
  uint64_t question = 0;  // where it ends in the ring; 0: it found no room yet
  uint32_t client = 0;    // sockets
  uint32_t server = 0;    // from when it is being opened
  Tick until = 0;         // the decision, or the server's first message, is awaited until then
  Tick read_until = 0;    // and what the client says, however often it is asked about
  uint16_t timeout_s = 0;
  uint16_t server_timeout_ms = 0;
  uint16_t failed_node = 0;
  uint8_t in_port = 0;
  uint8_t tries = 0;  // questions, this time
  Stage stage = Stage::reading;
  bool asks_unread : 1 = false;
  bool unread : 1 = false;
  bool another : 1 = false;  // it was asked for once more, for the first one could not be had
};
using InspectionPool = BlockPool<Inspection>;

// Those of one worker, as many as there may be connections, with their timers. Timers are named by
// handle - 1.
struct InspectionTable {
  InspectionTable(uint32_t count, Tick now)
      : pool(count), links(count, 1), wheel(links, 0, now), scratch(new AppScratch) {}

  InspectionPool pool;
  TimerLinks links;
  TimerWheel wheel;
  std::unique_ptr<AppScratch> scratch;
};

}  // namespace sluice
