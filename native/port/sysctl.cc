#include "port/sysctl.h"

#include <fcntl.h>

#include <cerrno>

#include "port/file_descriptor.h"

namespace sluice {
namespace {

std::string path_of(const std::string& name) { return "/proc/sys/net/" + name; }

}  // namespace

std::optional<std::string> read_sysctl(const std::string& name) {
  FileDescriptor file(open(path_of(name).c_str(), O_RDONLY | O_CLOEXEC));
  char text[64];
  const ssize_t size = file.is_open() ? read(file.get(), text, sizeof text) : -1;
  if (size <= 0) return std::nullopt;
  std::string value(text, static_cast<size_t>(size));
  while (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

Status write_sysctl(const std::string& name, const std::string& value) {
  FileDescriptor file(open(path_of(name).c_str(), O_WRONLY | O_CLOEXEC));
  if (file.is_open() &&
      write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size())) {
    return Done{};
  }
  return Error{"write " + path_of(name), errno,
               "Set it to " + value +
                   " yourself, or run where /proc/sys is writable (as root; in "
                   "a container, not with a read-only /proc/sys)."};
}

}  // namespace sluice
