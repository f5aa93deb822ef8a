#include "process/capability_drop.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "process/every_thread.h"

namespace sluice {

namespace {

// Of the calling thread. Returns what failed, 0 for nothing.
int drop_of_thread(uint64_t kept) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
  if (syscall(SYS_capget, &header, sets) != 0) return errno;
  for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; ++half) {
    const auto mask = static_cast<uint32_t>(kept >> (32 * half));
    sets[half].permitted &= mask;
    sets[half].effective &= mask;
    sets[half].inheritable = 0;  // and with it the ambient ones
  }
  return syscall(SYS_capset, &header, sets) != 0 ? errno : 0;
}

}  // namespace

Status drop_capabilities(uint64_t kept) {
  std::atomic<int> failure{0};
  const std::function<void()> drop = [&] {
    const int error_number = drop_of_thread(kept);
    if (error_number != 0) failure.store(error_number);
  };
  Status asked = on_every_thread(drop);
  if (!asked.ok()) return asked;
  if (failure.load() != 0) return Error{"give up capabilities", failure.load(), {}};
  return Done{};
}

}  // namespace sluice
