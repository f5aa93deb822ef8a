#include "inspect/chunk_walker.h"

#include <algorithm>

namespace sluice {
namespace {

int hex_value(uint8_t byte) {
  if (is_digit(byte)) return byte - '0';
  const uint8_t lower = byte | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

size_t ChunkWalker::take(ConstByteSpan more) {
  size_t taken = 0;
  while (taken < more.size() && reading_ == Reading::more) {
    const ConstByteSpan rest = more.subspan(taken);
    if (state_ == State::data) {
      taken += take_data(rest);
    } else if (state_ == State::trailers) {
      taken += take_trailers(rest);
    } else if (line_ == line_limit_) {
      reading_ = Reading::too_large;
    } else {
      fault_ = step(rest[0]);
      if (fault_ == HttpFault::none) ++taken;
    }
    if (fault_ != HttpFault::none) reading_ = Reading::malformed;
  }
  return taken;
}

void ChunkWalker::skip(uint64_t bytes) {
  SLUICE_CHECK(bytes <= ahead());
  if (bytes == 0) return;
  data_ += bytes;
  left_ -= bytes;
  if (left_ == 0) state_ = State::data_cr;
}

size_t ChunkWalker::take_data(ConstByteSpan more) {
  const uint64_t taken = std::min<uint64_t>(left_, more.size());
  skip(taken);
  return static_cast<size_t>(taken);
}

size_t ChunkWalker::take_trailers(ConstByteSpan more) {
  const size_t room = static_cast<size_t>(trailers_limit_ - line_);
  const size_t taken = trailers_.take(more.first(std::min(more.size(), room)));
  line_ = static_cast<uint16_t>(line_ + taken);
  fault_ = trailers_.fault();
  if (trailers_.at_end()) {
    reading_ = fault_ == HttpFault::none ? Reading::complete : Reading::malformed;
  } else if (taken == room) {
    reading_ = Reading::too_large;
  }
  // What is wrong does not belong to the body.
  return fault_ == HttpFault::none ? taken : taken - 1;
}

HttpFault ChunkWalker::step(uint8_t byte) {
  switch (state_) {
    case State::size_first:
    case State::size: return step_size(byte);
    case State::extension:
      ++line_;
      if (byte == '\r') state_ = State::size_lf;
      if (is_field_text(byte) || byte == '\r') return HttpFault::none;
      return byte == '\n' ? HttpFault::bare_lf : HttpFault::control_character;
    case State::size_lf:
      line_ = 0;
      state_ = left_ > 0 ? State::data : State::trailers;
      return byte == '\n' ? HttpFault::none : HttpFault::bare_cr;
    case State::data_cr:
      state_ = State::data_lf;
      return byte == '\r' ? HttpFault::none : HttpFault::chunk_end;
    case State::data_lf:
      state_ = State::size_first;
      return byte == '\n' ? HttpFault::none : HttpFault::chunk_end;
    case State::data:
    case State::trailers: break;
  }
  return HttpFault::none;
}

HttpFault ChunkWalker::step_size(uint8_t byte) {
  ++line_;
  const int value = hex_value(byte);
  if (value >= 0) {
    // The next digit would make it 2^63 or more.
    if (left_ >> 59) return HttpFault::chunk_size;
    left_ = left_ << 4 | static_cast<uint64_t>(value);
    state_ = State::size;
    return HttpFault::none;
  }
  if (byte == '\n') return HttpFault::bare_lf;
  if (state_ == State::size_first || (byte != '\r' && byte != ';')) return HttpFault::chunk_size;
  state_ = byte == ';' ? State::extension : State::size_lf;
  return HttpFault::none;
}

}  // namespace sluice
