#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <type_traits>

#include "base/check.h"

namespace sluice {

// Whether the machine would reserve so much memory as the arrays below do. Where it would not (an
// address space limit, strict overcommit), a limit is too large: an error of whoever stated it.
inline bool can_reserve(size_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return false;
  munmap(at, bytes);
  return true;
}

// A fixed array of zeroed memory, reserved at construction and committed page by page when it is
// first touched. The limits that the user states become these reservations (law 4), so a large
// limit costs nothing until it is used. Whoever takes limits from outside asks can_reserve() for
// the sum first.
template <class T>
class MappedArray {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  explicit MappedArray(size_t count) : count_(count) {
    void* at = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    SLUICE_CHECK(at != MAP_FAILED);
    items_ = static_cast<T*>(at);
    // Where the host allows it, large arrays come in huge pages: random accesses then miss the TLB
    // far less often. Its refusal changes nothing else.
    constexpr size_t kHugePage = size_t{2} << 20;
    if (bytes() >= kHugePage) (void)madvise(at, bytes(), MADV_HUGEPAGE);
  }
  ~MappedArray() { munmap(items_, bytes()); }
  MappedArray(const MappedArray&) = delete;
  MappedArray& operator=(const MappedArray&) = delete;

  T& operator[](size_t index) { return items_[index]; }
  const T& operator[](size_t index) const { return items_[index]; }
  T* data() { return items_; }
  const T* data() const { return items_; }
  size_t size() const { return count_; }

 private:
  size_t bytes() const { return (count_ == 0 ? 1 : count_) * sizeof(T); }
  size_t count_;
  T* items_;
};

}  // namespace sluice
