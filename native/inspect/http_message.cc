#include "inspect/http_message.h"

#include "inspect/http_framing.h"

namespace sluice {
namespace {

constexpr size_t kVersionSize = 8;  // HTTP/1.x

// What both kinds of heads say alike, gathered over all fields.
struct Gathered {
  HttpConnection connection;
  HttpFraming framing;
  std::string_view upgrade;
  std::string_view host;
  uint32_t hosts = 0;
  bool expects_continue = false;
};

void take_connection(std::string_view value, HttpConnection& connection) {
  for (HttpListWalk walk(value); walk.next();) {
    if (is_word(walk.member(), "close")) connection.close = true;
    if (is_word(walk.member(), "keep-alive")) connection.keep_alive = true;
    if (is_word(walk.member(), "upgrade")) connection.upgrade = true;
  }
}

HttpFault gather(std::string_view fields, Gathered& gathered) {
  for (HttpFieldWalk field(fields); field.next();) {
    if (const HttpFault fault = gathered.framing.take(field); fault != HttpFault::none) {
      return fault;
    }
    if (field.is("connection")) take_connection(field.value(), gathered.connection);
    if (field.is("upgrade") && gathered.upgrade.empty()) gathered.upgrade = field.value();
    if (field.is("expect") && is_word(field.value(), "100-continue")) {
      gathered.expects_continue = true;
    }
    if (field.is("host")) {
      gathered.host = field.value();
      ++gathered.hosts;
    }
  }
  return HttpFault::none;
}

// RFC 9112 9.3.
bool is_persistent(const HttpConnection& connection, uint8_t minor_version) {
  return !connection.close && (minor_version == 1 || connection.keep_alive);
}

// RFC 9110 7.8: an upgrade is offered where Connection names it, and not in HTTP/1.0.
std::string_view offered(const Gathered& gathered, uint8_t minor_version) {
  return gathered.connection.upgrade && minor_version == 1 ? gathered.upgrade : std::string_view{};
}

void split_path(std::string_view target, HttpRequest& request) {
  request.path = cut_at(target, '?');
  request.query = target;
}

// "http://host:port/path": the scheme is as good as any, the authority is what routing asks for.
HttpFault read_absolute(HttpRequest& request) {
  const size_t colon = request.target.find("://");
  if (colon == std::string_view::npos || colon == 0) return HttpFault::target;
  for (const char byte : request.target.substr(0, colon)) {
    const uint8_t value = static_cast<uint8_t>(byte);
    if (!is_letter(value) && !is_digit(value) && byte != '+' && byte != '-' && byte != '.') {
      return HttpFault::target;
    }
  }
  request.form = TargetForm::absolute;
  const std::string_view behind = request.target.substr(colon + 3);
  const size_t authority = std::min(behind.find_first_of("/?"), behind.size());
  request.host = behind.substr(0, authority);
  split_path(behind.substr(authority), request);
  return request.host.empty() || !is_host(request.host) ? HttpFault::target : HttpFault::none;
}

// RFC 9112 3.2: which form it is depends on the method, too.
HttpFault read_target(HttpRequest& request) {
  const std::string_view target = request.target;
  if (request.method == "CONNECT") {
    request.form = TargetForm::authority;
    request.host = target;
    const size_t colon = target.rfind(':');
    const bool has_port = colon != std::string_view::npos && colon + 1 < target.size();
    return colon != 0 && has_port && is_host(target) ? HttpFault::none : HttpFault::target;
  }
  if (target == "*") {
    request.form = TargetForm::asterisk;
    return request.method == "OPTIONS" ? HttpFault::none : HttpFault::target;
  }
  if (target[0] != '/') return read_absolute(request);
  request.form = TargetForm::origin;
  split_path(target, request);
  return HttpFault::none;
}

// RFC 9112 3.2: Host, once; where the target has an authority, the same.
HttpFault check_host(const Gathered& gathered, HttpRequest& request) {
  if (gathered.hosts > 1) return HttpFault::host_twice;
  if (gathered.hosts == 0) {
    return request.minor_version == 1 ? HttpFault::host_missing : HttpFault::none;
  }
  if (!is_host(gathered.host)) return HttpFault::host;
  if (request.form == TargetForm::origin || request.form == TargetForm::asterisk) {
    request.host = gathered.host;
    return HttpFault::none;
  }
  return equal_ignoring_case(request.host, gathered.host) ? HttpFault::none
                                                          : HttpFault::host_differs;
}

// RFC 9112 6.3 for requests; CONNECT has no content (RFC 9110 9.3.6).
HttpFault frame_request(const HttpFraming& framing, HttpRequest& request) {
  if (request.form == TargetForm::authority) {
    request.body = {BodyKind::tunnel};
    return framing.has_content() ? HttpFault::content_in_connect : HttpFault::none;
  }
  if (framing.has_coding() && !framing.is_chunked()) return HttpFault::transfer_encoding;
  request.body = framing.body(BodyKind::none);
  return HttpFault::none;
}

// RFC 9112 6.3, 1 and 2: these have no content, whatever their fields say.
HttpBody frame_answer(const HttpFraming& framing, AskedBy asked, uint16_t status) {
  if (status == 101) return {BodyKind::tunnel};
  // RFC 9110 9.3.6: any 2xx, 204 among them.
  if (asked == AskedBy::connect && status >= 200 && status < 300) return {BodyKind::tunnel};
  if (status < 200 || status == 204 || status == 304) return {BodyKind::none};
  if (asked == AskedBy::head) return {BodyKind::none};
  return framing.body(BodyKind::until_close);
}

// The first line of a head, split off `head`.
std::string_view first_line(std::string_view& head) {
  const std::string_view line = cut_at(head, '\r');
  head.remove_prefix(1);
  return line;
}

uint8_t minor_of(std::string_view version) { return static_cast<uint8_t>(version[7] - '0'); }

}  // namespace

AskedBy asked_by(const HttpRequest& request) {
  if (request.method == "HEAD") return AskedBy::head;
  return request.method == "CONNECT" ? AskedBy::connect : AskedBy::other;
}

HttpFault read_request(ConstByteSpan head, HttpRequest& request) {
  request = {};
  std::string_view text = as_text(head);
  text.remove_prefix(text.find_first_not_of("\r\n"));
  std::string_view line = first_line(text);
  request.method = cut_at(line, ' ');
  request.target = cut_at(line, ' ');
  request.minor_version = minor_of(line);
  request.fields = text;
  Gathered gathered;
  HttpFault fault = read_target(request);
  if (fault == HttpFault::none) fault = gather(request.fields, gathered);
  if (fault == HttpFault::none) fault = check_host(gathered, request);
  if (fault == HttpFault::none) fault = gathered.framing.check(request.minor_version);
  if (fault == HttpFault::none) fault = frame_request(gathered.framing, request);
  request.connection = gathered.connection;
  request.upgrade = offered(gathered, request.minor_version);
  // RFC 9110 10.1.1: HTTP/1.0 knows no interim answers.
  request.expects_continue = gathered.expects_continue && request.minor_version == 1;
  request.persistent = is_persistent(request.connection, request.minor_version);
  return fault;
}

HttpFault read_answer(ConstByteSpan head, AskedBy asked, HttpAnswer& answer) {
  answer = {};
  std::string_view text = as_text(head);
  std::string_view line = first_line(text);
  answer.minor_version = minor_of(line);
  line.remove_prefix(kVersionSize + 1);
  for (const char digit : line.substr(0, 3)) {
    answer.status = static_cast<uint16_t>(answer.status * 10 + (digit - '0'));
  }
  answer.fields = text;
  Gathered gathered;
  HttpFault fault = gather(answer.fields, gathered);
  if (fault == HttpFault::none) fault = gathered.framing.check(answer.minor_version);
  answer.connection = gathered.connection;
  answer.upgrade = offered(gathered, answer.minor_version);
  answer.body = frame_answer(gathered.framing, asked, answer.status);
  answer.persistent = is_persistent(answer.connection, answer.minor_version) &&
                      answer.body.kind != BodyKind::until_close &&
                      answer.body.kind != BodyKind::tunnel;
  return fault;
}

}  // namespace sluice
