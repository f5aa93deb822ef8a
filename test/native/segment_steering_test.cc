// Whether the kernel steers packets to the workers of a segment, and what the segment says of it.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <string>

#include "port/steering_program.h"
#include "segment/segment.h"
#include "support/capabilities.h"
#include "support/limits.h"
#include "support/packet_link.h"

namespace sluice {
namespace {

using namespace test;

SegmentOptions two_workers_on(const std::string& device) {
  SegmentPort port;
  port.options.name = port.options.device = device;
  port.options.kind = PortKind::packet;
  SegmentOptions options;
  options.ports = {port};
  options.workers = 2;
  options.limits = kSmallLimits;
  options.timeouts = kTimeouts;
  return options;
}

// What the port says of itself in a process with these capabilities only, behind whether the kernel
// takes programs from it.
std::string description_with(const TestNamespace& space, std::initializer_list<int> kept) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = space.run([&] {
    const pid_t forked = fork();
    if (forked != 0) return forked;
    if (!keep_capabilities(kept)) _exit(1);
    auto segment = Segment::start(two_workers_on("e0"), [] {});
    if (!segment.ok()) _exit(2);
    const bool loads = SteeringPrograms::load(Steering(1, 2)).ok();
    const std::string text =
        (loads ? "loads: " : "refused: ") + segment.value()->port_descriptions()[0];
    _exit(write(ends[1], text.data(), text.size()) < 0 ? 3 : 0);
  });
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  close(ends[1]);
  char text[1024];
  const ssize_t size = read(ends[0], text, sizeof text);
  close(ends[0]);
  return std::string(text, size < 0 ? 0 : static_cast<size_t>(size));
}

TEST_CASE("a segment of several workers says whether the kernel steers, and why not") {
  if (skipped_without()) return;
  OneHost link;
  for (const std::string& said :
       {description_with(link.engine, {CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF}),
        description_with(link.engine, {CAP_NET_ADMIN, CAP_NET_RAW})}) {
    CAPTURE(said);
    const bool refused = said.starts_with("refused");
    CHECK(said.ends_with(refused ? ", spread by hash (program: Operation not permitted)"
                                 : ", steered by program"));
  }
}

}  // namespace
}  // namespace sluice
