#pragma once

#include <string>

#include "base/result.h"
#include "port/file_descriptor.h"

namespace sluice {

// The XDP program of a device, which sends every frame of a receive queue to the AF_XDP socket that
// is entered for the queue, and lets the kernel have the others. It stays attached as long as this
// object lives, and no longer than the process.
class XdpRedirect {
 public:
  // Attaches it in the calling thread's network namespace: in the driver where that has XDP, else
  // in front of the kernel's stack.
  static Result<XdpRedirect> attach(int link_index, const std::string& device);

  // From now on the frames of queue 0 go to the socket.
  Status direct_to(int socket);

  // In the driver; if not, `refusal` is the errno with which the driver refused.
  bool in_driver() const { return refusal_ == 0; }
  int refusal() const { return refusal_; }

 private:
  XdpRedirect(FileDescriptor map, FileDescriptor link, int refusal)
      : map_(std::move(map)), link_(std::move(link)), refusal_(refusal) {}

  FileDescriptor map_;
  FileDescriptor link_;
  int refusal_;
};

}  // namespace sluice
