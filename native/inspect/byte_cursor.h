#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace sluice {

// Reads numbers and vectors with their length before them (RFC 8446 3.4) off bytes of known bounds.
// Once something did not fit, everything is zero and empty, and ok() is false.
class ByteCursor {
 public:
  explicit ByteCursor(ConstByteSpan bytes) : rest_(bytes) {}

  uint8_t u8() {
    const ConstByteSpan bytes = take(1);
    return bytes.empty() ? 0 : bytes[0];
  }
  uint16_t u16() {
    const ConstByteSpan bytes = take(2);
    return bytes.empty() ? 0 : load_be16(bytes.data());
  }
  ConstByteSpan vector8() { return take(u8()); }
  ConstByteSpan vector16() { return take(u16()); }

  // `size` bytes, or none.
  ConstByteSpan take(size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const ConstByteSpan taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  ConstByteSpan rest_;
  bool ok_ = true;
};

}  // namespace sluice
