#pragma once

#include <cstdio>
#include <cstdlib>

// SLUICE_CHECK stops the process on a broken invariant: a bug of ours, never a bad packet or bad
// input from outside.
#define SLUICE_CHECK(condition)                                                              \
  do {                                                                                       \
    if (!(condition)) [[unlikely]] {                                                         \
      std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (0)
