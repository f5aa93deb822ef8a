#pragma once

#include <cstddef>
#include <cstdint>

#include "inspect/http_fields.h"
#include "inspect/reading.h"

namespace sluice {

// A line with the size of a chunk and its extensions; AWS's signatures take some 90 bytes of it.
inline constexpr uint16_t kChunkLineLimit = 1024;
inline constexpr uint16_t kTrailersLimit = 8 * 1024;

// Walks a chunked body to its end (RFC 9112 7.1) and says which bytes are its own. Extensions are
// passed over (7.1.1), trailers are checked as field lines are (7.1.2). Data is counted, not looked
// at, and so may pass unseen: skip() says that it has.
class ChunkWalker {
 public:
  explicit ChunkWalker(uint16_t line_limit = kChunkLineLimit,
                       uint16_t trailers_limit = kTrailersLimit)
      : line_limit_(line_limit), trailers_limit_(trailers_limit) {}

  // How many of `more`, from its beginning, belong to the body: all of them, until it ends.
  size_t take(ConstByteSpan more);

  // The next so many bytes are data of a chunk, whatever they are; passed by skip() they need not
  // be taken. `bytes` is at most ahead().
  uint64_t ahead() const { return state_ == State::data && reading_ == Reading::more ? left_ : 0; }
  void skip(uint64_t bytes);

  Reading reading() const { return reading_; }
  HttpFault fault() const { return fault_; }
  // Bytes of data that were taken or skipped: the content, without its framing.
  uint64_t data() const { return data_; }

 private:
  enum class State : uint8_t {
    size_first,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailers
  };

  size_t take_data(ConstByteSpan more);
  size_t take_trailers(ConstByteSpan more);
  HttpFault step(uint8_t byte);
  HttpFault step_size(uint8_t byte);

  uint64_t left_ = 0;  // of the chunk: first its size, then what has not come
  uint64_t data_ = 0;
  uint16_t line_limit_;
  uint16_t trailers_limit_;
  uint16_t line_ = 0;  // bytes of this line, or of the trailers
  State state_ = State::size_first;
  Reading reading_ = Reading::more;
  HttpFault fault_ = HttpFault::none;
  FieldLinesReader trailers_;
};

// Each connection that is inspected has one.
static_assert(sizeof(ChunkWalker) <= 32);

}  // namespace sluice
