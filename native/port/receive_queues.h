#pragma once

#include <cstdint>
#include <string>

namespace sluice {

// Over how many queues a device of the calling thread's network namespace spreads what it receives.
// 1 where it does not say.
uint32_t receive_queues(const std::string& device);

}  // namespace sluice
