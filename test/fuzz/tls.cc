// Any bytes as the beginning of a TLS stream, cut anywhere: the pieces say what the whole says,
// nothing is read behind what came, and what a hello says stands in its message.
//
// Input: kind U8, seed of the cuts U16, limit U16, then the stream.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/random.h"
#include "inspect/tls_hello.h"
#include "support/input.h"

namespace {

using namespace sluice;
using Bytes = std::vector<uint8_t>;

Bytes copied(ConstByteSpan bytes) { return {bytes.begin(), bytes.end()}; }

bool lies_in(const void* data, size_t size, const Bytes& whole) {
  const auto* at = static_cast<const uint8_t*>(data);
  return size == 0 || (at >= whole.data() && at + size <= whole.data() + whole.size());
}

template <class Bytes>
bool lies_in(const Bytes& part, const std::vector<uint8_t>& whole) {
  return lies_in(part.data(), part.size(), whole);
}

void check_client(const Bytes& message) {
  ClientHello hello;
  if (read_client_hello(message, hello) != TlsFault::none) return;
  SLUICE_CHECK(lies_in(hello.session_id, message) && hello.session_id.size() <= 32);
  SLUICE_CHECK(lies_in(hello.server_name, message) && hello.server_name.size() <= 253);
  SLUICE_CHECK(lies_in(hello.versions, message) && hello.versions.size() % 2 == 0);
  size_t names = 0;
  for (TlsProtocolWalk walk(hello.protocols); walk.next();) {
    SLUICE_CHECK(!walk.name().empty() && lies_in(walk.name(), message));
    names += 1 + walk.name().size();
  }
  SLUICE_CHECK(names == hello.protocols.size());
  for (const uint16_t version : {0x0301, 0x0303, 0x0304}) (void)hello.offers(version);
}

void check_server(const Bytes& message) {
  ServerHello hello;
  if (read_server_hello(message, hello) != TlsFault::none) return;
  SLUICE_CHECK(lies_in(hello.session_id, message) && hello.session_id.size() <= 32);
  SLUICE_CHECK(lies_in(hello.protocol, message));
  SLUICE_CHECK(hello.version >> 8 == 3 || hello.version > kTls13);
}

// The stream in pieces of its own memory each, some of them empty.
std::vector<Bytes> cut(const Bytes& stream, Random& random) {
  std::vector<Bytes> pieces;
  const uint64_t most = 1 + random.next() % 60;
  for (size_t at = 0; at < stream.size();) {
    const size_t length = std::min<uint64_t>(random.next() % (most + 1), stream.size() - at);
    pieces.push_back(copied(ConstByteSpan(stream).subspan(at, length)));
    at += length;
  }
  return pieces;
}

Bytes message_of(const TlsHelloReader& reader, const Pieces& received) {
  Bytes scratch(reader.message_length());
  return copied(reader.message(received, scratch));
}

// Complete with its last byte and not before.
void check_prefix(const Bytes& stream, TlsHelloKind kind, uint32_t limit, uint32_t length) {
  TlsHelloReader again(kind, limit);
  SLUICE_CHECK(again.take(copied(ConstByteSpan(stream).first(length - 1))) == Reading::more);
  SLUICE_CHECK(again.take(copied(ConstByteSpan(stream).subspan(length - 1, 1))) ==
               Reading::complete);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  test::Input input(data, size);
  const TlsHelloKind kind = input.next() & 1 ? TlsHelloKind::server : TlsHelloKind::client;
  Random random(input.next16());
  const uint32_t limit = uint32_t{input.next16()} + 16;
  constexpr size_t kBefore = 5;
  if (size < kBefore) return 0;
  const Bytes stream(data + kBefore, data + size);
  // Whatever it is, a hello that begins here is read within its bounds.
  check_client(stream);
  check_server(stream);

  TlsHelloReader whole(kind, limit);
  whole.take(stream);
  SLUICE_CHECK(whole.length() <= limit && whole.length() <= stream.size());
  SLUICE_CHECK((whole.reading() == Reading::malformed) == (whole.fault() != TlsFault::none));
  const std::vector<Bytes> pieces = cut(stream, random);
  const std::vector<ConstByteSpan> spans(pieces.begin(), pieces.end());
  TlsHelloReader reader(kind, limit);
  for (size_t i = 1; i <= spans.size(); ++i) read_on(reader, Pieces(std::span(spans).first(i)));
  SLUICE_CHECK(reader.reading() == whole.reading() && reader.fault() == whole.fault());
  SLUICE_CHECK(reader.length() == whole.length());
  if (whole.reading() != Reading::complete) return 0;
  check_prefix(stream, kind, limit, whole.length());
  const ConstByteSpan one[] = {stream};
  const Bytes message = message_of(whole, Pieces(one));
  SLUICE_CHECK(message == message_of(reader, Pieces(spans)));
  if (kind == TlsHelloKind::client) {
    check_client(message);
  } else {
    check_server(message);
  }
  return 0;
}
