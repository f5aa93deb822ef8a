#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdio>

namespace sluice::test {

// Bytes of address space that the process has taken.
inline size_t address_space() {
  size_t pages = 0;
  FILE* file = std::fopen("/proc/self/statm", "r");
  REQUIRE(file != nullptr);
  CHECK(std::fscanf(file, "%zu", &pages) == 1);
  std::fclose(file);
  return pages * 4096;
}

}  // namespace sluice::test
