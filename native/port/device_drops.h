#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "port/file_descriptor.h"

namespace sluice {

// How many frames the kernel had to drop on their way out of a device, from /proc/net/dev of the
// network namespace in which it was opened. Unlike rtnetlink and ethtool, reading it takes no lock
// for which the caller could wait (the kernel walks the devices under RCU).
class DeviceDrops {
 public:
  static Result<DeviceDrops> open();

  // None where there is no such device.
  std::optional<uint64_t> sent(const std::string& device);

 private:
  explicit DeviceDrops(FileDescriptor file) : file_(std::move(file)) {}

  FileDescriptor file_;
};

}  // namespace sluice
