// What is left of connections: found by signature, ended by order, by time, and for want of room.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "flow/time_wait_table.h"
#include "wire/ip_protocol.h"

namespace sluice {
namespace {

FlowKey key_of(uint32_t number, bool v4) {
  FlowKey key;
  if (v4) {
    key.src = IpAddress::v4(0xc0000200 + number % 7);
    key.dst = IpAddress::v4(0xc0000264);
  } else {
    key.src.bytes = {0x20, 0x01, 0x0d, 0xb8};
    key.dst = key.src;
    key.src.bytes[7] = static_cast<uint8_t>(number % 3);
    key.src.bytes[15] = static_cast<uint8_t>(number % 7);
    key.dst.bytes[15] = 0x64;
  }
  key.src_port = static_cast<L4Port>(1024 + number);
  key.dst_port = 80;
  key.protocol = kProtocolTcp;
  return key;
}

constexpr Duration kHundred = Duration::milliseconds(100);

TcpWords words_of(uint32_t number) { return {number, 1, 2, 3, 4, ~number}; }

TEST_CASE("MEM-04 MEM-09 an entry has all that it was given, until its time is over") {
  for (const bool v4 : {true, false}) {
    CAPTURE(v4);
    TimeWaitTable table(8, 1, 100);
    const TimeWaitTable::Index first = table.add(key_of(1, v4), words_of(1), false, 100, kHundred);
    const TimeWaitTable::Index second =
        table.add(key_of(2, v4), words_of(2), true, 100, kHundred * 2);
    FlowKey marked = key_of(1, v4);
    marked.dscp = 46;
    CHECK(table.find(marked) == first);
    CHECK(table.find(key_of(2, v4)) == second);
    CHECK(table.find(key_of(3, v4)) == TimeWaitTable::kNone);
    CHECK(table.find(key_of(1, v4).reversed()) == TimeWaitTable::kNone);
    FlowKey datagram = key_of(1, v4);
    datagram.protocol = kProtocolUdp;
    CHECK(table.find(datagram) == TimeWaitTable::kNone);
    CHECK(table.key_of(first) == key_of(1, v4));
    CHECK(table[first].tcp == words_of(1));
    CHECK_FALSE(table[first].outbound);
    CHECK(table[second].outbound);
    table.keep(first, 150, kHundred);
    table.expire(200);
    CHECK(table.count() == 2);
    table.restart(first, 180);
    table.expire(279);
    CHECK(table.count() == 2);
    table.expire(280);
    CHECK(table.find(key_of(1, v4)) == TimeWaitTable::kNone);
    CHECK(table.find(key_of(2, v4)) == second);
    table.remove(second);
    CHECK(table.count() == 0);
    CHECK(table.evicted() == 0);
  }
}

TEST_CASE("MEM-10 who had the place before is not taken for who has it now") {
  TimeWaitTable table(4, 1, 0);
  const TimeWaitTable::Index index = table.add(key_of(1, true), words_of(1), false, 0, kHundred);
  const uint32_t serial = table[index].serial;
  CHECK(table.knows(index, serial));
  CHECK_FALSE(table.knows(index, serial + 1));
  CHECK_FALSE(table.knows(index, 0));
  CHECK_FALSE(table.knows(3, 0));
  CHECK_FALSE(table.knows(4, serial));
  CHECK_FALSE(table.knows(TimeWaitTable::kNone, serial));
  table.remove(index);
  CHECK_FALSE(table.knows(index, serial));
  CHECK_FALSE(table.knows(index, 0));
  CHECK(table.add(key_of(2, true), words_of(2), false, 0, kHundred) == index);
  CHECK_FALSE(table.knows(index, serial));
}

TEST_CASE("MEM-18 of a full table the one goes that would end first") {
  for (const bool v4 : {true, false}) {
    CAPTURE(v4);
    TimeWaitTable table(4, 1, 0);
    for (const uint32_t number : {3, 1, 4, 2}) {
      table.add(key_of(number, v4), words_of(number), false, 0, kHundred * number);
    }
    for (const uint32_t number : {1, 2, 3, 4}) {
      CHECK(table.find(key_of(number, v4)) != TimeWaitTable::kNone);
      table.add(key_of(number + 4, v4), words_of(number + 4), false, 0, kHundred * (number + 4));
      CHECK(table.find(key_of(number, v4)) == TimeWaitTable::kNone);
      CHECK(table.count() == 4);
      CHECK(table.evicted() == number);
    }
  }
}

// What the table has to be, in the plainest way.
struct Model {
  struct Kept {
    uint32_t number;
    Tick until;
  };
  std::map<TimeWaitTable::Index, Kept> kept;

  void expire(Tick now) {
    std::erase_if(kept, [now](const auto& each) { return each.second.until <= now; });
  }
};

TEST_CASE("MEM-04 a table in use is as a plain list would be") {
  constexpr uint32_t kCapacity = 64;
  constexpr uint32_t kNumbers = 200;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    TimeWaitTable table(kCapacity, seed, 0);
    Model model;
    Tick now = 0;
    for (int step = 0; step < 2000; ++step) {
      const auto number = static_cast<uint32_t>(random.below(kNumbers));
      const FlowKey key = key_of(number, number % 2 == 0);
      const TimeWaitTable::Index known = table.find(key);
      const auto is_it = [&](const auto& each) { return each.second.number == number; };
      const auto found = std::find_if(model.kept.begin(), model.kept.end(), is_it);
      REQUIRE((known == TimeWaitTable::kNone) == (found == model.kept.end()));
      const Tick span = 4 * (1 + static_cast<Tick>(random.below(750)));
      const Tick until = now + span;
      const Duration time = Duration::milliseconds(span);
      if (known == TimeWaitTable::kNone && model.kept.size() < kCapacity) {
        const TimeWaitTable::Index added = table.add(key, words_of(number), false, now, time);
        REQUIRE(model.kept.emplace(added, Model::Kept{number, until}).second);
      } else if (known != TimeWaitTable::kNone) {
        REQUIRE(found->first == known);
        REQUIRE(table.key_of(known) == key);
        REQUIRE(table[known].tcp == words_of(number));
        if (random.below(2) == 0) {
          table.keep(known, now, time);
          found->second.until = until;
        } else {
          table.remove(known);
          model.kept.erase(found);
        }
      }
      now += static_cast<Tick>(random.below(40));
      table.expire(now);
      model.expire(now);
      REQUIRE(table.count() == model.kept.size());
    }
    CHECK(table.evicted() == 0);
    table.expire(now + 3001);
    CHECK(table.count() == 0);
  }
}

}  // namespace
}  // namespace sluice
