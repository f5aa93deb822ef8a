// Where a head ends, and what is wrong with one, by the first byte that is.
#include "inspect/http_head.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "support/http_stream.h"

namespace sluice::test {
namespace {

// The reader with all of `text`, taken byte by byte; at once it says the same.
HttpHeadReader read(std::string_view text, HttpHeadKind kind = HttpHeadKind::request,
                    uint32_t limit = kHttpHeadLimit) {
  const Bytes bytes = bytes_of(text);
  HttpHeadReader whole(kind, limit);
  whole.take(bytes);
  HttpHeadReader reader(kind, limit);
  for (const uint8_t& byte : bytes) reader.take({&byte, 1});
  CHECK(reader.reading() == whole.reading());
  CHECK(reader.fault() == whole.fault());
  CHECK(reader.length() == whole.length());
  return reader;
}

HttpFault fault_of(std::string_view text) { return read(text).fault(); }

TEST_CASE("RFC 9112 2.1 a head ends with its empty line, and what follows is not read") {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const HttpHeadReader reader = read(head + "GET /next");
  CHECK(reader.reading() == Reading::complete);
  CHECK(reader.length() == head.size());
  for (size_t size = 0; size < head.size(); ++size) {
    CHECK(read(head.substr(0, size)).reading() == Reading::more);
  }
}

TEST_CASE("RFC 9112 2.1 a reader given what is new says what one given all that came does") {
  const Bytes head = bytes_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  HttpHeadReader reader(HttpHeadKind::request);
  HttpHeadReader other(HttpHeadKind::request);
  std::vector<ConstByteSpan> pieces;
  for (const uint8_t& byte : head) {
    pieces.push_back({&byte, 1});
    const Reading reading = reader.take(pieces.back());
    CHECK(reading == (&byte == &head.back() ? Reading::complete : Reading::more));
    CHECK(read_on(other, Pieces(pieces)) == reading);
    CHECK(other.length() == reader.length());
  }
}

TEST_CASE("RFC 9112 2.2 empty lines before a request are passed over") {
  const HttpHeadReader reader = read("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(reader.reading() == Reading::complete);
  CHECK(reader.length() == 31);
  CHECK_FALSE(read("\r\n\r").begun());
  CHECK(read("\r\nG").begun());
  CHECK(read("\r\nHTTP/1.1 200 OK\r\n\r\n", HttpHeadKind::answer).fault() == HttpFault::version);
}

TEST_CASE("RFC 9112 2.2 LF alone ends no line, CR alone is in none: both smuggle") {
  CHECK(fault_of("GET / HTTP/1.1\nHost: a\n\n") == HttpFault::bare_lf);
  CHECK(fault_of("\nGET / HTTP/1.1\r\n") == HttpFault::bare_lf);
  CHECK(fault_of("GET\n") == HttpFault::bare_lf);
  CHECK(fault_of("GET /\n") == HttpFault::bare_lf);
  CHECK(fault_of("GET / HTTP/1.1\r\nHost: a\n\r\n") == HttpFault::bare_lf);
  CHECK(fault_of("GET / HTTP/1.1\r\nHost\n") == HttpFault::bare_lf);
  CHECK(fault_of("GET / HTTP/1.1\r\nHost: a\r\n\n") == HttpFault::bare_lf);
  CHECK(fault_of("GET / HTTP/1.1\r\nA: b\rHost: a\r\n") == HttpFault::bare_cr);
  CHECK(fault_of("GET / HTTP/1.1\r\n\rX") == HttpFault::bare_cr);
  CHECK(fault_of("GET / HTTP/1.1\rX") == HttpFault::bare_cr);
  CHECK(fault_of("\rGET") == HttpFault::bare_cr);
}

TEST_CASE("RFC 9112 3 a request line has a method, a target and a version, one space apart") {
  CHECK(fault_of("GET  / HTTP/1.1\r\n") == HttpFault::target);
  CHECK(fault_of("GET /  HTTP/1.1\r\n") == HttpFault::version);
  CHECK(fault_of(" GET / HTTP/1.1\r\n") == HttpFault::method);
  CHECK(fault_of("G(T / HTTP/1.1\r\n") == HttpFault::method);
  CHECK(fault_of("GET /\r\n") == HttpFault::version);
  CHECK(fault_of("GET /a#b HTTP/1.1\r\n") == HttpFault::target);
  CHECK(fault_of("GET /\xc3\xa9 HTTP/1.1\r\n") == HttpFault::target);
  CHECK(fault_of("GET / HTTP/1.2\r\n") == HttpFault::version);
  CHECK(fault_of("GET / HTTP/1.1 \r\n") == HttpFault::version);
  CHECK(fault_of("GET / http/1.1\r\n") == HttpFault::version);
  CHECK(fault_of("PRI * HTTP/2.0\r\n") == HttpFault::version);
  CHECK(fault_of("\x16\x03\x01") == HttpFault::method);
}

TEST_CASE("RFC 9112 4 a status line; a server may leave out the space behind the status") {
  const auto answer = [](std::string_view text) { return read(text, HttpHeadKind::answer); };
  CHECK(answer("HTTP/1.1 200 OK\r\n\r\n").reading() == Reading::complete);
  CHECK(answer("HTTP/1.0 200 \r\n\r\n").reading() == Reading::complete);
  CHECK(answer("HTTP/1.1 200\r\n\r\n").reading() == Reading::complete);
  CHECK(answer("HTTP/1.1 404 Pas trouv\xe9\r\n\r\n").reading() == Reading::complete);
  CHECK(answer("HTTP/1.1 20").reading() == Reading::more);
  CHECK(answer("HTTP/1.1 20 OK\r\n").fault() == HttpFault::status);
  CHECK(answer("HTTP/1.1 2000\r\n").fault() == HttpFault::status);
  CHECK(answer("HTTP/1.1 099\r\n").fault() == HttpFault::status);
  CHECK(answer("HTTP/1.1 -20").fault() == HttpFault::status);
  CHECK(answer("HTTP/2 200").fault() == HttpFault::version);
  CHECK(answer("ICY 200 OK").fault() == HttpFault::version);
  CHECK(answer("HTTP/1.1 200 O\nK").fault() == HttpFault::bare_lf);
}

TEST_CASE("RFC 9112 5 field lines: no folding, no space before the colon, names are tokens") {
  const std::string line = "GET / HTTP/1.1\r\n";
  CHECK(fault_of(line + " Host: a\r\n") == HttpFault::obs_fold);
  CHECK(fault_of(line + "Host: a\r\n\tb\r\n") == HttpFault::obs_fold);
  CHECK(fault_of(line + "Host : a\r\n") == HttpFault::space_before_colon);
  CHECK(fault_of(line + "Host\t: a\r\n") == HttpFault::space_before_colon);
  CHECK(fault_of(line + ": a\r\n") == HttpFault::field_name);
  CHECK(fault_of(line + "Host\r\n") == HttpFault::field_name);
  CHECK(fault_of(line + "Ho(st: a\r\n") == HttpFault::field_name);
  CHECK(fault_of(line + std::string("A: b\0c", 6)) == HttpFault::control_character);
  CHECK(fault_of(line + "A: b\x7f") == HttpFault::control_character);
  CHECK(fault_of(line + "A: \x01") == HttpFault::control_character);
  CHECK(read(line + "A:\tb \xe9\t\r\nB:\r\n\r\n").reading() == Reading::complete);
}

TEST_CASE("RFC 9112 3 a head that does not end within its limit is too large") {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const uint32_t size = static_cast<uint32_t>(head.size());
  const auto within = [&](uint32_t limit) { return read(head, HttpHeadKind::request, limit); };
  CHECK(within(size).reading() == Reading::complete);
  CHECK(within(size - 1).reading() == Reading::too_large);
  CHECK(within(size - 1).length() == size - 1);
  CHECK(within(3).reading() == Reading::too_large);
  CHECK(read(std::string(40, '\r'), HttpHeadKind::request, 1).reading() == Reading::too_large);
}

TEST_CASE(
    "RFC 9112 2.2 a reader goes on in pieces where it stopped, and says no more once it ended") {
  const Bytes head = bytes_of("POST /a HTTP/1.1\r\nHost: a\r\nCookie: b=c\r\n\r\nrest");
  for (size_t cut = 0; cut <= head.size(); ++cut) {
    const std::array<ConstByteSpan, 3> pieces{ConstByteSpan(head).first(cut), ConstByteSpan(),
                                              ConstByteSpan(head).subspan(cut)};
    HttpHeadReader reader(HttpHeadKind::request);
    read_on(reader, Pieces(std::span(pieces).first(2)));
    CHECK(read_on(reader, Pieces(pieces)) == Reading::complete);
    CHECK(reader.length() == head.size() - 4);
    CHECK(read_on(reader, Pieces(pieces)) == Reading::complete);
    CHECK(reader.length() == head.size() - 4);
    Bytes scratch(reader.length());
    const ConstByteSpan whole = Pieces(pieces).gather(0, reader.length(), scratch);
    CHECK(std::equal(whole.begin(), whole.end(), head.begin()));
    // Copied only where it lies in two.
    const bool in_one = cut == 0 || cut >= reader.length();
    CHECK((whole.data() != scratch.data()) == in_one);
  }
}

}  // namespace
}  // namespace sluice::test
