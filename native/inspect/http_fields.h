#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "inspect/http_syntax.h"

namespace sluice {

// Reads field lines to the empty line at their end, of a head or of trailers (RFC 9112 5, 7.1.2).
class FieldLinesReader {
 public:
  // How many of `more` were read. Fewer than all: the end came, or there is a fault.
  size_t take(ConstByteSpan more);
  bool at_end() const { return state_ == State::end; }
  HttpFault fault() const { return fault_; }

 private:
  enum class State : uint8_t { line, name, value, value_lf, end_lf, end };

  HttpFault step(uint8_t byte);
  HttpFault step_name(uint8_t byte);

  State state_ = State::line;
  HttpFault fault_ = HttpFault::none;
};

// Walks the field lines of a head that was read:
//   for (HttpFieldWalk walk(fields); walk.next();) if (walk.is("host")) use(walk.value());
class HttpFieldWalk {
 public:
  explicit HttpFieldWalk(std::string_view fields) : rest_(fields) {}

  bool next() {
    std::string_view line = cut_at(rest_, '\r');
    if (line.empty()) {
      rest_ = {};  // the end stays the end, if it is asked for again
      return false;
    }
    rest_.remove_prefix(1);  // LF
    name_ = cut_at(line, ':');
    value_ = trimmed(line);
    return true;
  }
  std::string_view name() const { return name_; }
  std::string_view value() const { return value_; }
  // `lower` is the name in lower case; names are alike in any (RFC 9110 5.1).
  bool is(std::string_view lower) const { return is_word(name_, lower); }

 private:
  std::string_view rest_;
  std::string_view name_;
  std::string_view value_;
};

// The value of the first field of that name.
std::optional<std::string_view> find_field(std::string_view fields, std::string_view name);

// The value of the first cookie of that name, of all Cookie fields, as it was sent, quotes included
// (RFC 6265 4.2.1). The names of cookies differ by case.
std::optional<std::string_view> find_cookie(std::string_view fields, std::string_view name);

}  // namespace sluice
