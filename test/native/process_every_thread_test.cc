// What is done for the process by doing it on each of its threads.
#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "process/every_thread.h"

using namespace sluice;

namespace {

// As V8 and Node have them: one computes, one sleeps, one has blocked every signal.
class Threads {
 public:
  Threads() {
    threads_.emplace_back([this] { compute(); });
    threads_.emplace_back([this] { sleep(); });
    threads_.emplace_back([this] {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, nullptr);
      sleep();
    });
    while (running_.load() < 3) std::this_thread::yield();
  }
  ~Threads() {
    stop_.store(true);
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void compute() {
    ++running_;
    while (!stop_.load()) std::this_thread::yield();
  }
  void sleep() {
    ++running_;
    while (!stop_.load()) poll(nullptr, 0, 20);
  }

  std::atomic<bool> stop_{false};
  std::atomic<int> running_{0};
  std::vector<std::thread> threads_;
};

thread_local int done_here = 0;

// ThreadSanitizer calls none but the handlers that it was told of, for signals that the C library
// lets it have, and has a thread of its own that can run none of them.
bool can_interrupt() {
#ifdef __SANITIZE_THREAD__
  std::printf("SKIPPED: under ThreadSanitizer no thread is interrupted behind its back\n");
  return false;
#else
  return true;
#endif
}

}  // namespace

TEST_CASE("every thread does it once, whatever it is at and whichever signals it blocks") {
  if (!can_interrupt()) return;
  Threads threads;
  std::atomic<int> done{0};
  std::atomic<int> twice{0};
  const Status all = on_every_thread([&] {
    ++done;
    if (++done_here > 1) ++twice;
  });
  CHECK(all.ok());
  CHECK(done.load() >= 4);
  CHECK(twice.load() == 0);
  const int first = done.load();
  CHECK(on_every_thread([&] { ++done; }).ok());
  CHECK(done.load() == 2 * first);
}

TEST_CASE("the signal that was borrowed has its handler back") {
  if (!can_interrupt()) return;
  struct sigaction before {};
  struct sigaction after {};
  sigaction(SIGRTMAX, nullptr, &before);
  CHECK(on_every_thread([] {}).ok());
  sigaction(SIGRTMAX, nullptr, &after);
  CHECK((before.sa_handler == after.sa_handler));
}
