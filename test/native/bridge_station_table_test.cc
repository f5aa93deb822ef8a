// Which station is behind which port.
#include "bridge/station_table.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

using News = StationTable::News;

Station station(uint32_t number, uint16_t vlan = 0) {
  MacAddress mac{{2, 0, 0, 0, 0, 0}};
  store_be32(mac.bytes.data() + 2, number);
  return Station(mac, vlan);
}
Instant at(int64_t seconds) { return Instant() + Duration::seconds(seconds); }

TEST_CASE("ARCH-09 a station is where it was heard of last, in each VLAN by itself") {
  StationTable table(1);
  CHECK(table.find(at(0), station(1)) == kNoPort);
  CHECK(table.learn(at(0), station(1), 3) == News::found);
  CHECK(table.learn(at(1), station(1), 3) == News::none);
  CHECK(table.learn(at(1), station(1, 5), 0) == News::found);
  CHECK(table.find(at(1), station(1)) == 3);
  CHECK(table.find(at(1), station(1, 5)) == 0);
  CHECK(table.find(at(1), station(2)) == kNoPort);
  CHECK(table.learn(at(2), station(1), 15) == News::moved);
  CHECK(table.find(at(2), station(1)) == 15);
  CHECK(table.size() == 2);
}

TEST_CASE("ARCH-09 a station that falls silent is forgotten after 300 seconds") {
  StationTable table(1);
  table.learn(at(0), station(1), 1);
  table.learn(at(10), station(2), 2);
  CHECK(table.learn(at(70), station(2), 2) == News::none);
  CHECK(table.learn(at(131), station(2), 2) == News::renewed);
  CHECK(table.find(at(300), station(1)) == 1);
  CHECK(table.find(at(301), station(1)) == kNoPort);
  CHECK(table.find(at(301), station(2)) == 2);
  for (int i = 0; i < 64; ++i) table.age(at(301));
  CHECK(table.size() == 1);
  CHECK(table.learn(at(302), station(1), 1) == News::found);
  // One that nobody had the time to forget.
  CHECK(table.learn(at(700), station(1), 4) == News::found);
  CHECK(table.find(at(700), station(1)) == 4);
}

TEST_CASE("ARCH-09 made-up stations without end take no more room, and push out the silent first") {
  StationTable table(7, 256);
  for (uint32_t i = 0; i < 40; ++i) table.learn(at(0), station(i), 1);
  for (uint32_t flood = 0; flood < 200; ++flood) {
    for (uint32_t i = 0; i < 1000; ++i) {
      table.learn(at(1 + flood), station(1000 + flood * 1000 + i), 2);
      // The stations go on speaking.
      if (i % 20 == 0) {
        for (uint32_t n = 0; n < 40; ++n) table.learn(at(1 + flood), station(n), 1);
      }
    }
  }
  CHECK(table.size() == 256);
  CHECK(table.evicted() > 100'000);
  size_t found = 0;
  for (uint32_t i = 0; i < 40; ++i) found += table.find(at(201), station(i)) == 1;
  CHECK(found >= 36);
}

TEST_CASE("an address of zeros is nobody's") {
  StationTable table(1);
  CHECK(table.find(at(0), Station(MacAddress{}, 0)) == kNoPort);
}

}  // namespace
}  // namespace sluice
