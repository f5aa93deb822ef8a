#pragma once

#include <cstdint>
#include <string_view>

#include "inspect/http_message.h"

namespace sluice {

// What the fields of a head say of the body, whichever fields say it, how often and in which order.
class HttpFraming {
 public:
  HttpFault take(const HttpFieldWalk& field);
  // What may not stand together, once all fields were taken.
  HttpFault check(uint8_t minor_version) const;

  // RFC 9112 6.3, 4 to 7: what follows where nothing but the fields decides. `unsaid` is for where
  // they do not.
  HttpBody body(BodyKind unsaid) const;
  bool has_content() const { return has_coding_ || length_ > 0; }
  bool is_chunked() const { return chunked_; }
  bool has_coding() const { return has_coding_; }

 private:
  HttpFault take_length(std::string_view value);
  HttpFault take_coding(std::string_view value);

  uint64_t length_ = 0;
  bool has_length_ = false;
  bool has_coding_ = false;
  bool chunked_ = false;  // the last coding so far
};

// A host, or an address in brackets, with an optional port below 2^16 (RFC 9110 7.2, RFC 3986
// 3.2.2); empty where a target has no authority. No user, which RFC 9110 4.2.4 takes for an attempt
// to mislead.
bool is_host(std::string_view text);

}  // namespace sluice
