#include "loads/http_answer.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice::bench {
namespace {

using State = HttpAnswer::State;

const std::string kAnswer =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\nhello";

TEST_CASE("bench: an answer is complete with its last byte, however it is cut") {
  for (size_t cut = 0; cut < kAnswer.size(); ++cut) {
    HttpAnswer answer;
    if (cut > 0) CHECK(answer.read(kAnswer.substr(0, cut)) == State::incomplete);
    CHECK(answer.read(kAnswer.substr(cut)) == State::complete);
    answer.clear();
    CHECK(answer.read(kAnswer) == State::complete);
  }
}

TEST_CASE("bench: an answer without a body ends with its head") {
  HttpAnswer answer;
  CHECK(answer.read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == State::complete);
}

TEST_CASE("bench: what is not the answer that was asked for is broken") {
  for (const std::string& bytes : {
           std::string("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n"),
           kAnswer + "more",
           std::string(5'000, 'x'),
       }) {
    HttpAnswer answer;
    CHECK(answer.read(bytes) == State::broken);
  }
}

}  // namespace
}  // namespace sluice::bench
