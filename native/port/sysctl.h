#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "port/file_descriptor.h"

namespace sluice {

// Settings under /proc/sys/net, of the network namespace of the calling thread. `name` is the path
// below it, as in "ipv4/conf/eth0/forwarding"; nothing where the kernel has no such setting.
std::optional<std::string> read_sysctl(const std::string& name);
Status write_sysctl(const std::string& name, const std::string& value);

// Sets it, and keeps it open, so that rewrite_sysctl() can set it again, from whatever network
// namespace, but with CAP_NET_ADMIN in that of the setting.
Result<FileDescriptor> open_and_write_sysctl(const std::string& name, const std::string& value);
void rewrite_sysctl(const FileDescriptor& setting, const std::string& value);

}  // namespace sluice
