#include "tcp/tcp_segment.h"

#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp_options.h"

namespace sluice {

namespace {

void read_option(const TcpOption& option, TcpSegment& segment) {
  if (option.is_timestamps()) {
    segment.has_timestamps = true;
    segment.tsval = option.tsval();
    segment.tsecr = option.tsecr();
  } else if (option.is_sack()) {
    segment.sack_count = 0;
    for (size_t i = 0; i + 1 < option.sack_edges() && segment.sack_count < kMostSackBlocks; i += 2)
      segment.sack[segment.sack_count++] = {option.sack_edge(i), option.sack_edge(i + 1)};
  } else if (segment.has(kTcpSyn)) {
    if (option.is_mss()) segment.mss = option.mss();
    if (option.is_window_scale()) segment.window_scale = option.window_scale();
    if (option.is_sack_permitted()) segment.sack_permitted = true;
  }
}

}  // namespace

TcpSegment read_segment(const Packet& packet) {
  const Headers& headers = packet.headers;
  const TcpHeader tcp(packet.at(headers.l4));
  TcpSegment segment;
  segment.seq = tcp.seq();
  segment.ack = tcp.ack();
  segment.flags = tcp.flags();
  segment.window = tcp.window();
  segment.ecn = headers.family == 4 ? Ipv4Header(packet.at(headers.l3)).ecn()
                                    : Ipv6Header(packet.at(headers.l3)).ecn();
  segment.payload = {packet.at(headers.payload), headers.end - headers.payload};
  if (packet.offload.gso_type != GsoType::none) segment.merged_size = packet.offload.gso_size;
  for (TcpOptionWalk walk(tcp); walk.next();) read_option(walk.option(), segment);
  return segment;
}

}  // namespace sluice
