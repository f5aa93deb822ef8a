#include "port/netns.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <thread>

#include "port/host_error.h"

namespace sluice {

Result<Netns> Netns::open(const std::string& name) {
  Netns netns;
  if (name.empty()) return netns;
  const std::string path = name.find('/') == std::string::npos ? "/run/netns/" + name : name;
  FileDescriptor handle(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!handle.is_open()) {
    if (errno != ENOENT) return host_error("open network namespace " + path, errno, "");
    return Error{"open network namespace " + path, ENOENT,
                 "There is no such network namespace: make it with `ip netns add NAME`."};
  }
  netns.handle_ = std::make_shared<FileDescriptor>(std::move(handle));
  netns.name_ = path;
  return netns;
}

Status Netns::run_inside(const std::function<void()>& work) const {
  int error_number = 0;
  std::thread helper([&] {
    if (setns(handle_->get(), CLONE_NEWNET) == 0) {
      work();
    } else {
      error_number = errno;
    }
  });
  helper.join();
  if (error_number == 0) return Done{};
  const std::string operation = "enter network namespace " + name_;
  if (error_number == EPERM) {
    return Error{
        operation, EPERM,
        "Run as root or give the process CAP_SYS_ADMIN, which entering a namespace takes."};
  }
  if (error_number == EINVAL) {
    return Error{operation, EINVAL, "\"" + name_ + "\" is no network namespace: correct `netns`."};
  }
  return host_error(operation, error_number, "");
}

}  // namespace sluice
