#include "process/end_guard.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/wakeup.h"

namespace sluice {

namespace {

constexpr int kSignals[] = {SIGTERM, SIGINT};
constexpr char kMessage[] =
    "sluice: nothing came of the signal to end: JavaScript never returns; ending without it\n";

// One for the process, made once and never taken away: a handler may be running at any time.
struct Guard {
  Wakeup asked;
  std::atomic<int> signal{0};
  struct sigaction before[2];
};
std::atomic<Guard*> guard{nullptr};

struct sigaction& before_of(int signal) {
  return guard.load()->before[signal == kSignals[0] ? 0 : 1];
}

// Only what signal-safety(7) allows.
void on_signal(int signal, siginfo_t* info, void* context) {
  Guard* const here = guard.load();
  here->signal.store(signal);
  here->asked.ring();
  const struct sigaction& before = before_of(signal);
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(signal, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(signal);
  }
}

void watch(Guard& here, int grace_ms, const std::function<void()>& before_end) {
  pollfd asked{here.asked.fd(), POLLIN, 0};
  while (poll(&asked, 1, -1) < 1) {
  }
  poll(nullptr, 0, grace_ms);
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  before_end();
  _exit(128 + here.signal.load());
}

}  // namespace

void guard_end(int grace_ms, std::function<void()> before_end) {
  if (guard.load() != nullptr) return;
  auto* const made = new Guard;
  guard.store(made);
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], nullptr, &made->before[i]);
    struct sigaction ours {};
    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&ours.sa_mask);
    sigaction(kSignals[i], &ours, nullptr);
  }
  std::thread([made, grace_ms, before_end = std::move(before_end)] {
    watch(*made, grace_ms, before_end);
  }).detach();
}

}  // namespace sluice
