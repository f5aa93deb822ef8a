#include "port/umem.h"

#include <sys/mman.h>

#include <cerrno>

namespace sluice {
namespace {

void* map(size_t size, int flags) {
  return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

}  // namespace

Result<Umem> Umem::make(size_t chunks) {
  const size_t size = memory(chunks);
  void* mapped = map(size, MAP_HUGETLB | MAP_POPULATE);
  if (mapped == MAP_FAILED) mapped = map(size, 0);
  if (mapped == MAP_FAILED) return Error{"reserve memory for frames", errno, "Add memory."};
  // Transparent huge pages, if the machine gives any; not for huge pages proper, which it ignores.
  (void)madvise(mapped, size, MADV_HUGEPAGE);
  return Umem(static_cast<uint8_t*>(mapped), size);
}

Umem::~Umem() {
  if (memory_ != nullptr) munmap(memory_, size_);
}

}  // namespace sluice
