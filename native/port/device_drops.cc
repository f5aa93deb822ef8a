#include "port/device_drops.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "port/host_error.h"

namespace sluice {
namespace {

// Eight figures of what came in, then bytes, packets, errors, drops of what went out.
constexpr int kSentDropped = 11;

// The figure of a line, if that is of `device`: "  eth0: 1 2 3 ...".
std::optional<uint64_t> figure_of(std::string_view line, std::string_view device) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (line.substr(0, device.size()) != device) return std::nullopt;
  line.remove_prefix(device.size());
  if (line.empty() || line[0] != ':') return std::nullopt;
  line.remove_prefix(1);
  uint64_t figure = 0;
  for (int i = 0; i <= kSentDropped; ++i) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), figure);
    if (error != std::errc()) return std::nullopt;
    line.remove_prefix(static_cast<size_t>(end - line.data()));
  }
  return figure;
}

}  // namespace

Result<DeviceDrops> DeviceDrops::open() {
  // Not /proc/net, which is that of the process's first thread.
  FileDescriptor file(::open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return host_error("open /proc/thread-self/net/dev", errno, "");
  return DeviceDrops(std::move(file));
}

std::optional<uint64_t> DeviceDrops::sent(const std::string& device) {
  std::array<char, 4096> piece;
  size_t kept = 0;  // the beginning of a line that goes on in the next piece
  for (off_t at = 0;;) {
    const ssize_t size = pread(file_.get(), piece.data() + kept, piece.size() - kept, at);
    if (size <= 0) return std::nullopt;
    at += size;
    std::string_view text(piece.data(), kept + static_cast<size_t>(size));
    for (size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
      const std::optional<uint64_t> figure = figure_of(text.substr(0, end), device);
      if (figure) return figure;
      text.remove_prefix(end + 1);
    }
    kept = text.size();
    std::memmove(piece.data(), text.data(), kept);
  }
}

}  // namespace sluice
