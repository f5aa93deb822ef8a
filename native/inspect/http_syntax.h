#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace sluice {

// Why something of HTTP is refused; the table has the reasons.
enum class HttpFault : uint8_t {
#define HTTP_FAULT(name, text) name,
#include "inspect/http_faults.def"
#undef HTTP_FAULT
};

const char* describe(HttpFault fault);

// RFC 9110 5.6.2: tchar.
bool is_token_byte(uint8_t byte);
// RFC 9110 5.5: what a field value consists of, whitespace and obs-text included.
inline bool is_field_text(uint8_t byte) { return (byte >= 0x20 && byte != 0x7f) || byte == '\t'; }
inline bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }
inline bool is_letter(uint8_t byte) { return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z'; }

// ASCII letters of either case are equal; `lower` is in lower case.
bool is_word(std::string_view text, std::string_view lower);
bool equal_ignoring_case(std::string_view a, std::string_view b);

// Without spaces and tabs at both ends (RFC 9110 5.6.3: OWS).
std::string_view trimmed(std::string_view text);

inline std::string_view as_text(ConstByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Splits off `rest` what stands before the first `separator`, which is passed over; all of it where
// there is none.
std::string_view cut_at(std::string_view& rest, char separator);

// The members of a list (RFC 9110 5.6.1), empty ones included:
//   for (HttpListWalk walk(value); walk.next();) use(walk.member());
class HttpListWalk {
 public:
  explicit HttpListWalk(std::string_view value) : rest_(value) {}
  bool next() {
    if (done_) return false;
    done_ = rest_.find(',') == std::string_view::npos;
    member_ = trimmed(cut_at(rest_, ','));
    return true;
  }
  std::string_view member() const { return member_; }

 private:
  std::string_view rest_;
  std::string_view member_;
  bool done_ = false;
};

}  // namespace sluice
