#include "inspect/http_head.h"

namespace sluice {
namespace {

constexpr std::string_view kVersion = "HTTP/1.";

// What stands at a place of a line where `expected` should: line ends have reasons of their own.
HttpFault misplaced(uint8_t byte, HttpFault expected) {
  return byte == '\n' ? HttpFault::bare_lf : expected;
}

}  // namespace

Reading HttpHeadReader::take(ConstByteSpan more) {
  if (reading_ != Reading::more) return reading_;
  const ConstByteSpan within = more.first(std::min<size_t>(more.size(), limit_ - length_));
  size_t taken = 0;
  while (taken < within.size() && state_ != State::fields && fault_ == HttpFault::none) {
    fault_ = step(within[taken++]);
  }
  if (state_ == State::fields && fault_ == HttpFault::none) {
    taken += fields_.take(within.subspan(taken));
    fault_ = fields_.fault();
  }
  length_ += static_cast<uint32_t>(taken);
  if (fault_ != HttpFault::none) {
    reading_ = Reading::malformed;
  } else if (fields_.at_end()) {
    reading_ = Reading::complete;
  } else if (length_ == limit_) {
    reading_ = Reading::too_large;
  }
  return reading_;
}

HttpFault HttpHeadReader::to(State state) {
  state_ = state;
  return HttpFault::none;
}

HttpFault HttpHeadReader::step(uint8_t byte) {
  switch (state_) {
    case State::start: return step_start(byte);
    case State::start_lf: return byte == '\n' ? to(State::start) : HttpFault::bare_cr;
    case State::method:
      if (byte == ' ') return to(State::target_first);
      return is_token_byte(byte) ? HttpFault::none : misplaced(byte, HttpFault::method);
    case State::target_first:
    case State::target: return step_target(byte);
    case State::version:
    case State::behind_version: return step_version(byte);
    case State::status:
    case State::behind_status: return step_status(byte);
    case State::reason:
      if (byte == '\r') return to(State::line_lf);
      if (is_field_text(byte)) return HttpFault::none;
      return misplaced(byte, HttpFault::control_character);
    case State::line_lf: return byte == '\n' ? to(State::fields) : HttpFault::bare_cr;
    case State::fields: break;
  }
  return HttpFault::none;
}

HttpFault HttpHeadReader::step_start(uint8_t byte) {
  if (kind_ == HttpHeadKind::answer) {
    state_ = State::version;
    return step_version(byte);
  }
  // RFC 9112 2.2: some send an empty line behind the content of a request.
  if (byte == '\r') return to(State::start_lf);
  if (is_token_byte(byte)) return to(State::method);
  return misplaced(byte, HttpFault::method);
}

HttpFault HttpHeadReader::step_target(uint8_t byte) {
  // A fragment is never sent (RFC 9112 3.2), and what stands behind it read by some as the target.
  if (byte > 0x20 && byte < 0x7f && byte != '#') return to(State::target);
  if (byte == ' ' && state_ == State::target) return to(State::version);
  if (byte == '\r') return HttpFault::version;  // HTTP/0.9
  return misplaced(byte, HttpFault::target);
}

HttpFault HttpHeadReader::step_version(uint8_t byte) {
  if (state_ == State::behind_version) {
    const bool request = kind_ == HttpHeadKind::request;
    if (byte != (request ? '\r' : ' ')) return misplaced(byte, HttpFault::version);
    return to(request ? State::line_lf : State::status);
  }
  if (matched_ == kVersion.size()) {
    matched_ = 0;
    return byte == '0' || byte == '1' ? to(State::behind_version) : HttpFault::version;
  }
  return byte == static_cast<uint8_t>(kVersion[matched_++]) ? HttpFault::none
                                                            : misplaced(byte, HttpFault::version);
}

HttpFault HttpHeadReader::step_status(uint8_t byte) {
  if (state_ == State::behind_status) {
    // RFC 9112 4 has a space here even before an empty reason; servers leave it out.
    if (byte == '\r') return to(State::line_lf);
    return byte == ' ' ? to(State::reason) : misplaced(byte, HttpFault::status);
  }
  if (!is_digit(byte) || (matched_ == 0 && byte == '0')) return misplaced(byte, HttpFault::status);
  return ++matched_ == 3 ? to(State::behind_status) : HttpFault::none;
}

}  // namespace sluice
