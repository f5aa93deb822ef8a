// Any packet that passes the parse stage, finished for a port without offloads: a super-packet is
// cut, an open checksum completed. Every frame that leaves must pass the parse stage itself, and
// the pieces must have right checksums and carry the payload, whole and in order.
//
// Input: a HostilePacket.
#include "packet/segmentation.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "packet/l4_checksum.h"
#include "packet/parse.h"
#include "support/hostile_packet.h"

namespace {

using namespace sluice;

// More of them show nothing new, and a segment size of 1 would make thousands.
constexpr size_t kMaxPieces = 64;

void check_frame(Packet frame) {
  SLUICE_CHECK(!frame.offload.needs_checksum && frame.offload.gso_type == GsoType::none);
  parse(frame);
  SLUICE_CHECK(frame.verdict == Verdict::none);
}

void cut(const Packet& super) {
  const Headers& headers = super.headers;
  Segmenter segmenter(super, Segmenter::Checksums::complete);
  std::vector<uint8_t> buffer(kHeadroom + segmenter.piece_size());
  size_t offset = headers.payload;
  while (segmenter.remaining() > 0) {
    Packet piece;
    segmenter.next(buffer.data() + kHeadroom, piece);
    check_frame(piece);
    SLUICE_CHECK(l4_checksum_is_right(piece));
    const size_t size = piece.headers.end - piece.headers.payload;
    SLUICE_CHECK(size <= super.offload.gso_size && offset + size <= headers.end);
    SLUICE_CHECK(std::memcmp(piece.at(piece.headers.payload), super.at(offset), size) == 0);
    offset += size;
  }
  SLUICE_CHECK(offset == headers.end);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < test::HostilePacket::kPrefix) return 0;
  test::HostilePacket hostile(data, size);
  Packet& packet = hostile.packet();
  parse(packet);
  if (packet.verdict == Verdict::drop) return 0;
  if (packet.offload.gso_type != GsoType::none) {
    if (packet.wire_segments() <= kMaxPieces) cut(packet);
  } else if (packet.offload.needs_checksum) {
    // As right as the sum of the pseudo-header that it starts from, which may be anything here.
    complete_checksum(packet);
    check_frame(packet);
  }
  return 0;
}
