// Hellos of TLS: over records and pieces, what they say, and what is wrong with one.
// Those of real peers are in test/inspect.
#include <doctest/doctest.h>

#include <array>
#include <string>

#include "inspect/tls_hello.h"
#include "support/tls_hello_bytes.h"

namespace sluice::test {
namespace {

using Bytes = TlsBytes::Bytes;

// The reader with all of the stream, byte by byte; at once it says the same.
TlsHelloReader read(const Bytes& stream, TlsHelloKind kind = TlsHelloKind::client,
                    uint32_t limit = kTlsHelloLimit) {
  TlsHelloReader whole(kind, limit);
  whole.take(stream);
  TlsHelloReader reader(kind, limit);
  for (const uint8_t& byte : stream) reader.take({&byte, 1});
  CHECK(reader.reading() == whole.reading());
  CHECK(reader.fault() == whole.fault());
  CHECK(reader.length() == whole.length());
  return reader;
}

TlsFault client_fault(const TlsBytes& extensions) {
  ClientHello hello;
  return read_client_hello(client_hello(&extensions), hello);
}

TlsFault server_fault(const TlsBytes& extensions) {
  ServerHello hello;
  return read_server_hello(server_hello(&extensions), hello);
}

TEST_CASE("RFC 8446 5.1 a hello over records of any size, cut anywhere, is the same message") {
  TlsBytes extensions;
  extensions.extension(0, server_name("a.test"));
  const Bytes message = client_hello(&extensions);
  for (const size_t size : {1, 2, 3, 4, 5, 50, 16384}) {
    CAPTURE(size);
    Bytes stream = records(1, message, size);
    const size_t length = stream.size();
    stream.push_back(20);
    for (size_t cut = 0; cut <= length; ++cut) {
      const std::array<ConstByteSpan, 2> pieces{ConstByteSpan(stream).first(cut),
                                                ConstByteSpan(stream).subspan(cut)};
      TlsHelloReader reader(TlsHelloKind::client);
      const Reading before = read_on(reader, Pieces(std::span(pieces).first(1)));
      CHECK(before == (cut < length ? Reading::more : Reading::complete));
      REQUIRE(read_on(reader, Pieces(pieces)) == Reading::complete);
      CHECK(reader.length() == length);
      Bytes scratch(reader.message_length());
      const ConstByteSpan got = reader.message(Pieces(pieces), scratch);
      CHECK(Bytes(got.begin(), got.end()) == message);
    }
  }
}

TEST_CASE("RFC 8446 5.1 other messages behind a hello in its record are not read") {
  const Bytes message = server_hello(nullptr);
  Bytes stream = records(2, message);
  const size_t length = stream.size();
  // A Certificate in the same record: its length has grown by what follows.
  stream.insert(stream.end(), {11, 0, 0, 1, 0});
  store_be16(&stream[3], static_cast<uint16_t>(stream.size() - 5));
  const TlsHelloReader reader = read(stream, TlsHelloKind::server);
  CHECK(reader.reading() == Reading::complete);
  CHECK(reader.length() == length);
  // In one piece it is not copied.
  const ConstByteSpan one[] = {stream};
  const ConstByteSpan got = reader.message(Pieces(one), {});
  CHECK(got.data() == &stream[9]);
  CHECK(Bytes(got.begin(), got.end()) == message);
}

TEST_CASE("RFC 8446 5.1 what is no TLS is told with the first bytes, what is wrong as soon") {
  CHECK(read({'G'}).reading() == Reading::foreign);
  CHECK(read({0x80, 0x2e}).reading() == Reading::foreign);  // SSL 2
  CHECK(read({22, 2}).reading() == Reading::foreign);
  CHECK(read({21}).reading() == Reading::foreign);
  CHECK(read({21, 3, 3}, TlsHelloKind::server).fault() == TlsFault::alert);
  CHECK(read({22, 3, 1, 0, 0}).fault() == TlsFault::record_length);
  CHECK(read({22, 3, 1, 0x40, 1}).fault() == TlsFault::record_length);
  CHECK(read({22, 3, 1, 0x40, 0}).reading() == Reading::more);
  CHECK(read({22, 3, 1, 0, 9, 2}).fault() == TlsFault::message_type);
  CHECK(read({22, 3, 1, 0, 9, 1}, TlsHelloKind::server).fault() == TlsFault::message_type);
  CHECK(read({22, 3, 1, 0, 1, 1, 23}).fault() == TlsFault::record_type);
  CHECK(read({22, 3, 1, 0, 1, 1, 22, 2}).fault() == TlsFault::version);
}

TEST_CASE("RFC 8446 4 a hello beyond its limit is too large, by what it says or by its records") {
  const Bytes message = client_hello(nullptr);
  const Bytes whole = records(1, message);
  const uint32_t size = static_cast<uint32_t>(whole.size());
  CHECK(read(whole, TlsHelloKind::client, size).reading() == Reading::complete);
  const TlsHelloReader cut = read(whole, TlsHelloKind::client, size - 6);
  CHECK(cut.reading() == Reading::too_large);
  CHECK(cut.length() == 9);
  CHECK(read(whole, TlsHelloKind::client, size - 1).reading() == Reading::too_large);
  const Bytes thin = records(1, message, 1);
  CHECK(read(thin, TlsHelloKind::client, size + 100).reading() == Reading::too_large);
  CHECK(read({22, 3, 1, 0, 9, 1, 1, 0, 0}).reading() == Reading::too_large);
}

TEST_CASE("RFC 8446 4.1.2 what a ClientHello says; GREASE and what is unknown is passed over") {
  TlsBytes extensions;
  extensions.extension(0x0a0a, {})
      .extension(0, server_name("Shop.a-1.test"))
      .extension(0xff01, {0})
      .extension(16, TlsBytes()
                         .vector16(TlsBytes()
                                       .vector8({0x1a, 0x1a})
                                       .vector8(bytes_of_text("h2"))
                                       .vector8(bytes_of_text("http/1.1"))
                                       .done())
                         .done())
      .extension(35, {1, 2})
      .extension(43, {6, 0x1a, 0x1a, 3, 4, 3, 3})
      .extension(42, {})
      .extension(0x0a0a, {1})
      .extension(41, {1, 2, 3});
  const Bytes message = client_hello(&extensions);
  ClientHello hello;
  REQUIRE(read_client_hello(message, hello) == TlsFault::none);
  CHECK(hello.server_name == "Shop.a-1.test");
  CHECK(Bytes(hello.session_id.begin(), hello.session_id.end()) == Bytes(32, 9));
  CHECK(hello.legacy_version == 0x0303);
  CHECK(hello.offers(kTls13));
  CHECK(hello.offers(kTls12));
  CHECK_FALSE(hello.offers(0x0302));
  CHECK(hello.has_ticket);
  CHECK(hello.has_psk);
  CHECK(hello.has_early_data);
  std::vector<std::string> protocols;
  for (TlsProtocolWalk walk(hello.protocols); walk.next();) protocols.emplace_back(walk.name());
  CHECK(protocols == std::vector<std::string>{"\x1a\x1a", "h2", "http/1.1"});
}

TEST_CASE("RFC 5246 7.4.1.2 a ClientHello may end before its extensions") {
  ClientHello hello;
  REQUIRE(read_client_hello(client_hello(nullptr, 0x0302, 0), hello) == TlsFault::none);
  CHECK(hello.session_id.empty());
  CHECK(hello.server_name.empty());
  CHECK(hello.offers(0x0301));
  CHECK(hello.offers(0x0302));
  CHECK_FALSE(hello.offers(kTls12));
  // An empty ticket asks for one, and resumes nothing.
  const TlsBytes ticket = TlsBytes().extension(35, {});
  REQUIRE(read_client_hello(client_hello(&ticket), hello) == TlsFault::none);
  CHECK_FALSE(hello.has_ticket);
}

TEST_CASE("RFC 8446 4.2.1 TLS 1.3 is offered and chosen by supported_versions only") {
  ClientHello hello;
  for (const uint16_t legacy : {0x0304, 0x03ff}) {
    REQUIRE(read_client_hello(client_hello(nullptr, legacy), hello) == TlsFault::none);
    CHECK_FALSE(hello.offers(kTls13));
    CHECK_FALSE(hello.offers(legacy));
    CHECK(hello.offers(kTls12));
  }
  const TlsBytes versions = TlsBytes().extension(43, {2, 3, 4});
  const Bytes message = client_hello(&versions, 0x0304);
  REQUIRE(read_client_hello(message, hello) == TlsFault::none);
  CHECK(hello.offers(kTls13));
  CHECK_FALSE(hello.offers(kTls12));
  ServerHello chosen;
  CHECK(read_server_hello(server_hello(nullptr, 0x0304), chosen) == TlsFault::version);
  const TlsBytes other = TlsBytes().extension(35, {});
  CHECK(read_server_hello(server_hello(&other, 0x0304), chosen) == TlsFault::version);
  CHECK(read_server_hello(server_hello(nullptr, 0x0303), chosen) == TlsFault::none);
}

TEST_CASE("RFC 8446 4.1.2 a ClientHello whose lengths do not fit is refused at each") {
  ClientHello hello;
  TlsBytes extensions;
  extensions.extension(0, server_name("a.test")).extension(43, {2, 3, 4});
  const Bytes message = client_hello(&extensions);
  REQUIRE(read_client_hello(message, hello) == TlsFault::none);
  const size_t bare = client_hello(nullptr).size();
  for (size_t size = 0; size < message.size(); ++size) {
    const Bytes cut(message.begin(), message.begin() + static_cast<ptrdiff_t>(size));
    const TlsFault expected = size == bare ? TlsFault::none : TlsFault::length;
    CHECK(read_client_hello(cut, hello) == expected);
  }
  Bytes longer = message;
  longer.push_back(0);
  CHECK(read_client_hello(longer, hello) == TlsFault::length);
  CHECK(read_client_hello(client_hello(nullptr, 0x0303, 33), hello) == TlsFault::session_id);
  CHECK(read_client_hello(client_hello(nullptr, 0x0203), hello) == TlsFault::version);
}

TEST_CASE("RFC 8446 4.2 no extension twice, and none behind pre_shared_key") {
  CHECK(client_fault(TlsBytes().extension(35, {}).extension(35, {})) ==
        TlsFault::repeated_extension);
  CHECK(client_fault(TlsBytes().extension(41, {1}).extension(99, {})) == TlsFault::psk_not_last);
  CHECK(server_fault(TlsBytes().extension(41, {0, 0}).extension(43, {3, 4})) == TlsFault::none);
}

TEST_CASE("RFC 6066 3 one server name, of letters, digits, hyphens, underscores and dots") {
  const auto named = [](std::string_view name) {
    return client_fault(TlsBytes().extension(0, server_name(name)));
  };
  CHECK(named("a") == TlsFault::none);
  CHECK(named("xn--bcher-kva.Example") == TlsFault::none);
  CHECK(named(std::string(63, 'a') + ".b") == TlsFault::none);
  // A wildcard certificate matches it.
  CHECK(named("my_shop._a.test") == TlsFault::none);
  CHECK(named("3com.a--b.1.x2") == TlsFault::none);
  std::string longest;
  for (int i = 0; i < 126; ++i) longest += "a.";
  CHECK(named(longest + "b") == TlsFault::none);
  CHECK(named(longest + "bc") == TlsFault::server_name);
  for (const std::string& name :
       {std::string(), std::string("a.test."), std::string(".a"), std::string("a..b"),
        std::string("a b"), std::string("a\0b", 3), std::string("b\xc3\xbc"), std::string("::1"),
        std::string("a/b"), std::string(64, 'a'),
        std::string("a.") + std::string(63, 'b') + std::string(190, '.')}) {
    CAPTURE(name);
    CHECK(named(name) == TlsFault::server_name);
  }
  // RFC 1123 2.1: a hyphen at an end of a label; RFC 6066 3: addresses.
  for (const char* name :
       {"-a.test", "a-.test", "a.-test", "a.test-", "-", "192.0.2.1", "1", "a.7", "2130706433"}) {
    CAPTURE(name);
    CHECK(named(name) == TlsFault::server_name);
  }
  const Bytes one = TlsBytes().u8(0).vector16(bytes_of_text("a")).done();
  const Bytes other = TlsBytes().u8(1).vector16(bytes_of_text("?")).done();
  const auto list = [](const Bytes& a, const Bytes& b) {
    return TlsBytes().extension(0, TlsBytes().vector16(TlsBytes().raw(a).raw(b).done()).done());
  };
  CHECK(client_fault(list(one, one)) == TlsFault::server_name);
  CHECK(client_fault(list(other, one)) == TlsFault::none);
  CHECK(client_fault(list({}, {})) == TlsFault::server_name);
  CHECK(client_fault(TlsBytes().extension(0, {0, 2, 0})) == TlsFault::length);
  CHECK(client_fault(TlsBytes().extension(0, {0, 4, 0, 0, 2, 'a'})) == TlsFault::length);
}

TEST_CASE("RFC 7301 3.1 RFC 8446 4.2.1 lists of protocols and versions") {
  CHECK(client_fault(TlsBytes().extension(16, {0, 0})) == TlsFault::protocols);
  CHECK(client_fault(TlsBytes().extension(16, {0, 1, 0})) == TlsFault::protocols);
  CHECK(client_fault(TlsBytes().extension(16, {0, 2, 2, 'a'})) == TlsFault::length);
  CHECK(client_fault(TlsBytes().extension(16, {0, 2, 1, 'a', 0})) == TlsFault::length);
  CHECK(client_fault(TlsBytes().extension(43, {0})) == TlsFault::versions);
  CHECK(client_fault(TlsBytes().extension(43, {3, 3, 4, 3})) == TlsFault::versions);
  CHECK(client_fault(TlsBytes().extension(43, {2, 3})) == TlsFault::length);
  CHECK(server_fault(TlsBytes().extension(16, {0, 4, 1, 'a', 1, 'b'})) == TlsFault::protocols);
  CHECK(server_fault(TlsBytes().extension(43, {3, 3})) == TlsFault::versions);
  CHECK(server_fault(TlsBytes().extension(43, {2, 3, 4})) == TlsFault::length);
}

TEST_CASE("RFC 8446 4.1.3 RFC 5246 7.4.1.3 what a ServerHello says") {
  ServerHello hello;
  TlsBytes of12;
  of12.extension(16, {0, 3, 2, 'h', '2'}).extension(35, {});
  const Bytes message12 = server_hello(&of12);
  REQUIRE(read_server_hello(message12, hello) == TlsFault::none);
  CHECK(hello.version == kTls12);
  CHECK(hello.names_session());
  CHECK(Bytes(hello.session_id.begin(), hello.session_id.end()) == Bytes(32, 5));
  CHECK(hello.protocol == "h2");
  CHECK(hello.gives_ticket);
  CHECK_FALSE(hello.is_retry);
  TlsBytes of13;
  of13.extension(43, {3, 4}).extension(41, {0, 0});
  REQUIRE(read_server_hello(server_hello(&of13), hello) == TlsFault::none);
  CHECK(hello.version == kTls13);
  CHECK(hello.takes_psk);
  CHECK_FALSE(hello.names_session());
  // The first bytes of SHA-256("HelloRetryRequest"), and one of its bytes changed.
  Bytes retry{0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
              0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
              0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
  REQUIRE(read_server_hello(server_hello(&of13, 0x0303, retry), hello) == TlsFault::none);
  CHECK(hello.is_retry);
  retry[31] ^= 1;
  REQUIRE(read_server_hello(server_hello(&of13, 0x0303, retry), hello) == TlsFault::none);
  CHECK_FALSE(hello.is_retry);
  for (size_t size = 0; size < message12.size(); ++size) {
    const Bytes cut(message12.begin(), message12.begin() + static_cast<ptrdiff_t>(size));
    const TlsFault expected =
        size == server_hello(nullptr).size() ? TlsFault::none : TlsFault::length;
    CHECK(read_server_hello(cut, hello) == expected);
  }
}

}  // namespace
}  // namespace sluice::test
