#include "wire/checksum.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace sluice {
namespace {

// The definition of RFC 1071, word by word.
uint16_t slow_sum(const uint8_t* at, size_t size) {
  uint32_t sum = 0;
  for (size_t i = 0; i < size; ++i) {
    sum += static_cast<uint32_t>(at[i]) << (i % 2 == 0 ? 8 : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

std::vector<uint8_t> random_bytes(Random& random, size_t size) {
  std::vector<uint8_t> bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
  return bytes;
}

TEST_CASE("TCPX-29 the example of RFC 1071 3") {
  const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  CHECK_EQ(sum_bytes(bytes, sizeof bytes), 0xddf2);
  CHECK_EQ(finish_checksum(sum_bytes(bytes, sizeof bytes)), 0x220d);
}

TEST_CASE("TCPX-29 the fast sum equals the definition for every size and alignment") {
  Random random(1);
  const std::vector<uint8_t> bytes = random_bytes(random, 300);
  for (size_t start = 0; start < 9; ++start) {
    for (size_t size = 0; size + start <= bytes.size(); ++size) {
      REQUIRE_EQ(sum_bytes(bytes.data() + start, size), slow_sum(bytes.data() + start, size));
    }
  }
}

TEST_CASE("TCPX-29 carries are not lost in a 64 KB frame of ones") {
  const std::vector<uint8_t> ones(65536, 0xff);
  CHECK_EQ(sum_bytes(ones.data(), ones.size()), 0xffff);
  CHECK_EQ(sum_bytes(ones.data(), ones.size() - 1), slow_sum(ones.data(), ones.size() - 1));
}

TEST_CASE("TCPX-29 pseudo-header sums equal the sum over a pseudo-header laid out in bytes") {
  Random random(2);
  for (int i = 0; i < 1000; ++i) {
    const std::vector<uint8_t> src = random_bytes(random, 16);
    const std::vector<uint8_t> dst = random_bytes(random, 16);
    const auto length = static_cast<uint32_t>(random.below(70000));
    uint8_t v6[40] = {};
    std::copy(src.begin(), src.end(), v6);
    std::copy(dst.begin(), dst.end(), v6 + 16);
    store_be32(v6 + 32, length);
    v6[39] = 6;
    REQUIRE_EQ(fold_sum(pseudo_header_sum_v6(src.data(), dst.data(), 6, length)),
               slow_sum(v6, sizeof v6));
    uint8_t v4[12] = {};
    std::copy_n(src.begin(), 4, v4);
    std::copy_n(dst.begin(), 4, v4 + 4);
    v4[9] = 17;
    store_be16(v4 + 10, static_cast<uint16_t>(length));
    REQUIRE_EQ(fold_sum(pseudo_header_sum_v4(src.data(), dst.data(), 17, length & 0xffff)),
               slow_sum(v4, sizeof v4));
  }
}

TEST_CASE("TCPX-29 the example of RFC 1624 4: the result is 0000 and not FFFF") {
  ChecksumDelta delta;
  delta.replace16(0x5555, 0x3285);
  CHECK_EQ(delta.applied_to_checksum(0xdd2f), 0x0000);
}

TEST_CASE("TCPX-29 incremental changes at any offset equal a full recomputation") {
  Random random(3);
  for (int i = 0; i < 200'000; ++i) {
    std::vector<uint8_t> bytes = random_bytes(random, 64);
    const uint16_t before = finish_checksum(sum_bytes(bytes.data(), bytes.size()));
    ChecksumDelta delta;
    for (uint64_t changes = random.below(4) + 1; changes > 0; --changes) {
      const size_t at = random.below(60);
      const auto value = static_cast<uint32_t>(random.next());
      if (random.chance(0.5)) {
        delta.replace32_at(at, load_be32(&bytes[at]), value);
        store_be32(&bytes[at], value);
      } else {
        delta.replace16_at(at, load_be16(&bytes[at]), static_cast<uint16_t>(value));
        store_be16(&bytes[at], static_cast<uint16_t>(value));
      }
    }
    REQUIRE_EQ(delta.applied_to_checksum(before),
               finish_checksum(sum_bytes(bytes.data(), bytes.size())));
  }
}

TEST_CASE("TCPX-29 128-bit words change as four of 32 bits") {
  Random random(4);
  std::vector<uint8_t> bytes = random_bytes(random, 32);
  const std::vector<uint8_t> address = random_bytes(random, 16);
  const uint16_t before = finish_checksum(sum_bytes(bytes.data(), bytes.size()));
  ChecksumDelta delta;
  delta.replace128(&bytes[8], address.data());
  std::copy(address.begin(), address.end(), &bytes[8]);
  CHECK_EQ(delta.applied_to_checksum(before),
           finish_checksum(sum_bytes(bytes.data(), bytes.size())));
}

TEST_CASE("TCPX-30 a delta and its reverse give back every checksum but the second zero") {
  ChecksumDelta forward;
  forward.replace32(0x0a000001, 0xc0000264);
  ChecksumDelta back;
  back.replace32(0xc0000264, 0x0a000001);
  for (uint32_t checksum = 0; checksum < 0xffff; ++checksum) {
    const uint16_t there = forward.applied_to_checksum(static_cast<uint16_t>(checksum));
    REQUIRE_EQ(back.applied_to_checksum(there), checksum);
  }
  CHECK_EQ(back.applied_to_checksum(forward.applied_to_checksum(0xffff)), 0x0000);
  CHECK_EQ(ChecksumDelta{}.applied_to_checksum(0xffff), 0xffff);
}

}  // namespace
}  // namespace sluice
