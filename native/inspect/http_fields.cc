#include "inspect/http_fields.h"

namespace sluice {

size_t FieldLinesReader::take(ConstByteSpan more) {
  size_t taken = 0;
  while (taken < more.size() && state_ != State::end && fault_ == HttpFault::none) {
    fault_ = step(more[taken++]);
    // Most of a head is values.
    if (state_ != State::value || fault_ != HttpFault::none) continue;
    while (taken < more.size() && is_field_text(more[taken])) ++taken;
  }
  return taken;
}

HttpFault FieldLinesReader::step(uint8_t byte) {
  switch (state_) {
    case State::line:
      if (byte == '\r') {
        state_ = State::end_lf;
        return HttpFault::none;
      }
      // RFC 9112 5.2: once a way to continue the line before.
      if (byte == ' ' || byte == '\t') return HttpFault::obs_fold;
      if (byte == ':') return HttpFault::field_name;
      state_ = State::name;
      return step_name(byte);
    case State::name: return step_name(byte);
    case State::value:
      if (byte == '\r') state_ = State::value_lf;
      if (is_field_text(byte) || byte == '\r') return HttpFault::none;
      return byte == '\n' ? HttpFault::bare_lf : HttpFault::control_character;
    case State::value_lf:
      state_ = State::line;
      return byte == '\n' ? HttpFault::none : HttpFault::bare_cr;
    case State::end_lf:
      state_ = State::end;
      return byte == '\n' ? HttpFault::none : HttpFault::bare_cr;
    case State::end: break;
  }
  return HttpFault::none;
}

HttpFault FieldLinesReader::step_name(uint8_t byte) {
  if (is_token_byte(byte)) return HttpFault::none;
  if (byte == ':') {
    state_ = State::value;
    return HttpFault::none;
  }
  // RFC 9112 5.1: "Content-Length :" has been read as a field by some and passed over by others.
  if (byte == ' ' || byte == '\t') return HttpFault::space_before_colon;
  return byte == '\n' ? HttpFault::bare_lf : HttpFault::field_name;
}

std::optional<std::string_view> find_field(std::string_view fields, std::string_view name) {
  for (HttpFieldWalk walk(fields); walk.next();) {
    if (equal_ignoring_case(walk.name(), name)) return walk.value();
  }
  return std::nullopt;
}

std::optional<std::string_view> find_cookie(std::string_view fields, std::string_view name) {
  for (HttpFieldWalk walk(fields); walk.next();) {
    if (!walk.is("cookie")) continue;
    std::string_view pairs = walk.value();
    while (!pairs.empty()) {
      std::string_view pair = trimmed(cut_at(pairs, ';'));
      const bool has_value = pair.find('=') != std::string_view::npos;
      if (cut_at(pair, '=') == name && has_value) return pair;
    }
  }
  return std::nullopt;
}

}  // namespace sluice
