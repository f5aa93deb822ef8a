#pragma once

#include <string>

#include "base/result.h"
#include "port/file_descriptor.h"
#include "wire/address.h"

namespace sluice {

// Keeps others from the same MAC address on the same device, as long as it lives: two engines would
// both answer and both forward. It is a name of the abstract kind (unix(7)), which belongs to the
// network namespace, and which vanishes with the process, however that ends.
class DeviceClaim {
 public:
  // Called inside the network namespace of the device.
  static Result<DeviceClaim> make(const std::string& device, int link_index, const MacAddress& mac);

 private:
  explicit DeviceClaim(FileDescriptor socket) : socket_(std::move(socket)) {}

  FileDescriptor socket_;
};

}  // namespace sluice
