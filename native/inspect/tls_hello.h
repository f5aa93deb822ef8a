#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "inspect/reading.h"
#include "inspect/tls_records.h"

namespace sluice {

inline constexpr uint16_t kTls12 = 0x0303;
inline constexpr uint16_t kTls13 = 0x0304;

// What routing needs of a ClientHello (RFC 8446 4.1.2, RFC 5246 7.4.1.2). Everything stands in the
// message. What is not known is passed over, values of GREASE (RFC 8701) among it.
struct ClientHello {
  // In lower or upper case, as sent; empty where none is (RFC 6066 3).
  std::string_view server_name;
  // Names a session where the server knows it; a TLS 1.3 client, and one with a ticket, sends
  // random bytes as well (RFC 8446 4.1.2, RFC 5077 3.4).
  ConstByteSpan session_id;
  // For TlsProtocolWalk; empty where none is.
  ConstByteSpan protocols;
  uint16_t legacy_version = 0;
  // Two bytes each; empty before TLS 1.3.
  ConstByteSpan versions;
  // It wants to resume: by a ticket (RFC 5077), by a key of before (RFC 8446 4.2.11).
  bool has_ticket = false;
  bool has_psk = false;
  bool has_early_data = false;

  bool offers(uint16_t version) const;
};

// What persistence needs of a ServerHello (RFC 8446 4.1.3, RFC 5246 7.4.1.3).
struct ServerHello {
  // Until TLS 1.2 the name of the session; with TLS 1.3 the client's own bytes again.
  ConstByteSpan session_id;
  // Until TLS 1.2; with TLS 1.3 it is encrypted.
  std::string_view protocol;
  // As chosen: by supported_versions where it has that.
  uint16_t version = 0;
  bool is_retry = false;
  bool takes_psk = false;
  // Until TLS 1.2: a ticket follows, so the session may come back without its id.
  bool gives_ticket = false;

  bool names_session() const { return version <= kTls12 && !session_id.empty(); }
};

// Reads a message that TlsHelloReader has found complete, and message() has given. What it fills in
// has a meaning where it answers TlsFault::none only.
TlsFault read_client_hello(ConstByteSpan message, ClientHello& hello);
TlsFault read_server_hello(ConstByteSpan message, ServerHello& hello);

// The names of application protocols that a hello offers, in its order:
//   for (TlsProtocolWalk walk(hello.protocols); walk.next();) use(walk.name());
class TlsProtocolWalk {
 public:
  explicit TlsProtocolWalk(ConstByteSpan protocols) : rest_(protocols) {}
  bool next() {
    if (rest_.empty()) return false;
    name_ = rest_.subspan(1, rest_[0]);
    rest_ = rest_.subspan(1u + rest_[0]);
    return true;
  }
  std::string_view name() const {
    return {reinterpret_cast<const char*>(name_.data()), name_.size()};
  }

 private:
  ConstByteSpan rest_;
  ConstByteSpan name_;
};

}  // namespace sluice
