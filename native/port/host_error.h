#pragma once

#include <string>

#include "base/result.h"

namespace sluice {

// The Error of a system call that failed on behalf of `device`, with the remedy that its errno
// suggests. Where the caller knows better, it makes the Error itself.
Error host_error(std::string operation, int error_number, const std::string& device);

}  // namespace sluice
