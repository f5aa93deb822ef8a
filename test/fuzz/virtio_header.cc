// Any virtio-net header before a frame of any length: what is accepted lies within the frame, and
// what is written from it says the same.
#include "port/virtio_header.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace {

using namespace sluice;

constexpr size_t kLengthBytes = 4;

void check_accepted(const Offload& offload, size_t length) {
  SLUICE_CHECK(offload.header_length <= length);
  if (offload.needs_checksum) {
    SLUICE_CHECK(!offload.checksum_verified);
    SLUICE_CHECK(size_t{offload.checksum_start} + offload.checksum_offset + 2 <= length);
  }
  if (offload.gso_type != GsoType::none) {
    SLUICE_CHECK(offload.needs_checksum && offload.gso_size > 0);
  }
}

// Verification is not passed on, and the header length is a hint that may be replaced.
Offload without_what_is_not_kept(Offload offload) {
  offload.checksum_verified = false;
  offload.header_length = 0;
  return offload;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kLengthBytes + kVirtioHeaderSize) return 0;
  uint32_t length;
  std::memcpy(&length, data, kLengthBytes);
  length %= kMaxFrame + 1;
  Offload offload;
  const bool accepted = read_virtio_header(data + kLengthBytes, length, offload);
  if (!accepted) {
    SLUICE_CHECK(offload == Offload());
    return 0;
  }
  check_accepted(offload, length);
  std::array<uint8_t, kVirtioHeaderSize> written;
  write_virtio_header(offload, length, written.data());
  Offload again;
  SLUICE_CHECK(read_virtio_header(written.data(), length, again));
  SLUICE_CHECK(without_what_is_not_kept(again) == without_what_is_not_kept(offload));
  return 0;
}
