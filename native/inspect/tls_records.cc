#include "inspect/tls_records.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace sluice {
namespace {

constexpr uint8_t kAlert = 21;
constexpr uint8_t kHandshake = 22;
constexpr uint8_t kRecordHeader = 5;
constexpr uint16_t kMostInRecord = 1 << 14;

}  // namespace

const char* describe(TlsFault fault) {
  switch (fault) {
#define TLS_FAULT(name, text) \
  case TlsFault::name:        \
    return text;
#include "inspect/tls_faults.def"
#undef TLS_FAULT
  }
  return "";
}

void TlsHelloReader::refuse(TlsFault fault) {
  fault_ = fault;
  reading_ = Reading::malformed;
}

Reading TlsHelloReader::take(ConstByteSpan more) {
  return run(more, [](ConstByteSpan) {});
}

// Gives `sink` what it takes of the message behind its header.
template <class Sink>
Reading TlsHelloReader::run(ConstByteSpan more, Sink sink) {
  while (!more.empty() && reading_ == Reading::more) {
    size_t taken = 1;
    if (record_header_ < kRecordHeader) {
      take_record_header(more[0]);
    } else if (message_header_ < kTlsMessageHeader) {
      take_message_header(more[0]);
      --record_left_;
    } else {
      taken = std::min(
          {more.size(), size_t{record_left_}, size_t{message_left_}, size_t{limit_ - length_}});
      sink(more.first(taken));
      record_left_ = static_cast<uint16_t>(record_left_ - taken);
      message_left_ -= static_cast<uint32_t>(taken);
    }
    length_ += static_cast<uint32_t>(taken);
    more = more.subspan(taken);
    if (reading_ != Reading::more) break;
    if (message_header_ == kTlsMessageHeader && message_left_ == 0) {
      reading_ = Reading::complete;
    } else if (length_ == limit_) {
      reading_ = Reading::too_large;
    }
    // Not where the header of the record is still being read.
    if (record_header_ == kRecordHeader && record_left_ == 0) record_header_ = 0;
  }
  return reading_;
}

void TlsHelloReader::take_record_header(uint8_t byte) {
  const bool first = length_ < kRecordHeader;
  switch (record_header_++) {
    case 0:
      if (byte == kHandshake) {
        split_ = !first;
      } else if (first && !(byte == kAlert && kind_ == TlsHelloKind::server)) {
        reading_ = Reading::foreign;
      } else {
        refuse(first ? TlsFault::alert : TlsFault::record_type);
      }
      break;
    case 1:
      // RFC 8446 5.1: the version is not looked at, but that it is one of SSL 3 or TLS.
      if (byte == 3) break;
      if (first) {
        reading_ = Reading::foreign;
      } else {
        refuse(TlsFault::version);
      }
      break;
    case 2: break;
    case 3: record_left_ = static_cast<uint16_t>(byte << 8); break;
    case 4:
      record_left_ |= byte;
      if (record_left_ == 0 || record_left_ > kMostInRecord) refuse(TlsFault::record_length);
      break;
    default: break;
  }
}

void TlsHelloReader::take_message_header(uint8_t byte) {
  if (message_header_++ == 0) {
    if (byte != static_cast<uint8_t>(kind_)) refuse(TlsFault::message_type);
    return;
  }
  message_length_ = message_length_ << 8 | byte;
  message_left_ = message_length_;
  if (message_header_ == kTlsMessageHeader && message_length_ > limit_ - kTlsMessageHeader) {
    reading_ = Reading::too_large;
  }
}

ConstByteSpan TlsHelloReader::message(const Pieces& received, ByteSpan scratch) const {
  SLUICE_CHECK(reading_ == Reading::complete);
  if (!split_) {
    return received.gather(kRecordHeader + kTlsMessageHeader, message_length_, scratch);
  }
  SLUICE_CHECK(scratch.size() >= message_length_);
  TlsHelloReader again(kind_, limit_);
  size_t got = 0;
  const auto copy = [&](ConstByteSpan part) {
    std::memcpy(scratch.data() + got, part.data(), part.size());
    got += part.size();
  };
  received.behind(0, [&](ConstByteSpan piece) { return again.run(piece, copy) == Reading::more; });
  SLUICE_CHECK(got == message_length_);
  return scratch.first(got);
}

}  // namespace sluice
