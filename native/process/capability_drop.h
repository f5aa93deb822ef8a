#pragma once

#include <cstdint>

#include "base/result.h"

namespace sluice {

// Gives up all capabilities of the process, of every thread, but those of which `kept` has the bit
// (capabilities(7)), and for good: children get none, and none come back by execve(2) of a program
// that would bring some (PR_SET_NO_NEW_PRIVS), also for root.
Status drop_capabilities(uint64_t kept);

}  // namespace sluice
