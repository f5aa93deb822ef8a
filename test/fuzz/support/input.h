#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::test {

// Bytes of an input, zeros behind their end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t next() { return at_ < size_ ? data_[at_++] : 0; }
  uint16_t next16() { return static_cast<uint16_t>(next() << 8 | next()); }
  uint32_t next32() { return uint32_t{next16()} << 16 | next16(); }
  std::vector<uint8_t> bytes() const { return {data_, data_ + size_}; }
  size_t size() const { return size_; }
  const uint8_t* data() const { return data_; }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

}  // namespace sluice::test
