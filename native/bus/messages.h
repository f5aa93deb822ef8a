// bus/: the messages of the state-sharing bus (SSMB) and the configuration bus (CSMB), and the
// rings that carry them inside one process. Lays bytes out; decides nothing.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "wire/address.h"

namespace sluice {

// How each field type of messages.def is read and written.
namespace field {
struct U8 {
  using Type = uint8_t;
  static Type load(const uint8_t* at) { return *at; }
  static void store(uint8_t* at, Type value) { *at = value; }
};
struct I8 {
  using Type = int8_t;
  static Type load(const uint8_t* at) { return static_cast<int8_t>(*at); }
  static void store(uint8_t* at, Type value) { *at = static_cast<uint8_t>(value); }
};
struct U16 {
  using Type = uint16_t;
  static Type load(const uint8_t* at) { return load_be16(at); }
  static void store(uint8_t* at, Type value) { store_be16(at, value); }
};
struct U32 {
  using Type = uint32_t;
  static Type load(const uint8_t* at) { return load_be32(at); }
  static void store(uint8_t* at, Type value) { store_be32(at, value); }
};
struct U64 {
  using Type = uint64_t;
  static Type load(const uint8_t* at) { return load_be64(at); }
  static void store(uint8_t* at, Type value) { store_be64(at, value); }
};
struct ADDRESS {
  using Type = IpAddress;
  static Type load(const uint8_t* at) { return IpAddress::load_v6(at); }
  static void store(uint8_t* at, const Type& value) {
    std::memcpy(at, value.bytes.data(), value.bytes.size());
  }
};
}  // namespace field

// A view of bytes that someone else owns and whose size has been checked.
class MessageView {
 public:
  explicit MessageView(uint8_t* at) : at_(at) {}
  uint8_t* data() const { return at_; }

 protected:
  uint8_t* at_;
};

// The header of 8 bytes that opens every SSMB message (SSMB-26).
class SsmbHeader : public MessageView {
 public:
  using MessageView::MessageView;
  uint8_t msg_type() const { return at_[0]; }
  void set_msg_type(uint8_t value) { at_[0] = value; }
  uint8_t error_code() const { return at_[1]; }
  void set_error_code(uint8_t value) { at_[1] = value; }
  uint16_t flags() const { return load_be16(at_ + 2); }
  void set_flags(uint16_t value) { store_be16(at_ + 2, value); }
  uint32_t serial() const { return load_be32(at_ + 4); }
  void set_serial(uint32_t value) { store_be32(at_ + 4, value); }
};

// The header of 12 bytes that opens every CSMB message (CSMB-14).
class CsmbHeader : public MessageView {
 public:
  using MessageView::MessageView;
  static constexpr size_t kSize = 12;
  uint16_t msg_type() const { return load_be16(at_); }
  void set_msg_type(uint16_t value) { store_be16(at_, value); }
  uint16_t msg_length() const { return load_be16(at_ + 2); }
  void set_msg_length(uint16_t value) { store_be16(at_ + 2, value); }
  uint16_t serial_global() const { return load_be16(at_ + 4); }
  void set_serial_global(uint16_t value) { store_be16(at_ + 4, value); }
  uint16_t serial_bytype() const { return load_be16(at_ + 6); }
  void set_serial_bytype(uint16_t value) { store_be16(at_ + 6, value); }
  uint16_t error_code() const { return load_be16(at_ + 8); }
  void set_error_code(uint16_t value) { store_be16(at_ + 8, value); }
  uint16_t flags() const { return load_be16(at_ + 10); }
  void set_flags(uint16_t value) { store_be16(at_ + 10, value); }
};

// One class for each block and message: SigView, QueryView, ..., with a getter and a setter for
// each field, kSize and, for messages, kCode.
#define BLOCK_BEGIN(Name, size)           \
  class Name##View : public MessageView { \
   public:                                \
    using MessageView::MessageView;       \
    static constexpr size_t kSize = (size);
#define BLOCK_END(Name) \
  }                     \
  ;
#define SSMB_BEGIN(Name, code, size, dfs_sends, cs_sends, priority, batching, state_sharing) \
  class Name##View : public SsmbHeader {                                                     \
   public:                                                                                   \
    using SsmbHeader::SsmbHeader;                                                            \
    static constexpr uint8_t kCode = (code);                                                 \
    static constexpr size_t kSize = (size);
#define SSMB_END(Name) \
  }                    \
  ;
#define CSMB_BEGIN(Name, code, size, dfs_sends, cs_sends) \
  class Name##View : public CsmbHeader {                  \
   public:                                                \
    using CsmbHeader::CsmbHeader;                         \
    static constexpr uint16_t kCode = (code);             \
    static constexpr size_t kSize = (size);
#define CSMB_END(Name) \
  }                    \
  ;
#define FIELD(type, name, offset)                                              \
  static_assert((offset) + sizeof(field::type::Type) <= kSize);                \
  field::type::Type name() const { return field::type::load(at_ + (offset)); } \
  void set_##name(field::type::Type value) { field::type::store(at_ + (offset), value); }
#define PART(Block, name, offset)                        \
  static_assert((offset) + Block##View::kSize <= kSize); \
  Block##View name() const { return Block##View(at_ + (offset)); }
#define TAIL(name, length_field) \
  ByteSpan name() const { return {at_ + kSize, length_field()}; }
#include "bus/messages.def"

// The data of an APP_QUERY, bounded so that the message fits one datagram of the bus (SSMB, 2.2).
inline constexpr size_t kMostAppData = 1348;

// The codes: EndReason::fin, SsmbFlags::outbound, ...
#define ENUM(Group, name, value, text)     \
  namespace Group {                        \
  inline constexpr uint8_t name = (value); \
  }
#define FLAG(Group, name, bit, text)      \
  namespace Group {                       \
  inline constexpr uint16_t name = (bit); \
  }
#include "bus/messages.def"

// Whether a control segment may send an SSMB message of this code, and its size; 0 if it may not
// (SSMB-17) or there is none.
inline size_t ssmb_size_from_cs(uint8_t code) {
  switch (code) {
#define SSMB_BEGIN(Name, code, size, dfs_sends, cs_sends, priority, batching, state_sharing) \
  case code:                                                                                 \
    return (cs_sends) ? (size) : 0;
#define SSMB_END(Name)
#include "bus/messages.def"
    default: return 0;
  }
}

// Length of the message at the start of `bytes`, which may hold more behind it; 0 where none that a
// control segment may send stands there whole. SSMB lengths follow from the code, CSMB ones stand
// in the message, whose first byte is 0.
inline size_t message_length(ConstByteSpan bytes) {
  if (bytes.empty()) return 0;
  size_t length = ssmb_size_from_cs(bytes[0]);
  if (bytes[0] == 0) {
    if (bytes.size() < CsmbHeader::kSize) return 0;
    length = load_be16(bytes.data() + 2);
    if (length < CsmbHeader::kSize) return 0;
  }
  return length <= bytes.size() ? length : 0;
}

}  // namespace sluice
