#include <doctest/doctest.h>

#include "port/address_text.h"

using namespace sluice;

TEST_CASE("ARCH-08 addresses of a port: text to address and back") {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::"}) {
    CAPTURE(text);
    const auto address = parse_ip(text);
    REQUIRE(address.has_value());
    CHECK(to_text(*address) == text);
  }
  for (const char* text : {"", "192.0.2", "192.0.2.256", "2001:db8::1::", "eth0"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_ip(text).has_value());
  }
}

TEST_CASE("ARCH-08 addresses of a port: prefix lengths stay within the family") {
  const auto v4 = parse_interface_address("192.0.2.1/24");
  REQUIRE(v4.has_value());
  CHECK(v4->address == IpAddress::v4(0xc0000201));
  CHECK(v4->prefix_length == 24);
  CHECK(parse_interface_address("2001:db8::1/128").has_value());
  for (const char* text : {"192.0.2.1", "192.0.2.1/", "192.0.2.1/33", "192.0.2.1/-1",
                           "192.0.2.1/24x", "2001:db8::1/129", "2001:db8::1/256", "/24"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_interface_address(text).has_value());
  }
}

TEST_CASE("ARCH-08 addresses of a port: MAC addresses") {
  const auto mac = parse_mac("02:00:5e:10:FF:0a");
  REQUIRE(mac.has_value());
  CHECK(to_text(*mac) == "02:00:5e:10:ff:0a");
  for (const char* text : {"", "02:00:5e:10:ff", "02:00:5e:10:ff:0g", "02-00-5e-10-ff-0a",
                           "02:00:5e:10:ff:0a:", " 2:00:5e:10:ff:0a", "+2:00:5e:10:ff:0a"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_mac(text).has_value());
  }
}
