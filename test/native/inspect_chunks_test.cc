// Chunked bodies: where they end, however they come.
#include "inspect/chunk_walker.h"

#include <doctest/doctest.h>

#include <string>

#include "support/http_stream.h"

namespace sluice::test {
namespace {

// The walker with all of `text`, cut at each place and byte by byte alike.
ChunkWalker walk(std::string_view text, uint16_t line = kChunkLineLimit,
                 uint16_t trailers = kTrailersLimit) {
  const Bytes bytes = bytes_of(text);
  ChunkWalker whole(line, trailers);
  const size_t taken = whole.take(bytes);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    ChunkWalker walker(line, trailers);
    size_t got = walker.take(ConstByteSpan(bytes).first(cut));
    // Whoever takes fewer than all has come to an end.
    CHECK((got == cut || walker.reading() != Reading::more));
    if (got == cut) got += walker.take(ConstByteSpan(bytes).subspan(cut));
    CHECK(got == taken);
    CHECK(walker.data() == whole.data());
    CHECK(walker.reading() == whole.reading());
    CHECK(walker.fault() == whole.fault());
  }
  return whole;
}

size_t length_of(std::string_view text) {
  ChunkWalker walker;
  const Bytes bytes = bytes_of(text);
  const size_t taken = walker.take(bytes);
  CHECK(walker.reading() == Reading::complete);
  return taken;
}

TEST_CASE("RFC 9112 7.1 a chunked body ends behind its trailers, and nothing more is taken") {
  const std::string body =
      "5\r\nhello\r\n0A;a=b;c=\"d;e\"\r\n0123\r\n6789\r\n000\r\nX: y\r\nZ:\r\n\r\n";
  const ChunkWalker walker = walk(body + "GET / HTTP/1.1\r\n");
  CHECK(walker.reading() == Reading::complete);
  CHECK(walker.data() == 15);
  CHECK(length_of(body + "GET") == body.size());
  CHECK(length_of("0\r\n\r\n0\r\n\r\n") == 5);
  for (size_t size = 0; size < body.size(); ++size) {
    CHECK(walk(body.substr(0, size)).reading() == Reading::more);
  }
}

TEST_CASE("RFC 9112 7.1 sizes are hexadecimal, and below 2^63") {
  CHECK(walk("7fffffffffffffff\r\n").ahead() == INT64_MAX);
  CHECK(walk("007FFFFFFFFFFFFFFF\r\n").ahead() == INT64_MAX);
  for (const char* text :
       {"8000000000000000\r\n", "10000000000000000\r\n", "\r\n", ";a\r\n", "0x5\r\n", "-1\r\n",
        "+1\r\n", "5 \r\n", " 5\r\n", "5\t;a\r\n", "g\r\n"}) {
    CAPTURE(text);
    CHECK(walk(text).fault() == HttpFault::chunk_size);
  }
}

TEST_CASE("RFC 9112 7.1 line ends of chunks are CR and LF, as everywhere") {
  CHECK(walk("5\nhello").fault() == HttpFault::bare_lf);
  CHECK(walk("5;a\nhello").fault() == HttpFault::bare_lf);
  CHECK(walk("5;a\rb").fault() == HttpFault::bare_cr);
  CHECK(walk("5\rhello").fault() == HttpFault::bare_cr);
  CHECK(walk("5\r\nhello\n").fault() == HttpFault::chunk_end);
  CHECK(walk("5\r\nhello\rx").fault() == HttpFault::chunk_end);
  CHECK(walk("5\r\nhello!\r\n").fault() == HttpFault::chunk_end);
  CHECK(walk("0\r\n\n").fault() == HttpFault::bare_lf);
  CHECK(walk("0\r\nX: a\n").fault() == HttpFault::bare_lf);
  CHECK(walk("0\r\nX : a\r\n").fault() == HttpFault::space_before_colon);
  CHECK(walk("0\r\n X: a\r\n").fault() == HttpFault::obs_fold);
  CHECK(walk(std::string_view("5;\0", 3)).fault() == HttpFault::control_character);
}

TEST_CASE("RFC 9112 7.1.1 extensions and trailers have limits") {
  const std::string line = "5;" + std::string(29, 'x') + "\r\nhello\r\n0\r\n\r\n";
  CHECK(walk(line, 33).reading() == Reading::complete);
  CHECK(walk(line, 32).reading() == Reading::too_large);
  CHECK(walk(std::string(40, '0'), 32).reading() == Reading::too_large);
  const std::string trailers = "0\r\nX: y\r\n\r\n";
  CHECK(walk(trailers, 33, 8).reading() == Reading::complete);
  CHECK(walk(trailers, 33, 7).reading() == Reading::too_large);
  // Each line has the limit to itself.
  std::string many;
  for (int i = 0; i < 10; ++i) many += "1;0123456789\r\na\r\n";
  CHECK(walk(many + "0\r\n\r\n", 16).reading() == Reading::complete);
}

TEST_CASE(
    "RFC 9112 7.1 data that passes unseen is skipped, and the rest is read as if it had come") {
  ChunkWalker walker;
  walker.take(bytes_of("4000000000000000\r\nab"));
  CHECK(walker.ahead() == (uint64_t{1} << 62) - 2);
  walker.skip(walker.ahead() - 1);
  CHECK(walker.ahead() == 1);
  CHECK(walker.take(bytes_of("c\r\n")) == 3);
  CHECK(walker.ahead() == 0);
  walker.skip(0);
  CHECK(walker.take(bytes_of("0\r\n\r\nx")) == 5);
  CHECK(walker.reading() == Reading::complete);
  CHECK(walker.data() == uint64_t{1} << 62);
}

}  // namespace
}  // namespace sluice::test
