#pragma once

#include <cstdint>
#include <string_view>

#include "inspect/http_fields.h"
#include "inspect/http_syntax.h"

namespace sluice {

// RFC 9112 3.2.
enum class TargetForm : uint8_t { origin, absolute, authority, asterisk };

// What follows a head (RFC 9112 6.3).
enum class BodyKind : uint8_t {
  none,         // the next head
  length,       // `length` bytes
  chunked,      // chunks: ChunkWalker
  until_close,  // all that comes
  tunnel,       // all that comes, and is HTTP no longer: CONNECT, 101
};
struct HttpBody {
  BodyKind kind = BodyKind::none;
  uint64_t length = 0;
};

// What a head says of its connection (RFC 9112 9.3, 9.6, RFC 9110 7.6.1, 7.8).
struct HttpConnection {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
};

// What routing and framing need of a request. All texts stand in the head.
struct HttpRequest {
  std::string_view method;
  std::string_view target;
  // Of the target in origin and absolute form: what stands before and behind its first `?`.
  std::string_view path;
  std::string_view query;
  // Host and port as sent: of the target where it has them, else of Host; empty where neither has.
  std::string_view host;
  // The protocols that the first Upgrade field with any offers, where Connection says so; empty in
  // HTTP/1.0.
  std::string_view upgrade;
  // For HttpFieldWalk, find_field() and find_cookie().
  std::string_view fields;
  HttpConnection connection;
  HttpBody body;
  TargetForm form = TargetForm::origin;
  uint8_t minor_version = 1;
  bool expects_continue = false;
  // Whether another request may follow on the connection (RFC 9112 9.3), as far as the client has a
  // say: CONNECT and an upgrade end that if the answer is a tunnel.
  bool persistent = true;
};

// The same of an answer.
struct HttpAnswer {
  std::string_view upgrade;
  std::string_view fields;
  HttpConnection connection;
  HttpBody body;
  uint16_t status = 0;
  uint8_t minor_version = 1;
  // Whether another request may follow: not behind what ends with the connection, nor in a tunnel.
  bool persistent = true;

  // Another answer to the same request follows (RFC 9110 15.2).
  bool interim() const { return status < 200 && status != 101; }
};

// What was asked, where it decides whether the answer has a body.
enum class AskedBy : uint8_t { head, connect, other };
AskedBy asked_by(const HttpRequest& request);

// Reads a head that HttpHeadReader has found complete: its first length() bytes, in one piece. What
// it fills in has a meaning where it answers HttpFault::none only.
HttpFault read_request(ConstByteSpan head, HttpRequest& request);
HttpFault read_answer(ConstByteSpan head, AskedBy asked, HttpAnswer& answer);

}  // namespace sluice
