// What a head says: target and host, the connection, and which body follows.
#include "inspect/http_message.h"

#include <doctest/doctest.h>

#include <string>

#include "support/http_stream.h"

namespace sluice::test {
namespace {

// A request with that first line and those fields; the head is kept beside what was read.
struct Read {
  explicit Read(std::string_view line, std::string_view fields = "Host: a.test\r\n")
      : head(bytes_of(std::string(line) + "\r\n" + std::string(fields) + "\r\n")) {
    HttpHeadReader reader(HttpHeadKind::request);
    REQUIRE(reader.take(head) == Reading::complete);
    fault = read_request(head, request);
  }
  Bytes head;
  HttpRequest request;
  HttpFault fault = HttpFault::none;
};

Read with(std::string_view fields, std::string_view line = "POST / HTTP/1.1") {
  return Read(line, "Host: a.test\r\n" + std::string(fields));
}

HttpBody answered(std::string_view text, AskedBy asked = AskedBy::other) {
  const Bytes head = bytes_of(std::string("HTTP/1.1 ") + std::string(text) + "\r\n");
  HttpHeadReader reader(HttpHeadKind::answer);
  REQUIRE(reader.take(head) == Reading::complete);
  HttpAnswer answer;
  REQUIRE(read_answer(head, asked, answer) == HttpFault::none);
  return answer.body;
}

HttpFault answer_fault(std::string_view text) {
  const Bytes head = bytes_of(text);
  HttpAnswer answer;
  return read_answer(head, AskedBy::other, answer);
}

TEST_CASE("RFC 9112 3.2 the four forms of a request target") {
  const Read origin("GET /a/b?c=d?e HTTP/1.1");
  CHECK(origin.request.form == TargetForm::origin);
  CHECK(origin.request.method == "GET");
  CHECK(origin.request.target == "/a/b?c=d?e");
  CHECK(origin.request.path == "/a/b");
  CHECK(origin.request.query == "c=d?e");
  CHECK(origin.request.host == "a.test");
  const Read absolute("GET http://A.test:80/x?y HTTP/1.1", "host:a.TEST:80\r\n");
  CHECK(absolute.fault == HttpFault::none);
  CHECK(absolute.request.form == TargetForm::absolute);
  CHECK(absolute.request.host == "A.test:80");
  CHECK(absolute.request.path == "/x");
  CHECK(absolute.request.query == "y");
  const Read authority("CONNECT [2001:db8::1]:443 HTTP/1.1", "Host: [2001:DB8::1]:443\r\n");
  CHECK(authority.fault == HttpFault::none);
  CHECK(authority.request.form == TargetForm::authority);
  CHECK(authority.request.host == "[2001:db8::1]:443");
  CHECK(authority.request.body.kind == BodyKind::tunnel);
  CHECK(Read("OPTIONS * HTTP/1.1").request.form == TargetForm::asterisk);
  for (const char* line :
       {"GET * HTTP/1.1", "GET a HTTP/1.1", "GET a.test:80 HTTP/1.1", "CONNECT /a HTTP/1.1",
        "CONNECT a.test HTTP/1.1", "CONNECT a.test: HTTP/1.1", "CONNECT :80 HTTP/1.1",
        "GET http:///a HTTP/1.1", "GET http://u@a.test/ HTTP/1.1", "GET ht_p://a.test/ HTTP/1.1",
        "GET ://a.test/ HTTP/1.1", "GET http://:80/ HTTP/1.1", "GET http://:/ HTTP/1.1",
        "GET http://a.test:65536/ HTTP/1.1", "CONNECT a.test:65536 HTTP/1.1"}) {
    CAPTURE(line);
    CHECK(Read(line).fault == HttpFault::target);
  }
}

TEST_CASE("RFC 9112 3.2 Host: once, and the same as in the target") {
  CHECK(Read("GET / HTTP/1.1", "").fault == HttpFault::host_missing);
  CHECK(Read("GET / HTTP/1.0", "").fault == HttpFault::none);
  CHECK(Read("GET / HTTP/1.1", "Host: a\r\nhost: a\r\n").fault == HttpFault::host_twice);
  CHECK(Read("GET / HTTP/1.0", "Host: a\r\nhost: a\r\n").fault == HttpFault::host_twice);
  CHECK(Read("GET http://a/ HTTP/1.1", "Host: b\r\n").fault == HttpFault::host_differs);
  CHECK(Read("GET / HTTP/1.1", "Host:\r\n").fault == HttpFault::none);
  CHECK(Read("GET / HTTP/1.1", "Host: a:65535\r\n").fault == HttpFault::none);
  CHECK(Read("GET / HTTP/1.1", "Host: a:\r\n").fault == HttpFault::none);
  for (const char* host : {"a b", "a/b", "u@a", "a:b", "a:1:2", "[::1", "[]", "[::1]x", "a,b c",
                           "a\\b", "a:123456", "<a>", ":80", ":", "a:65536", "[::1]:65536"}) {
    CAPTURE(host);
    CHECK(Read("GET / HTTP/1.1", "Host: " + std::string(host) + "\r\n").fault == HttpFault::host);
  }
}

TEST_CASE("RFC 9110 7.6.1 RFC 9112 9.3 what Connection says, in which version") {
  const Read plain = with("");
  CHECK(plain.request.persistent);
  CHECK_FALSE(plain.request.connection.close);
  CHECK_FALSE(with("Connection: x, CLOSE\r\n").request.persistent);
  CHECK_FALSE(with("Connection: keep-alive\r\nConnection: close\r\n").request.persistent);
  CHECK_FALSE(with("", "GET / HTTP/1.0").request.persistent);
  CHECK(with("Connection: Keep-Alive\r\n", "GET / HTTP/1.0").request.persistent);
  const Read upgrade = with("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n");
  CHECK(upgrade.request.upgrade == "websocket");
  CHECK(upgrade.request.connection.keep_alive);
  CHECK(with("Upgrade: websocket\r\n").request.upgrade.empty());
  // The first one's; the others are there for who wants them.
  const Read several = with("Upgrade:\r\nUpgrade: a, b\r\nConnection: upgrade\r\nUpgrade: c\r\n");
  CHECK(several.request.upgrade == "a, b");
  CHECK(with("Connection: upgrade\r\nUpgrade: h2c\r\n", "GET / HTTP/1.0").request.upgrade.empty());
}

TEST_CASE("RFC 9110 10.1.1 who expects 100-continue, in HTTP/1.1") {
  CHECK(with("Expect: 100-Continue\r\n").request.expects_continue);
  CHECK_FALSE(with("Expect: 100-continue\r\n", "POST / HTTP/1.0").request.expects_continue);
  CHECK_FALSE(with("Expect: other\r\n").request.expects_continue);
}

TEST_CASE("RFC 9112 6.3 Content-Length: digits, below 2^63, and one number") {
  const auto length = [](std::string_view value) {
    return with("Content-Length: " + std::string(value) + "\r\n");
  };
  CHECK(length("12").request.body.kind == BodyKind::length);
  CHECK(length("12").request.body.length == 12);
  CHECK(length("0").request.body.kind == BodyKind::none);
  CHECK(with("").request.body.kind == BodyKind::none);
  CHECK(length("12, 12").request.body.length == 12);
  CHECK(length("12\r\nContent-Length: 012").request.body.length == 12);
  CHECK(length("12, 13").fault == HttpFault::content_lengths_differ);
  CHECK(length("12\r\nContent-Length: 0").fault == HttpFault::content_lengths_differ);
  CHECK(length("9223372036854775807").request.body.length == INT64_MAX);
  for (const char* value : {"", "+1", "-1", "1 2", "0x1", "1a", "9223372036854775808", "1,", ",1",
                            "99999999999999999999", "1.0", "1;"}) {
    CAPTURE(value);
    CHECK(length(value).fault == HttpFault::content_length);
  }
}

TEST_CASE("RFC 9112 6.1 Transfer-Encoding: chunked, last, once, alone, and in HTTP/1.1") {
  const auto coding = [](std::string_view value) {
    return with("Transfer-Encoding: " + std::string(value) + "\r\n");
  };
  CHECK(coding("chunked").request.body.kind == BodyKind::chunked);
  CHECK(coding("gzip, Chunked").request.body.kind == BodyKind::chunked);
  CHECK(coding("gzip\r\ntransfer-encoding:\tchunked ").request.body.kind == BodyKind::chunked);
  for (const char* value :
       {"", "gzip", "chunked, gzip", "chunked, chunked", "xchunked", "chunked;q=1", "\"chunked\"",
        "gzip;a=\", chunked", "gzip;a=\"b\", chunked", ", chunked", "chunked,", "identity",
        "chunked\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: identity"}) {
    CAPTURE(value);
    CHECK(coding(value).fault == HttpFault::transfer_encoding);
  }
  const std::string both = "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n";
  CHECK(with(both).fault == HttpFault::two_framings);
  CHECK(with("Content-Length: 0\r\nTransfer-Encoding: gzip\r\n").fault == HttpFault::two_framings);
  CHECK(with("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0").fault ==
        HttpFault::transfer_encoding_in_1_0);
  const std::string connect = "CONNECT a.test:1 HTTP/1.1";
  const std::string host = "Host: a.test:1\r\n";
  CHECK(Read(connect, host + "Content-Length: 0\r\n").fault == HttpFault::none);
  CHECK(Read(connect, host + "Content-Length: 1\r\n").fault == HttpFault::content_in_connect);
  CHECK(Read(connect, host + "Transfer-Encoding: chunked\r\n").fault ==
        HttpFault::content_in_connect);
}

TEST_CASE("RFC 9112 6.3 which body follows an answer") {
  const std::string length = "\r\nContent-Length: 5\r\n";
  CHECK(answered("200 OK" + length).kind == BodyKind::length);
  CHECK(answered("200 OK" + length, AskedBy::head).kind == BodyKind::none);
  CHECK(answered("200 OK\r\nTransfer-Encoding: chunked\r\n", AskedBy::head).kind == BodyKind::none);
  for (const char* status :
       {"100 Continue", "103 Early Hints", "204 No Content", "304 Not Modified"}) {
    CHECK(answered(status + length).kind == BodyKind::none);
  }
  CHECK(answered("101 Switching Protocols\r\n").kind == BodyKind::tunnel);
  CHECK(answered("200 OK" + length, AskedBy::connect).kind == BodyKind::tunnel);
  CHECK(answered("204 No Content\r\n", AskedBy::connect).kind == BodyKind::tunnel);
  CHECK(answered("103 Early Hints\r\n", AskedBy::connect).kind == BodyKind::none);
  CHECK(answered("407 No" + length, AskedBy::connect).kind == BodyKind::length);
  CHECK(answered("200 OK\r\n").kind == BodyKind::until_close);
  CHECK(answered("200 OK\r\nTransfer-Encoding: gzip\r\n").kind == BodyKind::until_close);
  CHECK(answered("200 OK\r\nTransfer-Encoding: chunked\r\n").kind == BodyKind::chunked);
  CHECK(answered("200 OK\r\nContent-Length: 0\r\n").kind == BodyKind::none);
  CHECK(
      answer_fault("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n") ==
      HttpFault::two_framings);
  CHECK(answer_fault("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") ==
        HttpFault::transfer_encoding_in_1_0);
}

TEST_CASE("RFC 9112 6.3 what was asked decides where the answer ends") {
  CHECK(asked_by(Read("HEAD / HTTP/1.1").request) == AskedBy::head);
  CHECK(asked_by(Read("CONNECT a:1 HTTP/1.1", "Host: a:1\r\n").request) == AskedBy::connect);
  CHECK(asked_by(Read("GET / HTTP/1.1").request) == AskedBy::other);
  // Methods differ by case (RFC 9110 9.1).
  CHECK(asked_by(Read("head / HTTP/1.1").request) == AskedBy::other);
}

TEST_CASE("RFC 9110 15.2 an interim answer is not the last; 101 is") {
  const auto read = [](std::string_view text, HttpAnswer& answer) {
    return read_answer(bytes_of(text), AskedBy::other, answer);
  };
  HttpAnswer answer;
  read("HTTP/1.1 103 E\r\n\r\n", answer);
  CHECK(answer.interim());
  CHECK(answer.status == 103);
  read("HTTP/1.1 101 S\r\n\r\n", answer);
  CHECK_FALSE(answer.interim());
  read("HTTP/1.1 200 OK\r\n\r\n", answer);
  CHECK_FALSE(answer.persistent);
  read("HTTP/1.1 204\r\n\r\n", answer);
  CHECK(answer.status == 204);
  CHECK(answer.persistent);
  read("HTTP/1.0 304 N\r\n\r\n", answer);
  CHECK_FALSE(answer.persistent);
}

TEST_CASE("RFC 9110 9.3.6 7.8 no request follows in a tunnel, but may where it was refused") {
  const auto persistent = [](std::string_view text, AskedBy asked) {
    HttpAnswer answer;
    CHECK(read_answer(bytes_of(text), asked, answer) == HttpFault::none);
    return answer.persistent;
  };
  CHECK_FALSE(persistent("HTTP/1.1 200 OK\r\n\r\n", AskedBy::connect));
  CHECK_FALSE(persistent("HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n", AskedBy::connect));
  CHECK_FALSE(persistent("HTTP/1.1 101 S\r\nUpgrade: a\r\n\r\n", AskedBy::other));
  CHECK(persistent("HTTP/1.1 407 P\r\nContent-Length: 0\r\n\r\n", AskedBy::connect));
  CHECK(Read("CONNECT a:1 HTTP/1.1", "Host: a:1\r\n").request.persistent);
}

TEST_CASE("RFC 9110 5.1 a walk of fields that has ended stays at its end") {
  HttpFieldWalk walk("a: 1\r\n\r\n");
  CHECK(walk.next());
  for (int i = 0; i < 3; ++i) CHECK_FALSE(walk.next());
  HttpFieldWalk empty("");
  for (int i = 0; i < 3; ++i) CHECK_FALSE(empty.next());
}

TEST_CASE("RFC 9110 5.1 fields are found in any case, their values without spaces around") {
  const Read read = with("X-One: \t1 \r\nx-two:\r\nX-ONE: 2\r\n");
  CHECK(find_field(read.request.fields, "x-one") == "1");
  CHECK(find_field(read.request.fields, "X-Two") == "");
  CHECK_FALSE(find_field(read.request.fields, "x-three"));
  size_t count = 0;
  for (HttpFieldWalk walk(read.request.fields); walk.next();) count += walk.is("x-one");
  CHECK(count == 2);
}

TEST_CASE("RFC 6265 4.2.1 a cookie by its name, of all Cookie fields, as sent") {
  const Read read = with(
      "Cookie: a=1; sid=\"x y\"; asid=no;b==2\r\nSet-Cookie: c=9\r\ncookie: SID=3; c=4; a=5; d; "
      "e=\r\n");
  const std::string_view fields = read.request.fields;
  CHECK(find_cookie(fields, "sid") == "\"x y\"");
  CHECK(find_cookie(fields, "SID") == "3");
  CHECK(find_cookie(fields, "a") == "1");
  CHECK(find_cookie(fields, "b") == "=2");
  CHECK(find_cookie(fields, "c") == "4");
  CHECK(find_cookie(fields, "e") == "");
  CHECK_FALSE(find_cookie(fields, "d"));
  CHECK_FALSE(find_cookie(fields, "id"));
}

}  // namespace
}  // namespace sluice::test
