// What a segment refuses to start with: an Error each time, and the process lives on.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "segment/segment.h"
#include "support/address_space.h"
#include "support/frame.h"
#include "support/limits.h"

namespace sluice {
namespace {

using namespace test;

SegmentPort port_with(std::vector<InterfaceAddress> addresses) {
  SegmentPort port;
  port.options.addresses = std::move(addresses);
  return port;
}

SegmentOptions small_options() {
  SegmentOptions options;
  options.limits = kSmallLimits;
  options.timeouts = kTimeouts;
  return options;
}

// The error of a start that has to fail.
Error refusal_of(const SegmentOptions& options) {
  const auto started = Segment::start(options, [] {});
  REQUIRE_FALSE(started.ok());
  CHECK_FALSE(started.error().operation.empty());
  CHECK_FALSE(started.error().remedy.empty());
  return started.error();
}

// Lets the process have so much more address space, and no limit at the end.
class AddressSpaceLimit {
 public:
  explicit AddressSpaceLimit(size_t more) {
    getrlimit(RLIMIT_AS, &before_);
    const rlimit limit{address_space() + more, before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  }
  ~AddressSpaceLimit() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_;
};

TEST_CASE("ARCH-08 a segment takes 16 ports and refuses one more") {
  SegmentOptions options = small_options();
  options.ports.resize(kMaxPorts);
  CHECK(Segment::start(options, [] {}).ok());
  options.ports.emplace_back();
  CHECK(refusal_of(options).operation == "open 17 ports");
}

TEST_CASE("ARCH-08 a segment refuses addresses that are no single host's") {
  const InterfaceAddress refused[] = {
      {ip("224.0.0.1"), 24}, {ip("0.0.0.0"), 0},      {ip("255.255.255.255"), 32},
      {ip("127.0.0.1"), 8},  {ip("192.0.2.255"), 24}, {ip("192.0.2.1"), 33},
      {ip("ff02::1"), 64},   {ip("::"), 64},          {ip("::1"), 128},
      {ip("fe80::1"), 129},
  };
  for (const InterfaceAddress& address : refused) {
    CAPTURE(int{address.prefix_length});
    SegmentOptions options = small_options();
    options.ports = {port_with({address})};
    CHECK(refusal_of(options).error_number == EINVAL);
  }
  SegmentOptions options = small_options();
  options.ports = {port_with({{ip("192.0.2.255"), 31}, {ip("fe80::1"), 64}})};
  CHECK(Segment::start(options, [] {}).ok());
}

TEST_CASE("ARCH-08 a segment refuses one address twice") {
  for (const InterfaceAddress& own :
       {InterfaceAddress{ip("192.0.2.1"), 24}, InterfaceAddress{ip("2001:db8::1"), 64}}) {
    SegmentOptions options = small_options();
    options.ports = {port_with({own}), port_with({own})};
    CHECK(refusal_of(options).error_number == EEXIST);
  }
}

TEST_CASE("ARCH-08 a segment refuses a route whose gateway cannot be one") {
  const SegmentRoute refused[] = {
      {{ip("0.0.0.0"), 0}, ip("198.51.100.1")},  // on no link
      {{ip("0.0.0.0"), 0}, ip("224.0.0.1")},    {{ip("0.0.0.0"), 0}, ip("2001:db8::2")},
      {{ip("::"), 0}, ip("192.0.2.2")},         {{ip("::"), 0}, ip("::")},
      {{ip("0.0.0.0"), 33}, ip("192.0.2.2")},
  };
  for (const SegmentRoute& route : refused) {
    SegmentOptions options = small_options();
    options.ports = {port_with({{ip("192.0.2.1"), 24}, {ip("2001:db8::1"), 64}})};
    options.routes = {route};
    CHECK(refusal_of(options).operation.substr(0, 9) == "add route");
  }
}

TEST_CASE("ARCH-08 a segment refuses limits for which there is no memory, at any size") {
  constexpr size_t kMebibyte = 1 << 20;
  SegmentOptions options = small_options();
  options.ports = {port_with({{ip("192.0.2.1"), 24}}), port_with({{ip("10.1.0.1"), 24}})};
  options.limits.flows = 500'000;
  options.limits.packet_buffers = 16'384;
  int refused = 0;
  for (size_t more = 32 * kMebibyte;; more += 32 * kMebibyte) {
    const AddressSpaceLimit limit(more);
    const auto started = Segment::start(options, [] {});
    if (started.ok()) break;
    CHECK(started.error().error_number == ENOMEM);
    CHECK(started.error().remedy.find("`limits`") != std::string::npos);
    REQUIRE(++refused < 32);
  }
  CHECK(refused > 0);
}

}  // namespace
}  // namespace sluice
