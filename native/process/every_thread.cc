#include "process/every_thread.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace sluice {

namespace {

// glibc's own for this very purpose (setuid(2) of all threads, nptl(7)): its functions block it in
// no thread, while V8 and Node have threads that block all others. It is borrowed and given back.
constexpr int kSignal = 33;
constexpr int kPatienceMs = 5000;

// What rt_sigaction(2) takes, without the C library, which keeps this signal from its callers.
struct KernelAction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

int set_action(int signal, const KernelAction* action, KernelAction* old) {
  return static_cast<int>(
      syscall(SYS_rt_sigaction, signal, action, old, sizeof KernelAction::mask));
}

std::mutex one_at_a_time;
const std::function<void()>* asked = nullptr;
std::atomic<int> answered{0};  // the thread that did it last

void on_signal(int) {
  const int error_number = errno;
  (*asked)();
  errno = error_number;
  answered.store(static_cast<int>(syscall(SYS_gettid)));
}

// The C library's handlers come back through code of its own, which ours has to name as well: of a
// signal that is set by the book.
Status borrow_signal(KernelAction& old) {
  struct sigaction before {};
  struct sigaction by_the_book {};
  by_the_book.sa_handler = on_signal;
  KernelAction action{};
  if (sigaction(SIGRTMAX, &by_the_book, &before) != 0 ||
      set_action(SIGRTMAX, nullptr, &action) != 0 || sigaction(SIGRTMAX, &before, nullptr) != 0) {
    return Error{"find how signal handlers return", errno, {}};
  }
  action.flags |= SA_RESTART;
  action.mask = ~uint64_t{0};
  if (set_action(kSignal, &action, &old) != 0) return Error{"rt_sigaction", errno, {}};
  return Done{};
}

std::vector<int> threads() {
  std::vector<int> found;
  DIR* const folder = opendir("/proc/self/task");
  if (folder == nullptr) return found;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') found.push_back(std::atoi(entry->d_name));
  }
  closedir(folder);
  return found;
}

Status ask(int thread) {
  answered.store(0);
  if (syscall(SYS_tgkill, getpid(), thread, kSignal) != 0) return Done{};  // it has ended
  for (int waited = 0; answered.load() != thread; ++waited) {
    if (syscall(SYS_tgkill, getpid(), thread, 0) != 0) return Done{};
    if (waited == kPatienceMs) {
      return Error{"reach thread " + std::to_string(thread), ETIMEDOUT, {}};
    }
    poll(nullptr, 0, 1);
  }
  return Done{};
}

// Threads that the last look did not show may have been made by one that had not done it yet.
Status ask_all() {
  std::set<int> done;
  for (bool more = true; more;) {
    more = false;
    for (const int thread : threads()) {
      if (!done.insert(thread).second) continue;
      more = true;
      Status reached = ask(thread);
      if (!reached.ok()) return reached;
    }
  }
  if (done.empty()) return Error{"read /proc/self/task", errno, {}};
  return Done{};
}

}  // namespace

Status on_every_thread(const std::function<void()>& work) {
  const std::lock_guard lock(one_at_a_time);
  asked = &work;
  KernelAction before{};
  Status borrowed = borrow_signal(before);
  if (!borrowed.ok()) return borrowed;
  Status all = ask_all();
  // After a time-out the signal is still on its way, and `work` is gone: the handler has to stay,
  // without anything to do.
  if (all.ok()) {
    set_action(kSignal, &before, nullptr);
  } else {
    static const std::function<void()> nothing = [] {};
    asked = &nothing;
  }
  return all;
}

}  // namespace sluice
