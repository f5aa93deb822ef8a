#include "port/pcapng_blocks.h"

#include <cstring>
#include <limits>

#include "base/check.h"

namespace sluice {
namespace {

constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kInterface = 1;
constexpr uint32_t kStatistics = 5;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint16_t kLinkTypeEthernet = 1;
constexpr uint16_t kEndOfOptions = 0;
constexpr uint16_t kUserApplication = 4;      // of the section header
constexpr uint16_t kInterfaceName = 2;        // of an interface
constexpr uint16_t kTimestampResolution = 9;  // of an interface
constexpr uint16_t kPacketFlags = 2;          // of a packet
constexpr uint16_t kPacketsLost = 4;          // of a packet
constexpr uint16_t kReceived = 4;             // of the statistics
constexpr uint16_t kDropped = 5;              // of the statistics
constexpr uint8_t kNanoseconds = 9;           // 10^-9 s

constexpr size_t kFrame = 12;  // type, and the length at both ends
constexpr size_t kOption = 4;  // code and length

constexpr size_t padded(size_t size) { return (size + 3) & ~size_t{3}; }

ConstByteSpan bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Writes one block from its beginning to its end.
class BlockWriter {
 public:
  BlockWriter(ByteSpan room, uint32_t type) : room_(room) {
    put(type);
    put(uint32_t{0});  // its length, which end() fills in
  }

  template <class T>
  void put(T value) {
    append({reinterpret_cast<const uint8_t*>(&value), sizeof value});
  }
  void put_time(uint64_t unix_nanoseconds) {
    put(static_cast<uint32_t>(unix_nanoseconds >> 32));
    put(static_cast<uint32_t>(unix_nanoseconds));
  }
  void put_padded(ConstByteSpan bytes) {
    append(bytes);
    while (size_ % 4 != 0) put(uint8_t{0});
  }
  void option(uint16_t code, ConstByteSpan value) {
    put(code);
    put(static_cast<uint16_t>(value.size()));
    put_padded(value);
  }
  template <class T>
  void number_option(uint16_t code, T value) {
    option(code, {reinterpret_cast<const uint8_t*>(&value), sizeof value});
  }
  size_t end() {
    option(kEndOfOptions, {});
    const auto length = static_cast<uint32_t>(size_ + sizeof(uint32_t));
    std::memcpy(room_.data() + sizeof(uint32_t), &length, sizeof length);
    put(length);
    return size_;
  }

 private:
  void append(ConstByteSpan bytes) {
    SLUICE_CHECK(size_ + bytes.size() <= room_.size());
    if (!bytes.empty()) std::memcpy(room_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }

  ByteSpan room_;
  size_t size_ = 0;
};

}  // namespace

size_t interface_block_size(const std::string& name) {
  return kFrame + 8 + kOption + padded(name.size()) + kOption + padded(1) + kOption;
}

size_t frame_block_size(const FrameRecord& frame) {
  const size_t lost = frame.lost_before > 0 ? kOption + sizeof(uint64_t) : 0;
  return kFrame + 20 + padded(frame.bytes.size()) + kOption + sizeof(uint32_t) + lost + kOption;
}

size_t write_section_block(ByteSpan room) {
  BlockWriter block(room, kSectionHeader);
  block.put(kByteOrderMagic);
  block.put(uint16_t{1});  // version 1.0
  block.put(uint16_t{0});
  block.put(std::numeric_limits<uint64_t>::max());  // length of the section: not known
  block.option(kUserApplication, bytes_of("sluice"));
  return block.end();
}

size_t write_interface_block(ByteSpan room, const std::string& name, uint32_t most_bytes) {
  BlockWriter block(room, kInterface);
  block.put(kLinkTypeEthernet);
  block.put(uint16_t{0});
  block.put(most_bytes);
  block.option(kInterfaceName, bytes_of(name));
  block.option(kTimestampResolution, {&kNanoseconds, 1});
  return block.end();
}

size_t write_frame_block(ByteSpan room, const FrameRecord& frame) {
  BlockWriter block(room, kEnhancedPacket);
  block.put(frame.interface);
  block.put_time(frame.unix_nanoseconds);
  block.put(static_cast<uint32_t>(frame.bytes.size()));
  block.put(frame.length);
  block.put_padded(frame.bytes);
  block.number_option(kPacketFlags, static_cast<uint32_t>(frame.direction));
  if (frame.lost_before > 0) block.number_option(kPacketsLost, frame.lost_before);
  return block.end();
}

size_t write_statistics_block(ByteSpan room, uint32_t interface, uint64_t unix_nanoseconds,
                              uint64_t received, uint64_t lost) {
  BlockWriter block(room, kStatistics);
  block.put(interface);
  block.put_time(unix_nanoseconds);
  block.number_option(kReceived, received);
  block.number_option(kDropped, lost);
  return block.end();
}

}  // namespace sluice
