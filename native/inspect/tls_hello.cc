#include "inspect/tls_hello.h"

#include <algorithm>
#include <array>

#include "inspect/byte_cursor.h"

namespace sluice {
namespace {

enum Extension : uint16_t {
  kServerName = 0,
  kProtocols = 16,
  kSessionTicket = 35,
  kPreSharedKey = 41,
  kEarlyData = 42,
  kSupportedVersions = 43,
};

constexpr size_t kRandom = 32;
constexpr size_t kMostSessionId = 32;

// RFC 8446 4.1.3: the random of a HelloRetryRequest, SHA-256 of that word.
constexpr std::array<uint8_t, kRandom> kRetry = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

// RFC 1123 2.1: no hyphen at either end. An underscore is in no host name, but hosts have it, and a
// wildcard certificate matches them.
bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(), [](char byte) {
    const bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
    return letter || is_digit(byte) || byte == '-' || byte == '_';
  });
}

// RFC 6066 3: a DNS name in ASCII without a dot at its end, and no address: what ends in a label of
// digits is one of IPv4, or read as one (RFC 1123 2.1).
bool is_dns_name(std::string_view name) {
  if (name.size() > 253) return false;
  for (;;) {
    const size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == std::string_view::npos) return !std::all_of(label.begin(), label.end(), is_digit);
    name.remove_prefix(dot + 1);
  }
}

TlsFault read_server_name(ConstByteSpan data, ClientHello& hello) {
  ByteCursor outer(data);
  ByteCursor list(outer.vector16());
  if (!outer.ok() || !outer.at_end()) return TlsFault::length;
  if (list.at_end()) return TlsFault::server_name;
  while (!list.at_end()) {
    const uint8_t type = list.u8();
    const ConstByteSpan bytes = list.vector16();
    if (!list.ok()) return TlsFault::length;
    if (type != 0) continue;  // none other is defined; all are to have a length there
    const std::string_view name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!hello.server_name.empty() || !is_dns_name(name)) return TlsFault::server_name;
    hello.server_name = name;
  }
  return TlsFault::none;
}

TlsFault read_protocols(ConstByteSpan data, ConstByteSpan& protocols) {
  ByteCursor outer(data);
  protocols = outer.vector16();
  if (!outer.ok() || !outer.at_end()) return TlsFault::length;
  if (protocols.empty()) return TlsFault::protocols;
  for (ByteCursor list(protocols); !list.at_end();) {
    const ConstByteSpan name = list.vector8();
    if (!list.ok()) return TlsFault::length;
    if (name.empty()) return TlsFault::protocols;
  }
  return TlsFault::none;
}

TlsFault read_versions(ConstByteSpan data, ClientHello& hello) {
  ByteCursor outer(data);
  hello.versions = outer.vector8();
  if (!outer.ok() || !outer.at_end()) return TlsFault::length;
  return hello.versions.empty() || hello.versions.size() % 2 != 0 ? TlsFault::versions
                                                                  : TlsFault::none;
}

TlsFault take_extension(uint16_t type, ConstByteSpan data, ClientHello& hello) {
  switch (type) {
    case kServerName: return read_server_name(data, hello);
    case kProtocols: return read_protocols(data, hello.protocols);
    case kSupportedVersions: return read_versions(data, hello);
    case kSessionTicket: hello.has_ticket = !data.empty(); break;
    case kPreSharedKey: hello.has_psk = true; break;
    case kEarlyData: hello.has_early_data = true; break;
    default: break;
  }
  return TlsFault::none;
}

TlsFault take_extension(uint16_t type, ConstByteSpan data, ServerHello& hello) {
  switch (type) {
    case kProtocols: {
      ConstByteSpan protocols;
      const TlsFault fault = read_protocols(data, protocols);
      if (fault != TlsFault::none) return fault;
      // RFC 7301 3.1: the one that was chosen.
      TlsProtocolWalk walk(protocols);
      walk.next();
      hello.protocol = walk.name();
      return walk.next() ? TlsFault::protocols : TlsFault::none;
    }
    case kSupportedVersions:
      if (data.size() != 2) return TlsFault::length;
      hello.version = load_be16(data.data());
      // RFC 8446 4.2.1: versions before TLS 1.3 are chosen without it.
      return hello.version < kTls13 ? TlsFault::versions : TlsFault::none;
    case kSessionTicket: hello.gives_ticket = true; break;
    case kPreSharedKey: hello.takes_psk = true; break;
    default: break;
  }
  return TlsFault::none;
}

// One bit for each extension that is read: none comes twice (RFC 8446 4.2).
uint64_t bit_of(uint16_t type) { return type <= kSupportedVersions ? uint64_t{1} << type : 0; }

// Until TLS 1.2 a hello may end before its extensions (RFC 5246 7.4.1.2).
template <class Hello>
TlsFault read_extensions(ByteCursor& message, bool psk_is_last, Hello& hello) {
  if (message.at_end()) return message.ok() ? TlsFault::none : TlsFault::length;
  ByteCursor extensions(message.vector16());
  if (!message.ok() || !message.at_end()) return TlsFault::length;
  uint64_t seen = 0;
  while (!extensions.at_end()) {
    const uint16_t type = extensions.u16();
    const ConstByteSpan data = extensions.vector16();
    if (!extensions.ok()) return TlsFault::length;
    if (seen & bit_of(type)) return TlsFault::repeated_extension;
    // RFC 8446 4.2.11: its binders cover all that is before.
    if (psk_is_last && (seen & bit_of(kPreSharedKey))) return TlsFault::psk_not_last;
    seen |= bit_of(type);
    const TlsFault fault = take_extension(type, data, hello);
    if (fault != TlsFault::none) return fault;
  }
  return TlsFault::none;
}

}  // namespace

bool ClientHello::offers(uint16_t version) const {
  // RFC 8446 4.2.1: TLS 1.3 is offered by supported_versions only, whatever legacy_version says.
  if (versions.empty()) return version <= std::min(legacy_version, kTls12);
  for (size_t i = 0; i < versions.size(); i += 2) {
    if (load_be16(&versions[i]) == version) return true;
  }
  return false;
}

TlsFault read_client_hello(ConstByteSpan message, ClientHello& hello) {
  hello = {};
  ByteCursor cursor(message);
  hello.legacy_version = cursor.u16();
  cursor.take(kRandom);
  hello.session_id = cursor.vector8();
  const ConstByteSpan ciphers = cursor.vector16();
  const ConstByteSpan compressions = cursor.vector8();
  if (!cursor.ok() || ciphers.empty() || ciphers.size() % 2 != 0 || compressions.empty()) {
    return TlsFault::length;
  }
  if (hello.legacy_version >> 8 != 3) return TlsFault::version;
  if (hello.session_id.size() > kMostSessionId) return TlsFault::session_id;
  return read_extensions(cursor, true, hello);
}

TlsFault read_server_hello(ConstByteSpan message, ServerHello& hello) {
  hello = {};
  ByteCursor cursor(message);
  hello.version = cursor.u16();
  const ConstByteSpan random = cursor.take(kRandom);
  hello.session_id = cursor.vector8();
  cursor.u16();  // the cipher suite
  cursor.u8();   // the compression method
  if (!cursor.ok()) return TlsFault::length;
  // RFC 8446 4.1.3: a server that chooses TLS 1.3 says 1.2 here, and the rest in
  // supported_versions.
  if (hello.version >> 8 != 3 || hello.version > kTls12) return TlsFault::version;
  if (hello.session_id.size() > kMostSessionId) return TlsFault::session_id;
  hello.is_retry = std::equal(random.begin(), random.end(), kRetry.begin());
  return read_extensions(cursor, false, hello);
}

}  // namespace sluice
