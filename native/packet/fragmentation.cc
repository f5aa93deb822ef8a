#include "packet/fragmentation.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "wire/ipv4.h"

namespace sluice {

namespace {

constexpr uint8_t kEndOfOptions = 0;
constexpr uint8_t kNoOperation = 1;
constexpr uint8_t kCopied = 0x80;  // RFC 791 3.1: in all fragments, not only in the first

// Copies the options that every fragment has. The header's new length.
size_t copy_options(const uint8_t* from, uint8_t* to) {
  const size_t end = size_t{from[0] & 0xfu} * 4;
  size_t length = Ipv4Header::kSize;
  for (size_t i = Ipv4Header::kSize; i < end && from[i] != kEndOfOptions;) {
    if (from[i] == kNoOperation) {
      ++i;
      continue;
    }
    const size_t size = from[i + 1];  // sound: the packet has been parsed
    if (from[i] & kCopied) {
      std::memcpy(to + length, from + i, size);
      length += size;
    }
    i += size;
  }
  for (; length % 4 != 0; ++length) to[length] = kEndOfOptions;
  to[0] = static_cast<uint8_t>(0x40 | length / 4);
  return length;
}

}  // namespace

bool may_be_fragmented(const Packet& packet) {
  return packet.headers.family == 4 && !Ipv4Header(packet.at(packet.headers.l3)).dont_fragment();
}

Fragmenter::Fragmenter(const Packet& whole, uint16_t mtu)
    : whole_(whole), mtu_(mtu), size_(whole.headers.end - whole.headers.l4) {
  SLUICE_CHECK(whole.offload.gso_type == GsoType::none && !whole.offload.needs_checksum);
}

void Fragmenter::next(uint8_t* buffer, Packet& piece) {
  const Headers& headers = whole_.headers;
  std::memcpy(buffer, whole_.data, headers.l3);
  uint8_t* at = buffer + headers.l3;
  const size_t header = write_header(at);
  const size_t room = (mtu_ - header) & ~size_t{7};
  const size_t size = std::min(room, remaining());
  std::memcpy(at + header, whole_.at(headers.l4 + offset_), size);
  const Ipv4Header original(whole_.at(headers.l3));
  const bool more = size < remaining() || original.more_fragments();
  const size_t offset = (original.fragment_offset() + offset_) / 8;
  Ipv4Header ip(at);
  ip.set_total_length(static_cast<uint16_t>(header + size));
  ip.set_fragment(static_cast<uint16_t>(offset | (more ? Ipv4Header::kMoreFragments : 0)));
  ip.complete_checksum();
  piece = whole_;
  piece.data = buffer;
  piece.length = static_cast<uint32_t>(headers.l3 + header + size);
  piece.offload = Offload{};
  offset_ += size;
}

size_t Fragmenter::write_header(uint8_t* ip) const {
  const uint8_t* original = whole_.at(whole_.headers.l3);
  std::memcpy(ip, original, whole_.headers.l4 - whole_.headers.l3);
  return offset_ == 0 ? whole_.headers.l4 - whole_.headers.l3 : copy_options(original, ip);
}

}  // namespace sluice
