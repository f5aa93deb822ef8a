#pragma once

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <initializer_list>

namespace sluice::test {

// Leaves the calling thread these capabilities only. Returns whether that worked.
inline bool keep_capabilities(std::initializer_list<int> kept) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  for (const int each : kept) {
    const uint32_t bit = uint32_t{1} << (each % 32);
    sets[each / 32].permitted |= bit;
    sets[each / 32].effective |= bit;
  }
  return syscall(SYS_capset, &header, sets) == 0;
}

}  // namespace sluice::test
