#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "port/file_descriptor.h"

namespace sluice {

// A network namespace to work in; copies share one handle, which keeps the namespace alive. Work
// is done on a short-lived thread that enters it, so no thread of the process ever changes its own.
class Netns {
 public:
  // '' is the namespace of the calling thread; otherwise a name as in /run/netns, or a path.
  static Result<Netns> open(const std::string& name);

  // Calls `work`, which returns a Result, inside the namespace and waits for it. Sockets that it
  // opens stay with the namespace.
  template <class Work>
  std::invoke_result_t<Work> run(Work work) const {
    if (handle_ == nullptr) return work();
    std::optional<std::invoke_result_t<Work>> result;
    Status entered = run_inside([&] { result.emplace(work()); });
    if (!entered.ok()) return entered.error();
    return std::move(*result);
  }

 private:
  Status run_inside(const std::function<void()>& work) const;

  std::shared_ptr<FileDescriptor> handle_;  // none: the calling thread's own namespace
  std::string name_;
};

}  // namespace sluice
