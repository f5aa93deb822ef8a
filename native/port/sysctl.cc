#include "port/sysctl.h"

#include <fcntl.h>

#include <cerrno>

namespace sluice {
namespace {

std::string path_of(const std::string& name) { return "/proc/sys/net/" + name; }

bool write_all(const FileDescriptor& setting, const std::string& value) {
  return pwrite(setting.get(), value.data(), value.size(), 0) == static_cast<ssize_t>(value.size());
}

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
  Result<FileDescriptor> setting = open_and_write_sysctl(name, value);
  if (!setting.ok()) return setting.error();
  return Done{};
}

Result<FileDescriptor> open_and_write_sysctl(const std::string& name, const std::string& value) {
  FileDescriptor setting(open(path_of(name).c_str(), O_WRONLY | O_CLOEXEC));
  if (setting.is_open() && write_all(setting, value)) return setting;
  return Error{"write " + path_of(name), errno,
               "Set it to " + value +
                   " yourself, or run where /proc/sys is writable (as root; in "
                   "a container, not with a read-only /proc/sys)."};
}

void rewrite_sysctl(const FileDescriptor& setting, const std::string& value) {
  (void)write_all(setting, value);
}

}  // namespace sluice
