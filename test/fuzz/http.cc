// Any bytes as one direction of HTTP/1.1, cut anywhere: the pieces say what the whole says, nothing
// is read behind what came, what was read stands in its head, and a chunked body is exactly its
// bytes.
//
// Input: bits of kind and question U8, seed of the cuts U16, limit of heads U16, then the stream.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/check.h"
#include "base/random.h"
#include "support/http_stream.h"
#include "support/input.h"

namespace {

using namespace sluice;
using test::Bytes;
using test::HttpStream;

// A copy of its very size: a sanitizer sees who reads behind it.
Bytes copied(ConstByteSpan bytes) { return {bytes.begin(), bytes.end()}; }

bool lies_in(std::string_view text, std::string_view whole) {
  return text.empty() ||
         (text.data() >= whole.data() && text.data() + text.size() <= whole.data() + whole.size());
}

void check_fields(std::string_view fields, std::string_view head) {
  SLUICE_CHECK(lies_in(fields, head));
  for (HttpFieldWalk walk(fields); walk.next();) {
    SLUICE_CHECK(!walk.name().empty() && lies_in(walk.name(), fields));
    SLUICE_CHECK(lies_in(walk.value(), fields) && walk.value() == trimmed(walk.value()));
    SLUICE_CHECK(walk.value().find_first_of(std::string_view("\r\n\0", 3)) ==
                 std::string_view::npos);
    SLUICE_CHECK(find_field(fields, walk.name()).has_value());
  }
  for (const std::string_view name : {"a", "sid", ""}) {
    if (const auto cookie = find_cookie(fields, name)) SLUICE_CHECK(lies_in(*cookie, fields));
  }
}

void check_body(const HttpBody& body) {
  SLUICE_CHECK(body.length <= INT64_MAX);
  SLUICE_CHECK((body.length > 0) == (body.kind == BodyKind::length));
}

void check_request(ConstByteSpan head) {
  const std::string_view text = as_text(head);
  HttpRequest request;
  if (read_request(head, request) != HttpFault::none) return;
  SLUICE_CHECK(!request.method.empty() && !request.target.empty());
  for (const std::string_view part : {request.method, request.target, request.path, request.query,
                                      request.host, request.upgrade}) {
    SLUICE_CHECK(lies_in(part, text));
  }
  SLUICE_CHECK(request.minor_version <= 1);
  SLUICE_CHECK(request.body.kind != BodyKind::until_close);
  check_body(request.body);
  check_fields(request.fields, text);
}

void check_answer(ConstByteSpan head, AskedBy asked) {
  const std::string_view text = as_text(head);
  HttpAnswer answer;
  if (read_answer(head, asked, answer) != HttpFault::none) return;
  SLUICE_CHECK(answer.status >= 100 && answer.status <= 999);
  SLUICE_CHECK(lies_in(answer.upgrade, text));
  check_body(answer.body);
  check_fields(answer.fields, text);
}

// A head is complete with its last byte and not before, whatever follows.
void check_head(const Bytes& stream, HttpHeadKind kind, AskedBy asked, uint32_t limit) {
  HttpHeadReader reader(kind, limit);
  const Reading reading = reader.take(stream);
  SLUICE_CHECK(reader.length() <= limit && reader.length() <= stream.size());
  SLUICE_CHECK((reading == Reading::malformed) == (reader.fault() != HttpFault::none));
  if (reading == Reading::more) SLUICE_CHECK(reader.length() == stream.size());
  if (reading == Reading::too_large) SLUICE_CHECK(reader.length() == limit);
  if (reading != Reading::complete) return;
  const Bytes head = copied(ConstByteSpan(stream).first(reader.length()));
  HttpHeadReader again(kind, limit);
  SLUICE_CHECK(again.take(ConstByteSpan(head).first(head.size() - 1)) == Reading::more);
  SLUICE_CHECK(again.take(ConstByteSpan(head).last(1)) == Reading::complete);
  if (kind == HttpHeadKind::request) {
    check_request(head);
  } else {
    check_answer(head, asked);
  }
}

// The bytes that a body took are a body, without the last of them they are none, and data that is
// skipped counts as data that is taken.
void check_chunks(const Bytes& stream) {
  ChunkWalker walker;
  const size_t taken = walker.take(stream);
  SLUICE_CHECK(taken <= stream.size() && walker.data() <= taken);
  SLUICE_CHECK((walker.reading() == Reading::malformed) == (walker.fault() != HttpFault::none));
  if (walker.reading() == Reading::more) SLUICE_CHECK(taken == stream.size());
  ChunkWalker skipping;
  size_t at = 0;
  while (at < taken && skipping.reading() == Reading::more) {
    const size_t unseen = std::min<uint64_t>(skipping.ahead(), taken - at);
    skipping.skip(unseen);
    at += unseen;
    if (at < taken) at += skipping.take(copied(ConstByteSpan(stream).subspan(at, 1)));
  }
  SLUICE_CHECK(at == taken && skipping.data() == walker.data());
  SLUICE_CHECK(skipping.ahead() == walker.ahead());
  if (walker.reading() != Reading::complete) return;
  SLUICE_CHECK(skipping.reading() == Reading::complete);
  const Bytes body = copied(ConstByteSpan(stream).first(taken));
  SLUICE_CHECK(body[taken - 2] == '\r' && body[taken - 1] == '\n');
  ChunkWalker again;
  SLUICE_CHECK(again.take(ConstByteSpan(body).first(taken - 1)) == taken - 1);
  SLUICE_CHECK(again.reading() == Reading::more);
  SLUICE_CHECK(again.take(ConstByteSpan(body).last(1)) == 1);
  SLUICE_CHECK(again.reading() == Reading::complete);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  test::Input input(data, size);
  const uint8_t bits = input.next();
  const HttpHeadKind kind = bits & 1 ? HttpHeadKind::answer : HttpHeadKind::request;
  const AskedBy asked = static_cast<AskedBy>((bits >> 1) % 3);
  Random random(input.next16());
  const uint32_t limit = uint32_t{input.next16()} + 1;
  constexpr size_t kBefore = 5;
  if (size < kBefore) return 0;
  const Bytes stream(data + kBefore, data + size);

  check_head(stream, kind, asked, limit);
  check_chunks(stream);
  HttpStream whole(kind, asked, limit);
  whole.take(stream);
  HttpStream pieces(kind, asked, limit);
  const uint64_t most = 1 + random.next() % 40;
  for (size_t at = 0; at < stream.size();) {
    const size_t length = std::min<uint64_t>(random.next() % (most + 1), stream.size() - at);
    pieces.take(ConstByteSpan(stream).subspan(at, length));
    at += length;
  }
  SLUICE_CHECK(pieces.reading == whole.reading && pieces.fault == whole.fault);
  SLUICE_CHECK(pieces.messages == whole.messages);
  return 0;
}
