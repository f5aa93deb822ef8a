#pragma once

#include <cstddef>
#include <cstdint>

#include "inspect/reading.h"

namespace sluice {

// Why a hello is refused; the table has the reasons.
enum class TlsFault : uint8_t {
#define TLS_FAULT(name, text) name,
#include "inspect/tls_faults.def"
#undef TLS_FAULT
};

const char* describe(TlsFault fault);

// A hello as large as a record may be, and the headers of the records that it may be split over.
inline constexpr uint32_t kTlsHelloLimit = 16 * 1024 + 1024;
inline constexpr size_t kTlsMessageHeader = 4;

enum class TlsHelloKind : uint8_t { client = 1, server = 2 };

// Finds the end of the first message of a TLS stream, over as many records as it takes (RFC
// 8446 5.1). What it says, tls_hello.h reads.
class TlsHelloReader {
 public:
  explicit TlsHelloReader(TlsHelloKind kind, uint32_t limit = kTlsHelloLimit)
      : limit_(limit), kind_(kind) {}

  // Takes the bytes that follow those taken before, none of them from behind the message's end.
  // `foreign`: these are no records of TLS.
  Reading take(ConstByteSpan more);

  Reading reading() const { return reading_; }
  TlsFault fault() const { return fault_; }
  // Bytes taken, headers of records among them. Behind a complete hello its record may go on.
  uint32_t length() const { return length_; }
  // Of a complete hello: its bytes without headers.
  uint32_t message_length() const { return message_length_; }

  // Of a complete hello, those bytes in one piece: where they lie in one already, that place; else
  // copied to `scratch`, which has room for message_length(). `received` is the stream from its
  // beginning.
  ConstByteSpan message(const Pieces& received, ByteSpan scratch) const;

 private:
  template <class Sink>
  Reading run(ConstByteSpan more, Sink sink);
  void take_record_header(uint8_t byte);
  void take_message_header(uint8_t byte);
  void refuse(TlsFault fault);

  uint32_t length_ = 0;
  uint32_t limit_;
  uint32_t message_length_ = 0;
  uint32_t message_left_ = 0;
  uint16_t record_left_ = 0;
  uint8_t record_header_ = 0;   // bytes taken of the record's header
  uint8_t message_header_ = 0;  // and of the message's
  bool split_ = false;          // over more than one record
  TlsHelloKind kind_;
  Reading reading_ = Reading::more;
  TlsFault fault_ = TlsFault::none;
};

// Each connection that is inspected has one.
static_assert(sizeof(TlsHelloReader) <= 24);

}  // namespace sluice
