#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "bus/messages.h"

namespace sluice {
namespace {

const std::map<std::string, std::string> kGolden = {
#define GOLDEN(Name, hex) {#Name, hex},
#include "support/golden_messages.def"
};

std::vector<uint8_t> golden_bytes(const std::string& name) {
  const std::string& hex = kGolden.at(name);
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::strtoul(hex.substr(i, 2).c_str(), nullptr, 16)));
  }
  return bytes;
}

// The value of a field whose first byte is byte `offset` of its message.
template <class Field>
typename Field::Type pattern(size_t offset) {
  uint8_t bytes[sizeof(typename Field::Type)];
  for (size_t i = 0; i < sizeof(bytes); ++i) {
    bytes[i] = static_cast<uint8_t>((offset + i) * 5 + 131);
  }
  return Field::load(bytes);
}

void fill_header(SsmbHeader message, size_t) {
  message.set_error_code(pattern<field::U8>(1));
  message.set_flags(pattern<field::U16>(2));
  message.set_serial(pattern<field::U32>(4));
}

void fill_header(CsmbHeader message, size_t size) {
  message.set_msg_length(static_cast<uint16_t>(size));
  message.set_serial_global(pattern<field::U16>(4));
  message.set_serial_bytype(pattern<field::U16>(6));
  message.set_error_code(pattern<field::U16>(8));
  message.set_flags(pattern<field::U16>(10));
}

// fill() writes every field of a message or block through its setters, check() compares them
// through its getters. `base` is where a block stands in its message.
#define BLOCK_BEGIN(Name, size) void fill(Name##View view, size_t base) {
#define BLOCK_END(Name) }
#define SSMB_BEGIN(Name, code, size, dfs, cs, priority, batching, sharing) \
  void fill(Name##View view, size_t base) {                                \
    view.set_msg_type(code);                                               \
    fill_header(view, size);
#define SSMB_END(Name) }
#define CSMB_BEGIN(Name, code, size, dfs, cs) \
  void fill(Name##View view, size_t base) {   \
    view.set_msg_type(code);                  \
    fill_header(view, size);
#define CSMB_END(Name) }
#define FIELD(type, name, offset) view.set_##name(pattern<field::type>(base + (offset)));
#define PART(Block, name, offset) fill(view.name(), base + (offset));
#define TAIL(name, length_field)
#include "bus/messages.def"

#define BLOCK_BEGIN(Name, size) void check(Name##View view, size_t base) {
#define BLOCK_END(Name) }
#define SSMB_BEGIN(Name, code, size, dfs, cs, priority, batching, sharing) \
  void check(Name##View view, size_t base) {                               \
    CHECK(view.msg_type() == (code));                                      \
    CHECK(view.serial() == pattern<field::U32>(4));
#define SSMB_END(Name) }
#define CSMB_BEGIN(Name, code, size, dfs, cs) \
  void check(Name##View view, size_t base) {  \
    CHECK(view.msg_type() == (code));         \
    CHECK(view.serial_bytype() == pattern<field::U16>(6));
#define CSMB_END(Name) }
#define FIELD(type, name, offset) CHECK(view.name() == pattern<field::type>(base + (offset)));
#define PART(Block, name, offset) check(view.name(), base + (offset));
#define TAIL(name, length_field)
#include "bus/messages.def"

template <class View>
void check_golden(const char* name) {
  CAPTURE(name);
  const std::vector<uint8_t> golden = golden_bytes(name);
  std::vector<uint8_t> written(View::kSize);
  fill(View(written.data()), 0);
  CHECK(written == golden);
  std::vector<uint8_t> read = golden;
  check(View(read.data()), 0);
}

TEST_CASE("SSMB-24 every message is written and read as its golden vector") {
#define SSMB_BEGIN(Name, code, size, dfs, cs, priority, batching, sharing) \
  check_golden<Name##View>(#Name);
#define SSMB_END(Name)
#define CSMB_BEGIN(Name, code, size, dfs, cs) check_golden<Name##View>(#Name);
#define CSMB_END(Name)
#include "bus/messages.def"
}

}  // namespace
}  // namespace sluice
