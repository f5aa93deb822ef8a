#include "segment/app_reader.h"

#include <algorithm>

#include "inspect/http_message.h"

namespace sluice {

namespace {

uint8_t type_of(Inspects what) {
  switch (what) {
    case Inspects::http: return AppType::http;
    case Inspects::cookie: return AppType::cookie;
    case Inspects::tls: return AppType::tls;
    default: return AppType::raw;
  }
}

// As much of it as a question has room for.
void put(ConstByteSpan bytes, AppData& data) {
  data.bytes = bytes.first(std::min(bytes.size(), kMostAppData));
  if (data.bytes.size() < bytes.size()) data.flags |= AppFlags::truncated;
}

ConstByteSpan bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

AppReader::AppReader(Inspects what, uint32_t limit) : what_(what) {
  if (what == Inspects::http || what == Inspects::cookie) {
    reader_ = HttpHeadReader(HttpHeadKind::request, limit);
  } else if (what == Inspects::tls) {
    reader_ = TlsHelloReader(TlsHelloKind::client, limit);
  } else {
    raw_limit_ = std::min<uint32_t>(limit, kMostAppData);
  }
}

AppReader AppReader::of_server() {
  AppReader reader;
  reader.reader_ = TlsHelloReader(TlsHelloKind::server);
  return reader;
}

Reading AppReader::reading() const {
  if (const auto* http = std::get_if<HttpHeadReader>(&reader_)) return http->reading();
  if (const auto* tls = std::get_if<TlsHelloReader>(&reader_)) return tls->reading();
  return raw_length_ > raw_seen_ ? Reading::complete : Reading::more;
}

uint32_t AppReader::length() const {
  if (const auto* http = std::get_if<HttpHeadReader>(&reader_)) return http->length();
  if (const auto* tls = std::get_if<TlsHelloReader>(&reader_)) return tls->length();
  return raw_length_;
}

Reading AppReader::take(ConstByteSpan more) {
  if (auto* http = std::get_if<HttpHeadReader>(&reader_)) return http->take(more);
  return std::get_if<TlsHelloReader>(&reader_)->take(more);
}

// In several rounds where it lies in very many pieces.
Reading AppReader::take(const BufferPool& buffers, const ByteQueue& queue) {
  if (std::holds_alternative<std::monostate>(reader_)) {
    raw_length_ = queue.size;
    return reading();
  }
  std::array<ConstByteSpan, BufferPool::kMostSpans> pieces;
  while (reading() == Reading::more && length() < queue.size) {
    const size_t count = buffers.locate(queue, cursor_, length(), queue.size - length(), pieces);
    for (size_t i = 0; i < count && reading() == Reading::more; ++i) take(pieces[i]);
  }
  return reading();
}

bool AppReader::read_on() {
  raw_seen_ = told();
  return raw_seen_ < raw_limit_;
}

uint32_t AppReader::told() const { return std::min<uint32_t>(raw_length_, kMostAppData); }

AppData AppReader::unread(Inspects what) {
  return {type_of(what), AppFlags::absent | AppFlags::unread, {}};
}

bool AppReader::tell(const BufferPool& buffers, const ByteQueue& queue, std::string_view cookie,
                     AppScratch& scratch, AppData& data) const {
  data = {type_of(what_), 0, {}};
  const ConstByteSpan bytes = received(buffers, queue, scratch);
  if (what_ == Inspects::tls) return tell_hello(bytes, scratch, data);
  if (what_ != Inspects::raw) return tell_request(bytes, cookie, data);
  put(bytes, data);
  return true;
}

bool AppReader::tell(const BufferPool& buffers, const ByteQueue& queue, AppScratch& scratch,
                     ServerHello& hello) const {
  const ConstByteSpan pieces[] = {received(buffers, queue, scratch)};
  const auto& reader = *std::get_if<TlsHelloReader>(&reader_);
  return read_server_hello(reader.message(Pieces(pieces), scratch.message), hello) ==
         TlsFault::none;
}

ConstByteSpan AppReader::received(const BufferPool& buffers, const ByteQueue& queue,
                                  AppScratch& scratch) const {
  const uint32_t most = std::min<uint32_t>(length(), AppScratch::kMost);
  const uint32_t got = buffers.peek(queue, ByteSpan(scratch.received).first(most));
  return {scratch.received.data(), got};
}

// From its first line on: empty ones may stand before it (RFC 9112 2.2).
bool AppReader::tell_request(ConstByteSpan head, std::string_view cookie, AppData& data) const {
  HttpRequest request;
  if (read_request(head, request) != HttpFault::none) return false;
  if (what_ == Inspects::cookie) {
    const auto value = find_cookie(request.fields, cookie);
    value ? put(bytes_of(*value), data) : void(data.flags |= AppFlags::absent);
    return true;
  }
  const auto* first = reinterpret_cast<const uint8_t*>(request.method.data());
  put(head.subspan(static_cast<size_t>(first - head.data())), data);
  return true;
}

bool AppReader::tell_hello(ConstByteSpan received, AppScratch& scratch, AppData& data) const {
  const ConstByteSpan pieces[] = {received};
  const auto& reader = *std::get_if<TlsHelloReader>(&reader_);
  ClientHello hello;
  if (read_client_hello(reader.message(Pieces(pieces), scratch.message), hello) != TlsFault::none) {
    return false;
  }
  // A session id has 32 bytes at most, a name 255: the protocols alone may be cut.
  uint8_t* at = scratch.told.data();
  *at++ = static_cast<uint8_t>(hello.session_id.size());
  at = std::copy(hello.session_id.begin(), hello.session_id.end(), at);
  store_be16(at, static_cast<uint16_t>(hello.server_name.size()));
  at = std::copy(hello.server_name.begin(), hello.server_name.end(), at + 2);
  const auto room = static_cast<size_t>(scratch.told.data() + scratch.told.size() - at);
  const ConstByteSpan protocols = hello.protocols.first(std::min(room, hello.protocols.size()));
  if (protocols.size() < hello.protocols.size()) data.flags |= AppFlags::truncated;
  at = std::copy(protocols.begin(), protocols.end(), at);
  data.bytes = ConstByteSpan(scratch.told.data(), static_cast<size_t>(at - scratch.told.data()));
  return true;
}

}  // namespace sluice
