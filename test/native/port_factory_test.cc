#include "port/port_factory.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/address_space.h"
#include "support/capabilities.h"
#include "support/test_namespace.h"
#include "support/transmit.h"

using namespace sluice;
using namespace sluice::test;

namespace {

PortOptions options_of(PortKind kind, const std::string& device) {
  PortOptions options;
  options.name = device;
  options.kind = kind;
  options.device = device;
  return options;
}

std::vector<PortOptions> both_kinds_of_device() {
  return {options_of(PortKind::tap, "tap0"), options_of(PortKind::packet, "e0")};
}

// Opens the port in the namespace, in a process without any privilege.
std::string remedy_without_privilege(const TestNamespace& space, const PortOptions& options) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  space.run([&] {
    const pid_t child = fork();
    if (child == 0) {
      if (!keep_capabilities({})) _exit(1);
      const auto opened = open_ports(options);
      if (opened.ok()) _exit(2);
      const std::string remedy = opened.error().remedy;
      _exit(write(ends[1], remedy.data(), remedy.size()) < 0 ? 3 : 0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    return true;
  });
  close(ends[1]);
  char text[1024];
  const ssize_t size = read(ends[0], text, sizeof text);
  close(ends[0]);
  return std::string(text, size < 0 ? 0 : static_cast<size_t>(size));
}

}  // namespace

TEST_CASE("ARCH-08 open_ports of kind memory gives both sides") {
  PortOptions options;
  options.name = "near";
  options.mtu = 9000;
  options.offloads = false;
  std::vector<std::unique_ptr<MemoryPort>> far;
  auto opened = open_ports(options, 1, nullptr, &far);
  REQUIRE(opened.ok());
  REQUIRE(far.size() == 1);
  Port& near = *opened.value().front();
  CHECK(near.name() == "near");
  CHECK(near.capabilities().mtu == 9000);
  CHECK_FALSE(near.capabilities().checksum);
  CHECK(near.mac() != far[0]->mac());
  REQUIRE(transmit(near, Instant(), {Bytes(60, 5)}) == 1);
  CHECK(far[0]->take()->bytes == Bytes(60, 5));
}

TEST_CASE("ARCH-08 open_ports without privilege names the capabilities that it needs") {
  if (skipped_without("/dev/net/tun")) return;
  TestNamespace space;
  REQUIRE(space.ip("link add e0 up type veth peer name e1"));
  for (const PortOptions& options : both_kinds_of_device()) {
    CAPTURE(options.device);
    const std::string remedy = remedy_without_privilege(space, options);
    CHECK(remedy.find("CAP_NET_ADMIN and CAP_NET_RAW") != std::string::npos);
  }
}

TEST_CASE("ARCH-08 open_ports opens the kind that is asked for") {
  if (skipped_without("/dev/net/tun")) return;
  TestNamespace space;
  REQUIRE(space.ip("link add e0 up type veth peer name e1"));
  for (PortOptions options : both_kinds_of_device()) {
    CAPTURE(options.device);
    options.netns = space.path();
    auto opened = open_ports(options);
    REQUIRE(opened.ok());
    CHECK(opened.value().front()->name() == options.name);
    CHECK(opened.value().front()->wait_fd() >= 0);
    CHECK(link_of(space, options.device).up);
  }
}

TEST_CASE("ARCH-08 no port reserves more memory than its kind's bound, nor much less") {
  if (skipped_without("/dev/net/tun")) return;
  TestNamespace space;
  REQUIRE(space.ip("link add e0 up type veth peer name e1"));
  for (PortOptions options : {options_of(PortKind::tap, "tap0"), options_of(PortKind::packet, "e0"),
                              options_of(PortKind::xdp, "e0"), options_of(PortKind::memory, "")}) {
    CAPTURE(options.kind);
    options.netns = space.path();
    options.capture = "/dev/null";
    std::vector<std::unique_ptr<MemoryPort>> far;
    const auto open = [&] { return open_ports(options, 1, nullptr, &far); };
    // The first time also takes what the process keeps: an arena, a thread's stack.
    auto opened = open();
    if (!opened.ok() && options.kind == PortKind::xdp) {
      std::printf("SKIPPED: no AF_XDP here: %s\n", opened.error().operation.c_str());
      continue;
    }
    REQUIRE(opened.ok());
    opened.value().clear();
    far.clear();
    const size_t before = address_space();
    opened = open();
    REQUIRE(opened.ok());
    const size_t reserved = address_space() - before;
    CHECK(reserved <= memory_of_port(options.kind));
    CHECK(reserved + (size_t{2} << 20) > memory_of_port(options.kind));
  }
}
