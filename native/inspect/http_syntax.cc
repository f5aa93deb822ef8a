#include "inspect/http_syntax.h"

#include <array>

namespace sluice {
namespace {

constexpr std::array<bool, 256> token_bytes() {
  std::array<bool, 256> table{};
  for (uint8_t byte = '0'; byte <= '9'; ++byte) table[byte] = true;
  for (uint8_t byte = 'a'; byte <= 'z'; ++byte) table[byte] = table[byte - 0x20] = true;
  for (const char mark : std::string_view("!#$%&'*+-.^_`|~")) table[uint8_t(mark)] = true;
  return table;
}
constexpr std::array<bool, 256> kTokenBytes = token_bytes();

char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? char(letter + 0x20) : letter; }

}  // namespace

const char* describe(HttpFault fault) {
  switch (fault) {
#define HTTP_FAULT(name, text) \
  case HttpFault::name:        \
    return text;
#include "inspect/http_faults.def"
#undef HTTP_FAULT
  }
  return "";
}

bool is_token_byte(uint8_t byte) { return kTokenBytes[byte]; }

bool is_word(std::string_view text, std::string_view in_lower) {
  if (text.size() != in_lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != in_lower[i]) return false;
  }
  return true;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view cut_at(std::string_view& rest, char separator) {
  const size_t at = rest.find(separator);
  const std::string_view before = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return before;
}

}  // namespace sluice
