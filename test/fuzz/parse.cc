// Any bytes under any offload state through the parse stage. What passes must be as parse.h
// promises: headers in order and inside the frame, options that can be walked.
#include "packet/parse.h"

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "support/hostile_packet.h"
#include "wire/ip_protocol.h"
#include "wire/tcp_options.h"

namespace {

using namespace sluice;

void check_passed(const Packet& packet) {
  const Headers& headers = packet.headers;
  SLUICE_CHECK(headers.l3 >= 14 && headers.l3 < packet.length);
  if (headers.family == 0) return;
  SLUICE_CHECK(headers.family == 4 || headers.family == 6);
  SLUICE_CHECK(headers.l3 < headers.l4 && headers.l4 <= headers.payload);
  SLUICE_CHECK(headers.payload <= headers.end && headers.end <= packet.length);
  SLUICE_CHECK(packet.wire_segments() >= 1);
  if (headers.fragment || headers.protocol != kProtocolTcp) return;
  size_t bytes = 0;
  for (TcpOptionWalk walk(TcpHeader(packet.at(headers.l4))); walk.next();) {
    const TcpOption option = walk.option();
    bytes += option.length();
    SLUICE_CHECK(option.at() + option.length() <= packet.at(headers.payload));
  }
  SLUICE_CHECK(bytes <= 40);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < test::HostilePacket::kPrefix) return 0;
  test::HostilePacket hostile(data, size);
  Packet& packet = hostile.packet();
  parse(packet);
  if (packet.verdict == Verdict::drop) {
    SLUICE_CHECK(packet.drop_reason != DropReason::count);
  } else {
    SLUICE_CHECK(packet.verdict == Verdict::none);
    check_passed(packet);
  }
  return 0;
}
