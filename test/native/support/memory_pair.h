#pragma once

#include <string>

#include "port/memory_port.h"

namespace sluice::test {

inline MemoryPortOptions memory_options(const std::string& name, size_t queue_frames = 256) {
  MemoryPortOptions options;
  options.name = name;
  options.mac = MacAddress{{0x02, 0, 0, 0, 0, static_cast<uint8_t>(name.back())}};
  options.capabilities = {true, true, true, true, 1500};
  options.queue_frames = queue_frames;
  return options;
}

inline MemoryPort::Pair memory_pair(size_t queue_frames = 256) {
  return MemoryPort::make_pair(memory_options("a", queue_frames),
                               memory_options("b", queue_frames));
}

}  // namespace sluice::test
