// Reads streams as native/inspect does, for tests that know from elsewhere what they say. One request a
// line on stdin, one line of JSON for each on stdout:
//
//   request HEX                  requests of HTTP/1.1
//   answer head|connect|other HEX   answers to that
//   client HEX, server HEX       the beginning of a stream of TLS
//   every ...                    the same, and cut at every place it has to say the same
//
// Texts are bytes as characters of Latin 1, as Node's http has them.
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "base/check.h"
#include "inspect/tls_hello.h"
#include "support/http_stream.h"

namespace sluice::test {
namespace {

// An object or a list of JSON, member by member.
class Json {
 public:
  explicit Json(char end) : end_(end) {}
  Json& name(std::string_view name) {
    comma();
    text_ += quoted(name) + ":";
    fresh_ = true;
    return *this;
  }
  Json& text(std::string_view value) { return raw(quoted(value)); }
  Json& text(ConstByteSpan value) { return text(as_text(value)); }
  Json& number(uint64_t value) { return raw(std::to_string(value)); }
  Json& truth(bool value) { return raw(value ? "true" : "false"); }
  Json& raw(const std::string& value) {
    comma();
    text_ += value;
    return *this;
  }
  std::string done() const { return (end_ == '}' ? "{" : "[") + text_ + end_; }

 private:
  static std::string quoted(std::string_view value) {
    std::string text = "\"";
    for (const char byte : value) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<uint8_t>(byte));
      const bool plain = byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
      text += plain ? std::string(1, byte) : escaped;
    }
    return text + "\"";
  }
  void comma() {
    if (!fresh_) text_ += ",";
    fresh_ = false;
  }

  std::string text_;
  char end_;
  bool fresh_ = true;
};

const char* name_of(Reading reading) {
  switch (reading) {
    case Reading::more: return "more";
    case Reading::complete: return "complete";
    case Reading::malformed: return "malformed";
    case Reading::too_large: return "too_large";
    case Reading::foreign: return "foreign";
  }
  return "";
}

const char* name_of(BodyKind kind) {
  switch (kind) {
    case BodyKind::none: return "none";
    case BodyKind::length: return "length";
    case BodyKind::chunked: return "chunked";
    case BodyKind::until_close: return "until_close";
    case BodyKind::tunnel: return "tunnel";
  }
  return "";
}

std::string describe(const SeenMessage& seen) {
  Json fields(']');
  for (const auto& [name, value] : seen.fields) fields.text(name).text(value);
  return Json('}')
      .name("method").text(seen.method)
      .name("target").text(seen.target)
      .name("host").text(seen.host)
      .name("minor").number(seen.minor_version)
      .name("status").number(seen.status)
      .name("fields").raw(fields.done())
      .name("body").text(name_of(seen.body))
      .name("content").number(seen.content)
      .name("persistent").truth(seen.persistent)
      .name("complete").truth(seen.complete)
      .done();
}

std::string describe(const HttpStream& stream) {
  Json messages(']');
  for (const SeenMessage& seen : stream.messages) messages.raw(describe(seen));
  return Json('}')
      .name("reading").text(name_of(stream.reading))
      .name("fault").text(sluice::describe(stream.fault))
      .name("messages").raw(messages.done())
      .done();
}

std::string read_http(HttpHeadKind kind, AskedBy asked, ConstByteSpan first, ConstByteSpan rest) {
  HttpStream stream(kind, asked);
  stream.take(first);
  stream.take(rest);
  return describe(stream);
}

std::string describe_client(ConstByteSpan message) {
  ClientHello hello;
  const TlsFault fault = read_client_hello(message, hello);
  Json protocols(']');
  Json versions(']');
  if (fault == TlsFault::none) {
    for (TlsProtocolWalk walk(hello.protocols); walk.next();) protocols.text(walk.name());
    for (uint16_t version = 0x0300; version <= kTls13; ++version) {
      if (hello.offers(version)) versions.number(version);
    }
  }
  return Json('}')
      .name("fault").text(sluice::describe(fault))
      .name("serverName").text(hello.server_name)
      .name("sessionId").text(hello.session_id)
      .name("protocols").raw(protocols.done())
      .name("versions").raw(versions.done())
      .name("ticket").truth(hello.has_ticket)
      .name("psk").truth(hello.has_psk)
      .done();
}

std::string describe_server(ConstByteSpan message) {
  ServerHello hello;
  const TlsFault fault = read_server_hello(message, hello);
  return Json('}')
      .name("fault").text(sluice::describe(fault))
      .name("sessionId").text(hello.session_id)
      .name("namesSession").truth(hello.names_session())
      .name("protocol").text(hello.protocol)
      .name("version").number(hello.version)
      .name("retry").truth(hello.is_retry)
      .name("psk").truth(hello.takes_psk)
      .name("ticket").truth(hello.gives_ticket)
      .done();
}

std::string read_tls(TlsHelloKind kind, ConstByteSpan first, ConstByteSpan rest) {
  // Each piece in memory of its own, so that a hello over both has to be put together.
  const Bytes one(first.begin(), first.end());
  const Bytes two(rest.begin(), rest.end());
  const ConstByteSpan pieces[] = {one, two};
  TlsHelloReader reader(kind);
  read_on(reader, Pieces(std::span(pieces).first(1)));
  read_on(reader, Pieces(pieces));
  Json json('}');
  json.name("reading").text(name_of(reader.reading()));
  json.name("reason").text(sluice::describe(reader.fault()));
  json.name("length").number(reader.length());
  if (reader.reading() != Reading::complete) return json.done();
  Bytes scratch(reader.message_length());
  const ConstByteSpan message = reader.message(Pieces(pieces), scratch);
  const bool client = kind == TlsHelloKind::client;
  return json.name("hello").raw(client ? describe_client(message) : describe_server(message)).done();
}

Bytes unhexed(const std::string& hex) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string read(const std::string& kind, AskedBy asked, ConstByteSpan first, ConstByteSpan rest) {
  if (kind == "request") return read_http(HttpHeadKind::request, asked, first, rest);
  if (kind == "answer") return read_http(HttpHeadKind::answer, asked, first, rest);
  return read_tls(kind == "client" ? TlsHelloKind::client : TlsHelloKind::server, first, rest);
}

std::string answer(std::istringstream& line) {
  std::string kind;
  std::string asked;
  std::string hex;
  line >> kind;
  const bool every = kind == "every";
  if (every) line >> kind;
  if (kind == "answer") line >> asked;
  line >> hex;
  const AskedBy asked_by = asked == "head"      ? AskedBy::head
                           : asked == "connect" ? AskedBy::connect
                                                : AskedBy::other;
  const Bytes bytes = unhexed(hex);
  const ConstByteSpan all = bytes;
  const std::string whole = read(kind, asked_by, all, {});
  for (size_t cut = 0; every && cut < all.size(); ++cut) {
    SLUICE_CHECK(read(kind, asked_by, all.first(cut), all.subspan(cut)) == whole);
  }
  return whole;
}

}  // namespace
}  // namespace sluice::test

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::cout << sluice::test::answer(words) << "\n";
  }
  return 0;
}
