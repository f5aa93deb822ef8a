#include <doctest/doctest.h>

#include "stack/route_table.h"
#include "support/stack_lab.h"

namespace sluice::test {

TEST_CASE("DFS-24 the longest prefix decides, and its gateway is the neighbour that is asked") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    DropReason why = DropReason::count;
    CHECK(lab.stack.acquire_next_hop(lab.now, site.far, why) == kNoNextHop);
    CHECK(why == DropReason::no_route);

    REQUIRE(lab.stack.add_route(site.any, 0, site.gateway).ok());
    const NextHop hop = lab.acquire(site.far);
    CHECK(hop == lab.acquire(site.gateway));
    CHECK(lab.stack.next_hop(hop).port == kOutside);
    CHECK(lab.stack.next_hop(lab.acquire(site.node)).port == kInside);

    // Longer than the default, whatever the order of addition.
    REQUIRE(lab.stack.add_route(site.far, site.is_v4() ? 32 : 128, site.node).ok());
    REQUIRE(lab.stack.add_route(site.far, site.is_v4() ? 16 : 48, site.other).ok());
    CHECK(lab.acquire(site.far) == lab.acquire(site.node));
  }
}

TEST_CASE("A route of one family matches no address of the other") {
  for (size_t family : {0, 1}) {
    const Site& site = sites()[family];
    const Site& other = sites()[1 - family];
    CAPTURE(site.family);
    StackLab lab(site);
    REQUIRE(lab.stack.add_route(site.any, 0, site.gateway).ok());
    DropReason why = DropReason::count;
    CHECK(lab.stack.acquire_next_hop(lab.now, other.far, why) == kNoNextHop);
    CHECK(why == DropReason::no_route);
    // A port without an address of that family has nothing to ask from.
    CHECK(lab.stack.acquire_neighbor(lab.now, kOutside, other.peer, why) == kNoNextHop);
    CHECK(why == DropReason::no_route);
  }
}

TEST_CASE("A gateway must be in a connected subnet, and the error says so") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    REQUIRE(lab.stack.add_route(site.any, 0, site.gateway).ok());
    const Status refused = lab.stack.add_route(site.virtual_stray, 24, site.far);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().remedy.find("subnet") != std::string::npos);
  }
}

TEST_CASE("Our own addresses, multicast and broadcast are no next hops") {
  for (const Site& site : sites()) {
    CAPTURE(site.family);
    StackLab lab(site);
    REQUIRE(lab.stack.add_route(site.any, 0, site.gateway).ok());
    lab.stack.add_virtual_address(site.virtual_stray);
    struct Case {
      IpAddress destination;
      DropReason why;
    };
    std::vector<Case> cases = {{site.outside, DropReason::own_address},
                               {site.inside, DropReason::own_address},
                               {site.virtual_stray, DropReason::own_address}};
    if (site.is_v4()) {
      cases.push_back({ip("192.0.2.255"), DropReason::multicast});
      cases.push_back({ip("255.255.255.255"), DropReason::multicast});
      cases.push_back({ip("224.0.0.1"), DropReason::multicast});
    } else {
      cases.push_back({ip("ff02::1"), DropReason::multicast});
      cases.push_back({ip("fe80::1"), DropReason::no_route});
    }
    for (const Case& one : cases) {
      DropReason why = DropReason::count;
      CHECK(lab.stack.acquire_next_hop(lab.now, one.destination, why) == kNoNextHop);
      CHECK(why == one.why);
    }
  }
}

TEST_CASE("A prefix holds the addresses that begin with it") {
  const struct {
    const char* prefix;
    uint8_t length;
    const char* address;
    bool holds;
  } cases[] = {
      {"192.0.2.0", 24, "192.0.2.255", true},
      {"192.0.2.0", 24, "192.0.3.0", false},
      {"192.0.2.77", 25, "192.0.2.127", true},
      {"192.0.2.77", 25, "192.0.2.128", false},
      {"192.0.2.77", 32, "192.0.2.77", true},
      {"192.0.2.77", 32, "192.0.2.76", false},
      {"0.0.0.0", 0, "255.255.255.255", true},
      {"0.0.0.0", 0, "::1", false},
      {"::", 0, "2001:db8::1", true},
      {"::", 0, "192.0.2.1", false},
      {"2001:db8::", 32, "2001:db8:f::", true},
      {"2001:db8::", 32, "2001:db9::", false},
      {"2001:db8::", 64, "2001:db8::ffff", true},
      {"2001:db8::", 64, "2001:db8:0:1::", false},
      {"2001:db8::", 65, "2001:db8::1", true},
      {"2001:db8::", 65, "2001:db8::8000:0:0:0", false},
      {"2001:db8::1", 128, "2001:db8::1", true},
      {"2001:db8::1", 128, "2001:db8::", false},
  };
  for (const auto& one : cases) {
    CAPTURE(std::string(one.prefix));
    CAPTURE(std::string(one.address));
    CHECK(IpPrefix(ip(one.prefix), one.length).contains(ip(one.address)) == one.holds);
  }
  CHECK(IpPrefix(ip("192.0.2.1"), 25).is_broadcast(ip("192.0.2.127")));
  CHECK_FALSE(IpPrefix(ip("192.0.2.1"), 25).is_broadcast(ip("192.0.2.255")));
  CHECK_FALSE(IpPrefix(ip("192.0.2.1"), 31).is_broadcast(ip("192.0.2.1")));
  CHECK_FALSE(IpPrefix(ip("2001:db8::"), 64).is_broadcast(ip("2001:db8::ffff:ffff:ffff:ffff")));
}

}  // namespace sluice::test
