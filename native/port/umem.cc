#include "port/umem.h"

#include <sys/mman.h>

#include <cerrno>

namespace sluice {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

void* map(size_t size, int flags) {
  return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

}  // namespace

Result<Umem> Umem::make(size_t chunks) {
  const size_t size = (chunks * kChunk + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = map(size, MAP_HUGETLB | MAP_POPULATE);
  if (memory == MAP_FAILED) memory = map(size, 0);
  if (memory == MAP_FAILED) return Error{"reserve memory for frames", errno, "Add memory."};
  // Transparent huge pages, if the machine gives any; not for huge pages proper, which it ignores.
  (void)madvise(memory, size, MADV_HUGEPAGE);
  return Umem(static_cast<uint8_t*>(memory), size);
}

Umem::~Umem() {
  if (memory_ != nullptr) munmap(memory_, size_);
}

}  // namespace sluice
