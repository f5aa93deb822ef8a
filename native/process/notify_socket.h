// process/: what concerns the process as a whole: who supervises it, and how it ends.
#pragma once

#include <string>

#include "base/result.h"

namespace sluice {

// Sends one message to a service manager (sd_notify(3)): a datagram to a Unix socket. A path that
// begins with '@' is one in the abstract namespace (unix(7)). Never waits.
Status send_to_notify_socket(const std::string& path, const std::string& message);

}  // namespace sluice
