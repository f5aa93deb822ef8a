#pragma once

#include <cstdint>

#include "bus/messages.h"

namespace sluice {

// The header of 12 bytes that opens every message about a socket (streams.def).
class StreamHeader : public MessageView {
 public:
  using MessageView::MessageView;
  static constexpr size_t kSize = 12;
  uint8_t msg_type() const { return at_[0]; }
  void set_msg_type(uint8_t value) { at_[0] = value; }
  uint8_t reason() const { return at_[1]; }
  void set_reason(uint8_t value) { at_[1] = value; }
  uint16_t flags() const { return load_be16(at_ + 2); }
  void set_flags(uint16_t value) { store_be16(at_ + 2, value); }
  uint32_t socket() const { return load_be32(at_ + 4); }
  void set_socket(uint32_t value) { store_be32(at_ + 4, value); }
  uint32_t length() const { return load_be32(at_ + 8); }
  void set_length(uint32_t value) { store_be32(at_ + 8, value); }
};

// One class for each message, as in bus/messages.h.
#define STREAM_BEGIN(Name, code, size, engine_sends, sockets_send) \
  class Name##View : public StreamHeader {                         \
   public:                                                         \
    using StreamHeader::StreamHeader;                              \
    static constexpr uint8_t kCode = (code);                       \
    static constexpr size_t kSize = (size);
#define STREAM_END(Name) \
  }                      \
  ;
#define FIELD(type, name, offset)                                              \
  static_assert((offset) + sizeof(field::type::Type) <= kSize);                \
  field::type::Type name() const { return field::type::load(at_ + (offset)); } \
  void set_##name(field::type::Type value) { field::type::store(at_ + (offset), value); }
#define TAIL(name) \
  ByteSpan name() const { return {at_ + kSize, length() - kSize}; }
#include "bus/streams.def"

// The codes: StreamEnd::finished, SocketOption::no_delay, ...
#define ENUM(Group, name, value, text)     \
  namespace Group {                        \
  inline constexpr uint8_t name = (value); \
  }
#define FLAG(Group, name, bit, text)      \
  namespace Group {                       \
  inline constexpr uint16_t name = (bit); \
  }
#include "bus/streams.def"

// What a socket may say, and the size of what does not vary; 0 for what it may not.
inline size_t stream_size_from_sockets(uint8_t code) {
  switch (code) {
#define STREAM_BEGIN(Name, code, size, engine_sends, sockets_send) \
  case code:                                                       \
    return (sockets_send) ? (size) : 0;
#define STREAM_END(Name)
#include "bus/streams.def"
    default: return 0;
  }
}

// The bytes that a message of this length takes in a row of messages.
constexpr size_t stream_stride(size_t length) { return (length + 3) & ~size_t{3}; }

// Length of the message at the start of `bytes`, which may hold more behind it; 0 where none that
// sockets may send stands there whole.
inline size_t stream_length(ConstByteSpan bytes) {
  if (bytes.size() < StreamHeader::kSize) return 0;
  const size_t fixed = stream_size_from_sockets(bytes[0]);
  const size_t length = load_be32(bytes.data() + 8);
  const bool varies = bytes[0] == WriteSocketView::kCode;
  if (fixed == 0 || length < fixed || (length > fixed && !varies)) return 0;
  return length <= bytes.size() ? length : 0;
}

}  // namespace sluice
