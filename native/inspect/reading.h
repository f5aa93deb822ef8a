// inspect/: what the first bytes of a stream say: heads of HTTP/1.1 (RFC 9112, 9110), chunked
// bodies, hellos of TLS (RFC 8446, 5246, 6066, 7301). Readers take bytes as they come, however they
// are cut, each byte once, and hold a few bytes of state: their caller keeps what came. Nothing is
// allocated, everything has a limit, and what an accessor is asked for was checked before. Knows no
// packets, no connections and no time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "base/check.h"

namespace sluice {

// What a reader knows of what it reads. Anything but `more` is its last word.
enum class Reading : uint8_t {
  more,       // its end has not come
  complete,   // all of it has come
  malformed,  // fault() says what is wrong
  too_large,  // it does not end within its limit
  foreign,    // another protocol
};

// The bytes of a stream from a place on, in the pieces that its buffer has them in.
class Pieces {
 public:
  explicit Pieces(std::span<const ConstByteSpan> pieces) : pieces_(pieces) {}

  // What stands behind the first `offset` bytes, piece by piece, for as long as `take` answers
  // true.
  template <class Take>
  void behind(size_t offset, Take take) const {
    for (const ConstByteSpan& piece : pieces_) {
      const size_t passed = std::min(offset, piece.size());
      offset -= passed;
      if (passed < piece.size() && !take(piece.subspan(passed))) return;
    }
  }

  // The `length` bytes behind `offset`, which are there, as one piece: where they lie in one, that
  // place; else copied to `scratch`, which has the room.
  ConstByteSpan gather(size_t offset, size_t length, ByteSpan scratch) const {
    size_t got = 0;
    ConstByteSpan whole;
    behind(offset, [&](ConstByteSpan piece) {
      const size_t taken = std::min(length - got, piece.size());
      if (taken == length) {
        whole = piece.first(length);
        return false;
      }
      SLUICE_CHECK(got + taken <= scratch.size());
      std::memcpy(scratch.data() + got, piece.data(), taken);
      got += taken;
      whole = scratch.first(got);
      return got < length;
    });
    SLUICE_CHECK(whole.size() == length);
    return whole;
  }

 private:
  std::span<const ConstByteSpan> pieces_;
};

// Gives `reader` what it has not taken yet of all that was received. Passes over the pieces before
// that, each time: called for each piece that comes, that is quadratic in their number. Who has
// what is new at hand gives that to take().
template <class Reader>
Reading read_on(Reader& reader, const Pieces& received) {
  received.behind(reader.length(),
                  [&](ConstByteSpan more) { return reader.take(more) == Reading::more; });
  return reader.reading();
}

}  // namespace sluice
