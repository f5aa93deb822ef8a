// Network namespaces for tests of the privileged ports.
#pragma once

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "port/file_descriptor.h"
#include "port/netlink.h"
#include "port/netns.h"

namespace sluice::test {

// A namespace without a name: it lives as long as this object or a socket inside, so nothing is
// left behind, whatever happens to the test.
class TestNamespace {
 public:
  TestNamespace() {
    std::thread([this] {
      if (unshare(CLONE_NEWNET) == 0) {
        handle_ = FileDescriptor(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
      } else {
        refusal_ = std::strerror(errno);
      }
    }).join();
    if (made()) REQUIRE(ip("link set lo up"));
  }

  bool made() const { return handle_.is_open(); }
  // Why it was not made.
  const std::string& refusal() const { return refusal_; }
  // For PortOptions::netns, and for `ip link set DEV netns` in other namespaces.
  std::string path() const {
    return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(handle_.get());
  }
  template <class Work>
  auto run(Work work) const {
    Result<Netns> netns = Netns::open(path());
    REQUIRE(netns.ok());
    auto result = netns.value().run([&]() -> Result<decltype(work())> { return work(); });
    REQUIRE(result.ok());
    return std::move(result.value());
  }
  // Runs `ip ARGUMENTS` inside.
  bool ip(const std::string& arguments) const { return command("ip " + arguments); }
  bool command(const std::string& line) const {
    return run([&] { return std::system((line + " >/dev/null").c_str()) == 0; });
  }
  // Makes a pair of devices, `mine` here and `theirs` there, both up.
  void join(const std::string& mine, TestNamespace& other, const std::string& theirs) const {
    REQUIRE(ip("link add " + mine + " type veth peer name " + theirs + " netns " + other.path()));
    REQUIRE(ip("link set " + mine + " up"));
    REQUIRE(other.ip("link set " + theirs + " up"));
  }

 private:
  FileDescriptor handle_;
  std::string refusal_;
};

inline LinkInfo link_of(const TestNamespace& space, const std::string& device) {
  return space.run([&] {
    auto netlink = Netlink::open();
    auto link = netlink.value().link(device);
    return link.ok() ? link.value() : LinkInfo{};
  });
}

// Whether the test cannot run here, which it then has said on a line of its own.
inline bool skipped_without(const char* device = nullptr) {
  std::string reason;
  if (const TestNamespace space; !space.made()) {
    reason = "cannot make a network namespace: " + space.refusal() +
             "; run as root or with CAP_SYS_ADMIN";
  } else if (std::system("ip -V >/dev/null 2>&1") != 0) {
    reason = "there is no `ip` command (Debian package iproute2)";
  } else if (device != nullptr && access(device, R_OK | W_OK) != 0) {
    reason = std::string("cannot open ") + device + ": " + std::strerror(errno);
  }
  if (reason.empty()) return false;
  std::printf("SKIPPED: %s\n", reason.c_str());
  return true;
}

}  // namespace sluice::test
