#include "rewrite/earlier_numbers.h"

#include <algorithm>

#include "packet/fragment_place.h"
#include "packet/l4_checksum.h"
#include "packet/parse.h"
#include "wire/checksum.h"
#include "wire/ip_protocol.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

namespace sluice {

namespace {

void cut_between(const EarlierNumbers& earlier, Packet& packet) {
  const TcpHeader tcp(packet.at(packet.headers.l4));
  if (earlier.of_seq(tcp.seq()) == 0 || packet.headers.fragment) return;
  const auto kept = static_cast<uint32_t>(earlier.seq_from - tcp.seq());
  const uint32_t length = packet.headers.end - packet.headers.payload;
  if (length + tcp.has(kTcpFin) <= kept || !l4_checksum_is_right(packet)) return;
  keep_tcp_payload(packet, std::min(kept, length));
}

}  // namespace

void carry_over(const EarlierNumbers& earlier, Packet& packet) {
  if (packet.headers.headless || packet.headers.protocol != kProtocolTcp) return;
  cut_between(earlier, packet);
  renumber(earlier, packet);
}

bool reaches_across(const EarlierNumbers& earlier, const Packet& fragment) {
  const FragmentedSegment& segment = fragment.headers.segment;
  const Seq first(segment.seq);
  if (earlier.of_seq(first) == 0) return false;
  const FragmentPlace place = place_of(fragment);
  const bool ends = !place.more && segment.fin;
  return first + (place.offset + place.size - segment.header + ends) > earlier.seq_from;
}

void renumber(const EarlierNumbers& earlier, Packet& packet) {
  if (packet.headers.headless || packet.headers.protocol != kProtocolTcp) return;
  uint8_t* const header = packet.at(packet.headers.l4);
  TcpHeader tcp(header);
  ChecksumDelta delta;
  const auto add = [&](uint8_t* at, uint32_t offset) {
    const uint32_t before = load_be32(at);
    store_be32(at, before + offset);
    delta.replace32_at(static_cast<size_t>(at - header), before, before + offset);
  };
  add(header + TcpHeader::kSeqOffset, earlier.of_seq(tcp.seq()));
  if (tcp.has(kTcpAck)) {
    add(header + TcpHeader::kAckOffset, earlier.of_ack(tcp.ack()));
    for (TcpOptionWalk walk(tcp); walk.next();) {
      const TcpOption option = walk.option();
      for (size_t i = 0; option.is_sack() && i < option.sack_edges(); ++i) {
        add(option.sack_edge_at(i), earlier.of_ack(option.sack_edge(i)));
      }
    }
  }
  // A partial checksum is a sum over the pseudo-header alone (TCPX-32).
  if (!checksum_is_partial(packet)) tcp.set_checksum(delta.applied_to_checksum(tcp.checksum()));
}

}  // namespace sluice
