#include "port/pcapng_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "packet/packet.h"

namespace sluice {
namespace {

constexpr size_t kFlushAt = 256 * 1024;
constexpr size_t kLargestBlock = kMaxFrame + 80;

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
  write_section_block(grow(kSectionBlock));
}

uint32_t PcapngWriter::add_interface(const std::string& name) {
  write_interface_block(grow(interface_block_size(name)), name, 0);
  lost_.push_back(0);
  return static_cast<uint32_t>(lost_.size() - 1);
}

void PcapngWriter::add_frame(uint32_t interface, uint64_t unix_nanoseconds,
                             CaptureDirection direction, ConstByteSpan bytes) {
  if (buffer_.size() >= kFlushAt) flush();
  if (buffer_.size() >= kFlushAt) {
    ++lost_[interface];
    return;
  }
  const FrameRecord frame{interface,
                          unix_nanoseconds,
                          direction,
                          bytes,
                          static_cast<uint32_t>(bytes.size()),
                          std::exchange(lost_[interface], 0)};
  write_frame_block(grow(frame_block_size(frame)), frame);
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

ByteSpan PcapngWriter::grow(size_t size) {
  const size_t before = buffer_.size();
  buffer_.resize(before + size);
  return {buffer_.data() + before, size};
}

}  // namespace sluice
