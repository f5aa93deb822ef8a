#include "inspect/http_framing.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr uint64_t kMostLength = INT64_MAX;

bool read_length(std::string_view digits, uint64_t& length) {
  length = 0;
  for (const char digit : digits) {
    if (!is_digit(static_cast<uint8_t>(digit))) return false;
    const uint64_t value = static_cast<uint64_t>(digit - '0');
    if (length > (kMostLength - value) / 10) return false;
    length = length * 10 + value;
  }
  return !digits.empty();
}

bool is_host_byte(char byte) {
  // RFC 3986 3.2.2: unreserved, sub-delims and the percent sign.
  constexpr std::string_view kMarks = "-._~!$&'()*+,;=%";
  const uint8_t value = static_cast<uint8_t>(byte);
  return is_digit(value) || is_letter(value) || kMarks.find(byte) != std::string_view::npos;
}

bool is_address_byte(char byte) { return is_host_byte(byte) || byte == ':'; }

bool is_port(std::string_view text) {
  if (text.size() > 5 || !std::all_of(text.begin(), text.end(), is_digit)) return false;
  uint32_t port = 0;
  for (const char digit : text) port = port * 10 + static_cast<uint32_t>(digit - '0');
  return port <= UINT16_MAX;
}

}  // namespace

HttpFault HttpFraming::take(const HttpFieldWalk& field) {
  if (field.is("content-length")) return take_length(field.value());
  if (field.is("transfer-encoding")) return take_coding(field.value());
  return HttpFault::none;
}

HttpFault HttpFraming::take_length(std::string_view value) {
  // RFC 9110 8.6: the same number several times counts once.
  for (HttpListWalk walk(value); walk.next();) {
    uint64_t length = 0;
    if (!read_length(walk.member(), length)) return HttpFault::content_length;
    if (has_length_ && length != length_) return HttpFault::content_lengths_differ;
    length_ = length;
    has_length_ = true;
  }
  return HttpFault::none;
}

HttpFault HttpFraming::take_coding(std::string_view value) {
  has_coding_ = true;
  // In a quoted string a comma parts nothing: who reads those finds other codings than who does
  // not. No coding that is registered has a parameter.
  if (value.find('"') != std::string_view::npos) return HttpFault::transfer_encoding;
  for (HttpListWalk walk(value); walk.next();) {
    // Nothing follows chunked, not even itself (RFC 9112 6.1); nor does anybody leave a member
    // empty who means well.
    if (chunked_ || walk.member().empty()) return HttpFault::transfer_encoding;
    chunked_ = is_word(walk.member(), "chunked");
  }
  return HttpFault::none;
}

HttpFault HttpFraming::check(uint8_t minor_version) const {
  if (!has_coding_) return HttpFault::none;
  if (has_length_) return HttpFault::two_framings;
  return minor_version == 0 ? HttpFault::transfer_encoding_in_1_0 : HttpFault::none;
}

HttpBody HttpFraming::body(BodyKind unsaid) const {
  if (chunked_) return {BodyKind::chunked};
  if (has_length_ && length_ > 0) return {BodyKind::length, length_};
  if (has_length_) return {BodyKind::none};
  return {unsaid};
}

bool is_host(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    const std::string_view address = text.substr(1, end - 1);
    const std::string_view port = text.substr(end + 1);
    return std::all_of(address.begin(), address.end(), is_address_byte) &&
           (port.empty() || (port[0] == ':' && is_port(port.substr(1))));
  }
  // RFC 9110 4.2.1: a port without a host leads nowhere.
  if (text.starts_with(':')) return false;
  const std::string_view host = cut_at(text, ':');
  return std::all_of(host.begin(), host.end(), is_host_byte) && is_port(text);
}

}  // namespace sluice
