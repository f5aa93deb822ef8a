#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice::test {

// Puts hellos of TLS together, right or wrong ones.
class TlsBytes {
 public:
  using Bytes = std::vector<uint8_t>;

  TlsBytes& u8(unsigned value) {
    bytes_.push_back(static_cast<uint8_t>(value));
    return *this;
  }
  TlsBytes& u16(unsigned value) { return u8(value >> 8).u8(value & 0xff); }
  TlsBytes& raw(const Bytes& bytes) {
    for (const uint8_t byte : bytes) bytes_.push_back(byte);
    return *this;
  }
  TlsBytes& vector8(const Bytes& bytes) { return u8(unsigned(bytes.size())).raw(bytes); }
  TlsBytes& vector16(const Bytes& bytes) { return u16(unsigned(bytes.size())).raw(bytes); }
  TlsBytes& extension(unsigned type, const Bytes& data) { return u16(type).vector16(data); }
  const Bytes& done() const { return bytes_; }

 private:
  Bytes bytes_;
};

inline TlsBytes::Bytes bytes_of_text(std::string_view text) { return {text.begin(), text.end()}; }

inline TlsBytes::Bytes server_name(std::string_view name) {
  return TlsBytes().vector16(TlsBytes().u8(0).vector16(bytes_of_text(name)).done()).done();
}

// A message without its header; without `extensions` it ends before them.
inline TlsBytes::Bytes client_hello(const TlsBytes* extensions, unsigned version = 0x0303,
                                    size_t session_id = 32) {
  TlsBytes hello;
  hello.u16(version).raw(TlsBytes::Bytes(32, 7)).vector8(TlsBytes::Bytes(session_id, 9));
  hello.vector16({0x13, 0x01, 0xc0, 0x2f}).vector8({0});
  if (extensions) hello.vector16(extensions->done());
  return hello.done();
}

inline TlsBytes::Bytes server_hello(const TlsBytes* extensions, unsigned version = 0x0303,
                                    TlsBytes::Bytes random = TlsBytes::Bytes(32, 7)) {
  TlsBytes hello;
  hello.u16(version).raw(random).vector8(TlsBytes::Bytes(32, 5)).u16(0xc02f).u8(0);
  if (extensions) hello.vector16(extensions->done());
  return hello.done();
}

// The message with its header, in records of at most `size`.
inline TlsBytes::Bytes records(unsigned type, const TlsBytes::Bytes& message, size_t size = 16384) {
  TlsBytes whole;
  whole.u8(type).u8(0).vector16(message);
  TlsBytes stream;
  for (size_t at = 0; at < whole.done().size(); at += size) {
    const auto first = whole.done().begin() + static_cast<ptrdiff_t>(at);
    const size_t length = std::min(size, whole.done().size() - at);
    stream.u8(22).u16(0x0301).vector16({first, first + static_cast<ptrdiff_t>(length)});
  }
  return stream.done();
}

}  // namespace sluice::test
