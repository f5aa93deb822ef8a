#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "inspect/chunk_walker.h"
#include "inspect/http_head.h"
#include "inspect/http_message.h"

namespace sluice::test {

using Bytes = std::vector<uint8_t>;

inline Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

// What was read of one message.
struct SeenMessage {
  std::string method;
  std::string target;
  std::string host;
  unsigned minor_version = 0;
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  BodyKind body = BodyKind::none;
  uint64_t head_length = 0;
  uint64_t content = 0;
  bool persistent = false;
  bool complete = false;

  bool operator==(const SeenMessage&) const = default;
};

// Reads message upon message of one direction of a connection, in whatever pieces they come, as the
// engine will: each piece once. Keeps each piece in memory of exactly its size, so that a sanitizer
// sees who reads on.
class HttpStream {
 public:
  explicit HttpStream(HttpHeadKind kind, AskedBy asked = AskedBy::other,
                      uint32_t limit = kHttpHeadLimit)
      : kind_(kind), asked_(asked), limit_(limit), head_(kind, limit) {}

  void take(ConstByteSpan piece) {
    pieces_.emplace_back(piece.begin(), piece.end());
    ConstByteSpan rest = pieces_.back();
    while (!rest.empty() && reading == Reading::more) {
      const size_t taken = in_body_ ? take_body(rest) : take_head(rest);
      at_ += taken;
      rest = rest.subspan(taken);
      if (in_body_) end_body();
    }
  }

  std::vector<SeenMessage> messages;
  // Of what is being read.
  Reading reading = Reading::more;
  HttpFault fault = HttpFault::none;

 private:
  size_t take_head(ConstByteSpan rest) {
    const uint32_t before = head_.length();
    reading = head_.take(rest);
    fault = head_.fault();
    const size_t taken = head_.length() - before;
    if (reading != Reading::complete) return taken;
    std::vector<ConstByteSpan> spans(pieces_.begin(), pieces_.end());
    Bytes scratch(head_.length());
    const ConstByteSpan head =
        Pieces(spans).gather(at_ + taken - head_.length(), head_.length(), scratch);
    fault = read(Bytes(head.begin(), head.end()));
    reading = fault == HttpFault::none ? Reading::more : Reading::malformed;
    in_body_ = fault == HttpFault::none;
    return taken;
  }

  HttpFault read(const Bytes& head) {
    SeenMessage seen;
    seen.head_length = head.size();
    HttpFault wrong = HttpFault::none;
    std::string_view fields;
    if (kind_ == HttpHeadKind::request) {
      HttpRequest request;
      wrong = read_request(head, request);
      seen.method = request.method;
      seen.target = request.target;
      seen.host = request.host;
      fields = fill(request, seen);
    } else {
      HttpAnswer answer;
      wrong = read_answer(head, asked_, answer);
      seen.status = answer.status;
      fields = fill(answer, seen);
    }
    for (HttpFieldWalk walk(fields); walk.next();) {
      seen.fields.emplace_back(walk.name(), walk.value());
    }
    if (wrong == HttpFault::none) messages.push_back(seen);
    return wrong;
  }

  template <class Message>
  std::string_view fill(const Message& message, SeenMessage& seen) {
    seen.minor_version = message.minor_version;
    seen.persistent = message.persistent;
    seen.body = message.body.kind;
    left_ = message.body.length;
    chunks_ = ChunkWalker();
    return message.fields;
  }

  size_t take_body(ConstByteSpan rest) {
    SeenMessage& message = messages.back();
    if (message.body == BodyKind::chunked) {
      const size_t taken = chunks_.take(rest);
      message.content = chunks_.data();
      if (chunks_.reading() == Reading::malformed || chunks_.reading() == Reading::too_large) {
        reading = chunks_.reading();
        fault = chunks_.fault();
      }
      return taken;
    }
    const bool counted = message.body == BodyKind::length;
    const size_t taken = counted ? size_t(std::min<uint64_t>(left_, rest.size())) : rest.size();
    left_ -= counted ? taken : 0;
    message.content += taken;
    return taken;
  }

  void end_body() {
    SeenMessage& message = messages.back();
    const bool ended =
        message.body == BodyKind::none || (message.body == BodyKind::length && left_ == 0) ||
        (message.body == BodyKind::chunked && chunks_.reading() == Reading::complete);
    if (!ended || reading != Reading::more) return;
    message.complete = true;
    in_body_ = false;
    head_ = HttpHeadReader(kind_, limit_);
  }

  HttpHeadKind kind_;
  AskedBy asked_;
  uint32_t limit_;
  HttpHeadReader head_;
  ChunkWalker chunks_;
  std::vector<Bytes> pieces_;
  uint64_t at_ = 0;
  uint64_t left_ = 0;
  bool in_body_ = false;
};

}  // namespace sluice::test
