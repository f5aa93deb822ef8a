#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>

#include "bus/messages.h"
#include "flow/virtual_server_table.h"
#include "inspect/http_head.h"
#include "inspect/tls_hello.h"
#include "tcp/buffer_pool.h"

namespace sluice {

// What a question says of what a client has sent.
struct AppData {
  uint8_t type = 0;     // AppType
  uint16_t flags = 0;   // AppFlags
  ConstByteSpan bytes;  // at most kMostAppData
};

// Where what was read is put together; one for all readers of a worker.
struct AppScratch {
  static constexpr size_t kMost = 64 * 1024;  // beyond the largest window of a proxy

  std::array<uint8_t, kMost> received;
  std::array<uint8_t, kMost> message;
  std::array<uint8_t, kMostAppData> told;
};

// Reads what a client sends first, each byte once, out of its receive queue, where everything stays
// (HS-08). What it finds goes into the question about the flow (VS-19 to VS-22).
class AppReader {
 public:
  AppReader() = default;
  // `limit` bytes are the most that it reads, fewer than AppScratch::kMost.
  AppReader(Inspects what, uint32_t limit);

  // Of the first message of a server of TLS instead.
  static AppReader of_server();

  // Reads what is new in the queue, of which nothing was taken since the last call.
  Reading take(const BufferPool& buffers, const ByteQueue& queue);
  // What there is to tell of what is complete, in `scratch`. False where that is refused after all.
  bool tell(const BufferPool& buffers, const ByteQueue& queue, std::string_view cookie,
            AppScratch& scratch, AppData& data) const;
  // What a server's hello says that is complete, in `scratch`. False where it is refused after all.
  bool tell(const BufferPool& buffers, const ByteQueue& queue, AppScratch& scratch,
            ServerHello& hello) const;
  // What came first is not enough: it is complete when there is more than was told of it. False
  // where no more can be told.
  bool read_on();
  // Bytes that are told of what came first; 0 of all else.
  uint32_t told() const;
  // What is told of what cannot be read.
  static AppData unread(Inspects what);
  Inspects what() const { return what_; }

 private:
  Reading reading() const;
  uint32_t length() const;
  Reading take(ConstByteSpan more);
  ConstByteSpan received(const BufferPool& buffers, const ByteQueue& queue,
                         AppScratch& scratch) const;
  bool tell_request(ConstByteSpan head, std::string_view cookie, AppData& data) const;
  bool tell_hello(ConstByteSpan received, AppScratch& scratch, AppData& data) const;

  std::variant<std::monostate, HttpHeadReader, TlsHelloReader> reader_;
  BufferCursor cursor_;
  // Of what came first: bytes, those that were not enough, and the most that can be told.
  uint32_t raw_length_ = 0;
  uint32_t raw_seen_ = 0;
  uint32_t raw_limit_ = 0;
  Inspects what_ = Inspects::nothing;
};

}  // namespace sluice
