#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "base/random.h"
#include "port/virtio_header.h"

using namespace sluice;

namespace {

struct Fields {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t header_length = 0;
  uint16_t gso_size = 0;
  uint16_t checksum_start = 0;
  uint16_t checksum_offset = 0;
};

using Header = std::array<uint8_t, kVirtioHeaderSize>;

Header bytes_of(const Fields& fields) {
  Header bytes{};
  static_assert(sizeof fields == kVirtioHeaderSize);
  std::memcpy(bytes.data(), &fields, sizeof fields);
  return bytes;
}

struct Case {
  const char* description;
  Fields fields;
  size_t frame_length;
  bool valid;
};

const Case kCases[] = {
    {"plain frame", {}, 60, true},
    {"partial checksum", {1, 0, 0, 0, 34, 16}, 66, true},
    {"checksum field ends with the frame", {1, 0, 0, 0, 34, 16}, 52, true},
    {"checksum field beyond the frame", {1, 0, 0, 0, 34, 16}, 51, false},
    {"checksum start beyond the frame", {1, 0, 0, 0, 9000, 16}, 60, false},
    {"checksum sum of 16 bits overflows", {1, 0, 0, 0, 0xfff0, 0x20}, 60, false},
    {"checksum starts inside the Ethernet header", {1, 0, 0, 0, 13, 16}, 66, false},
    {"checksum verified", {2, 0, 0, 0, 0, 0}, 66, true},
    {"TSO IPv4", {1, 1, 66, 1448, 34, 16}, 64000, true},
    {"TSO IPv6", {1, 4, 86, 1428, 54, 16}, 64000, true},
    {"TSO with ECN", {1, 0x81, 66, 1448, 34, 16}, 64000, true},
    {"USO", {1, 5, 42, 1472, 34, 6}, 64000, true},
    {"GSO without a segment size", {1, 1, 66, 0, 34, 16}, 64000, false},
    {"GSO of a complete checksum", {0, 1, 66, 1448, 34, 16}, 64000, false},
    {"GSO of a verified checksum", {2, 1, 66, 1448, 34, 16}, 64000, false},
    {"UDP fragmentation, which is not negotiated", {1, 3, 42, 1472, 34, 6}, 64000, false},
    {"unknown GSO type", {1, 7, 42, 1472, 34, 6}, 64000, false},
};

constexpr GsoType kGsoTypes[] = {GsoType::none, GsoType::tcp4, GsoType::tcp6, GsoType::udp};

}  // namespace

TEST_CASE("TCPX-32 TCPX-34 virtio header: what is accepted and what is not") {
  for (const Case& c : kCases) {
    CAPTURE(c.description);
    Offload offload;
    offload.needs_checksum = true;
    CHECK(read_virtio_header(bytes_of(c.fields).data(), c.frame_length, offload) == c.valid);
    const bool partial = (c.fields.flags & 1) != 0;
    CHECK(offload.needs_checksum == (c.valid && partial));
    CHECK((offload.gso_type != GsoType::none) == (c.valid && c.fields.gso_type != 0));
    if (c.valid && partial) {
      CHECK(offload.checksum_start == c.fields.checksum_start);
      CHECK(offload.checksum_offset == c.fields.checksum_offset);
    }
  }
}

TEST_CASE("TCPX-33 virtio header: only the kernel's flag counts, and not on a partial checksum") {
  Offload offload;
  REQUIRE(read_virtio_header(bytes_of({2, 0, 0, 0, 0, 0}).data(), 60, offload));
  CHECK(offload.checksum_verified);
  REQUIRE(read_virtio_header(bytes_of({3, 0, 0, 0, 34, 16}).data(), 60, offload));
  CHECK_FALSE(offload.checksum_verified);
  REQUIRE(read_virtio_header(bytes_of({}).data(), 60, offload));
  CHECK_FALSE(offload.checksum_verified);

  Offload verified;
  verified.checksum_verified = true;
  Header header;
  write_virtio_header(verified, 60, header.data());
  CHECK(header == Header{});
}

TEST_CASE("TCPX-34 virtio header: what is written reads back the same") {
  Random random(3);
  for (int i = 0; i < 20000; ++i) {
    const size_t length = 60 + random.below(65000);
    Offload offload;
    offload.gso_type = kGsoTypes[random.below(4)];
    offload.needs_checksum = offload.gso_type != GsoType::none || random.chance(0.5);
    if (offload.needs_checksum) {
      offload.checksum_start = static_cast<uint16_t>(14 + random.below(40));
      offload.checksum_offset = random.chance(0.5) ? 16 : 6;
      if (offload.checksum_start + offload.checksum_offset + 2u > length) continue;
    }
    if (offload.gso_type != GsoType::none) {
      offload.gso_size = static_cast<uint16_t>(1 + random.below(0xffff));
      offload.gso_ecn = offload.gso_type != GsoType::udp && random.chance(0.5);
    }
    Header header;
    write_virtio_header(offload, length, header.data());
    Offload back;
    REQUIRE(read_virtio_header(header.data(), length, back));
    CHECK(back.needs_checksum == offload.needs_checksum);
    CHECK(back.checksum_start == offload.checksum_start);
    CHECK(back.checksum_offset == offload.checksum_offset);
    CHECK(back.gso_type == offload.gso_type);
    CHECK(back.gso_size == offload.gso_size);
    CHECK(back.gso_ecn == offload.gso_ecn);
  }
}

TEST_CASE("TCPX-34 virtio header: a header length that cannot be right is not passed on") {
  const Offload super{.needs_checksum = true,
                      .gso_type = GsoType::tcp4,
                      .checksum_start = 34,
                      .checksum_offset = 16,
                      .gso_size = 1448};
  const auto written = [&](uint16_t hint, size_t length) {
    Offload offload = super;
    offload.header_length = hint;
    Header header;
    write_virtio_header(offload, length, header.data());
    Offload back;
    REQUIRE(read_virtio_header(header.data(), length, back));
    return back.header_length;
  };
  CHECK(written(66, 64000) == 66);
  CHECK(written(0, 64000) == 94);
  CHECK(written(34, 64000) == 94);
  CHECK(written(60000, 64000) == 94);
  CHECK(written(66, 60) == 60);
}

TEST_CASE("TCPX-32 virtio header: no bytes break it, and what it accepts lies within the frame") {
  Random random(11);
  for (int i = 0; i < 200000; ++i) {
    Header header;
    for (uint8_t& byte : header) byte = static_cast<uint8_t>(random.next());
    if (random.chance(0.7)) {  // mostly of known types, with small offsets
      header[0] &= 3;
      header[1] = static_cast<uint8_t>(random.below(6));
      header[7] = header[9] = 0;
    }
    const size_t length = random.below(kMaxFrame + 1);
    Offload offload;
    const bool valid = read_virtio_header(header.data(), length, offload);
    if (!valid) CHECK_FALSE((offload.needs_checksum || offload.checksum_verified));
    if (offload.needs_checksum) {
      REQUIRE(offload.checksum_start + offload.checksum_offset + 2u <= length);
    }
    if (offload.gso_type != GsoType::none) {
      REQUIRE(offload.needs_checksum);
      REQUIRE(offload.gso_size > 0);
    }
    REQUIRE(offload.header_length <= length);
  }
}
