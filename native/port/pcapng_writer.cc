#include "port/pcapng_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "packet/packet.h"

namespace sluice {
namespace {

constexpr uint32_t kSectionHeaderBlock = 0x0a0d0d0a;
constexpr uint32_t kInterfaceBlock = 1;
constexpr uint32_t kEnhancedPacketBlock = 6;
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint16_t kLinkTypeEthernet = 1;
constexpr uint16_t kEndOfOptions = 0;
constexpr uint16_t kUserApplication = 4;      // of the section header
constexpr uint16_t kInterfaceName = 2;        // of an interface
constexpr uint16_t kTimestampResolution = 9;  // of an interface
constexpr uint16_t kPacketFlags = 2;          // of a packet
constexpr uint16_t kPacketsLost = 4;          // of a packet
constexpr uint8_t kNanoseconds = 9;           // 10^-9 s

constexpr size_t kFlushAt = 256 * 1024;
constexpr size_t kLargestBlock = kMaxFrame + 80;

ConstByteSpan bytes_of(const char* text) {
  return {reinterpret_cast<const uint8_t*>(text), std::strlen(text)};
}

}  // namespace

Result<std::unique_ptr<PcapngWriter>> PcapngWriter::create(const std::string& path) {
  const std::string operation = "write capture " + path;
  FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!file.is_open() && errno == ENXIO) {
    return Error{operation, errno, "Nobody reads this FIFO: start its reader first."};
  }
  if (!file.is_open()) {
    return Error{operation, errno, "Name a file in a directory that exists and is writable."};
  }
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error{operation, errno, "Another port or process writes this file: name another."};
  }
  // A FIFO cannot be truncated and need not be.
  if (ftruncate(file.get(), 0) != 0 && errno != EINVAL) return Error{operation, errno, ""};
  return std::unique_ptr<PcapngWriter>(new PcapngWriter(std::move(file)));
}

PcapngWriter::PcapngWriter(FileDescriptor file) : file_(std::move(file)) {
  buffer_.reserve(kFlushAt + kLargestBlock);
  begin_block(kSectionHeaderBlock);
  put(kByteOrderMagic);
  put(uint16_t{1});  // version 1.0
  put(uint16_t{0});
  put(std::numeric_limits<uint64_t>::max());  // length of the section: not known
  option(kUserApplication, bytes_of("sluice"));
  option(kEndOfOptions, {});
  end_block();
}

uint32_t PcapngWriter::add_interface(const std::string& name) {
  begin_block(kInterfaceBlock);
  put(kLinkTypeEthernet);
  put(uint16_t{0});
  put(uint32_t{0});  // no limit to the length of a frame
  option(kInterfaceName, bytes_of(name.c_str()));
  option(kTimestampResolution, {&kNanoseconds, 1});
  option(kEndOfOptions, {});
  end_block();
  lost_.push_back(0);
  return static_cast<uint32_t>(lost_.size() - 1);
}

void PcapngWriter::add_frame(uint32_t interface, uint64_t unix_nanoseconds,
                             CaptureDirection direction, ConstByteSpan frame) {
  const auto length = static_cast<uint32_t>(frame.size());
  if (buffer_.size() >= kFlushAt) flush();
  if (buffer_.size() >= kFlushAt) {
    ++lost_[interface];
    return;
  }
  begin_block(kEnhancedPacketBlock);
  put(interface);
  put(static_cast<uint32_t>(unix_nanoseconds >> 32));
  put(static_cast<uint32_t>(unix_nanoseconds));
  put(length);  // captured
  put(length);  // on the link
  padded(frame);
  number_option(kPacketFlags, static_cast<uint32_t>(direction));
  if (lost_[interface] > 0) number_option(kPacketsLost, std::exchange(lost_[interface], 0));
  option(kEndOfOptions, {});
  end_block();
}

void PcapngWriter::flush() {
  size_t done = 0;
  while (done < buffer_.size() && !failed_) {
    const ssize_t written = write(file_.get(), buffer_.data() + done, buffer_.size() - done);
    if (written > 0) done += static_cast<size_t>(written);
    if (written < 0 && errno == EAGAIN) break;
    if (written < 0 && errno != EINTR) failed_ = true;
  }
  if (failed_) done = buffer_.size();
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(done));
}

void PcapngWriter::begin_block(uint32_t type) {
  block_start_ = buffer_.size();
  put(type);
  put(uint32_t{0});  // its length, which end_block() fills in
}

void PcapngWriter::end_block() {
  const auto length = static_cast<uint32_t>(buffer_.size() - block_start_ + sizeof(uint32_t));
  std::memcpy(buffer_.data() + block_start_ + sizeof(uint32_t), &length, sizeof length);
  put(length);
}

void PcapngWriter::option(uint16_t code, ConstByteSpan value) {
  put(code);
  put(static_cast<uint16_t>(value.size()));
  padded(value);
}

void PcapngWriter::padded(ConstByteSpan bytes) {
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  while (buffer_.size() % 4 != 0) buffer_.push_back(0);
}

}  // namespace sluice
