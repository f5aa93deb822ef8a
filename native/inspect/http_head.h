#pragma once

#include <cstddef>
#include <cstdint>

#include "inspect/http_fields.h"
#include "inspect/http_syntax.h"
#include "inspect/reading.h"

namespace sluice {

// What servers take (Node 16 KiB, nginx 32, Apache 8 a line); a head that is longer is no head.
inline constexpr uint32_t kHttpHeadLimit = 16 * 1024;

enum class HttpHeadKind : uint8_t { request, answer };

// Finds the end of a head, and checks every line of it on the way (RFC 9112 2 to 5), so that what
// is wrong is known with its first wrong byte. What a complete head says, http_message.h reads.
class HttpHeadReader {
 public:
  explicit HttpHeadReader(HttpHeadKind kind, uint32_t limit = kHttpHeadLimit)
      : limit_(limit), kind_(kind) {}

  // Takes the bytes that follow those taken before, none of them from behind the head's end.
  Reading take(ConstByteSpan more);

  Reading reading() const { return reading_; }
  HttpFault fault() const { return fault_; }
  // Bytes taken. Of a complete head, all of them: from empty lines before it to the one at its end.
  uint32_t length() const { return length_; }
  // Whether more than empty lines has come: a message is under way, no connection at rest.
  bool begun() const { return state_ != State::start && state_ != State::start_lf; }

 private:
  enum class State : uint8_t {
    start,
    start_lf,
    method,
    target_first,
    target,
    version,
    behind_version,
    status,
    behind_status,
    reason,
    line_lf,
    fields,
  };

  HttpFault step(uint8_t byte);
  HttpFault step_start(uint8_t byte);
  HttpFault step_target(uint8_t byte);
  HttpFault step_version(uint8_t byte);
  HttpFault step_status(uint8_t byte);
  HttpFault to(State state);

  uint32_t length_ = 0;
  uint32_t limit_;
  HttpHeadKind kind_;
  State state_ = State::start;
  Reading reading_ = Reading::more;
  HttpFault fault_ = HttpFault::none;
  uint8_t matched_ = 0;  // bytes of the version, digits of the status
  FieldLinesReader fields_;
};

// Each connection that is inspected has one.
static_assert(sizeof(HttpHeadReader) <= 16);

}  // namespace sluice
