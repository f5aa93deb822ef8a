// Any bytes under any offload state through the parse stage. What passes must be as parse.h
// promises: headers in order and inside the frame, options that can be walked.
//
// Input: flags (bit 0 needs_checksum, bits 1-2 gso_type), checksum_start U16, checksum_offset U8,
// gso_size U16, then the frame.
#include "packet/parse.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "wire/ip_protocol.h"
#include "wire/tcp_options.h"

namespace {

using namespace sluice;

constexpr size_t kPrefix = 6;

Offload read_offload(const uint8_t* at) {
  Offload offload;
  offload.gso_type = static_cast<GsoType>(at[0] >> 1 & 3);
  offload.needs_checksum = (at[0] & 1) != 0 || offload.gso_type != GsoType::none;
  offload.checksum_start = load_be16(at + 1);
  offload.checksum_offset = at[3];
  offload.gso_size = load_be16(at + 4);
  return offload;
}

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
  if (size < kPrefix) return 0;
  // Exactly as large as the frame and its headroom, so that the sanitizer sees every overrun.
  std::vector<uint8_t> buffer(kHeadroom + size - kPrefix);
  if (size > kPrefix) std::memcpy(buffer.data() + kHeadroom, data + kPrefix, size - kPrefix);
  Packet packet;
  packet.data = buffer.data() + kHeadroom;
  packet.length = static_cast<uint32_t>(size - kPrefix);
  packet.offload = read_offload(data);
  parse(packet);
  if (packet.verdict == Verdict::drop) {
    SLUICE_CHECK(packet.drop_reason != DropReason::count);
  } else {
    SLUICE_CHECK(packet.verdict == Verdict::none);
    check_passed(packet);
  }
  return 0;
}
