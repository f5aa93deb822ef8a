#include "stack/multicast_reports.h"

#include "packet/l4_checksum.h"
#include "stack/own_frame.h"
#include "stack/solicited_node.h"
#include "wire/icmpv6.h"
#include "wire/ipv6.h"

namespace sluice {

namespace {

constexpr Duration kAnswerInterval = Duration::seconds(1);
constexpr uint8_t kHopLimit = 1;  // RFC 3810 5
// The router alert option for MLD (RFC 2711) and padding, in a hop-by-hop header.
constexpr uint8_t kRouterAlert[] = {kProtocolIcmpv6, 0, 5, 2, 0, 0, 1, 0};
constexpr size_t kReport = 8, kRecord = 20;  // RFC 3810 5.2
// Record types (RFC 3810 5.2.12): no sources excluded is all of a group.
constexpr uint8_t kIsExclude = 2, kChangeToExclude = 4;

const IpAddress kAllReportRouters{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16}};

}  // namespace

bool MulticastReports::takes(const Packet& packet) {
  const Headers& headers = packet.headers;
  if (headers.family != 6 || headers.protocol != kProtocolIcmpv6 || headers.fragment) return false;
  return IcmpHeader(packet.at(headers.l4)).type() == kIcmpv6MulticastQuery;
}

// RFC 3810 6.2: from a router on the link, whatever its version.
void MulticastReports::input(Instant now, Packet& packet) {
  const Headers& headers = packet.headers;
  constexpr size_t kGroup = 8, kShortest = 24;
  const bool sound = packet.key.src.is_link_local() && headers.end - headers.l4 >= kShortest &&
                     Ipv6Header(packet.at(headers.l3)).hop_limit() == kHopLimit;
  if (!sound) return packet.drop(DropReason::nd_malformed);
  if (!l4_checksum_is_right(packet)) return packet.drop(DropReason::l4_checksum);
  packet.verdict = Verdict::deliver;
  const PortId port = addresses_.link(packet.in_port).port;
  if (now < next_answer_[port]) return;
  next_answer_[port] = now + kAnswerInterval;
  const IpAddress asked = IpAddress::load_v6(packet.at(headers.l4 + kGroup));
  addresses_.for_each_on(port, [&](const IpAddress& address) {
    if (address.is_v4()) return;
    const IpAddress group = solicited_node(address);
    if (asked.is_zero() || asked == group) send(port, group, kIsExclude);
  });
}

void MulticastReports::report(PortId port, const IpAddress& address) {
  send(port, solicited_node(address), kChangeToExclude);
}

// RFC 3590 4: who has no link-local address reports from the unspecified one.
void MulticastReports::send(PortId port, const IpAddress& group, uint8_t record_type) {
  constexpr size_t kMessage = kReport + kRecord;
  const Link& link = addresses_.link(port);
  OwnFrame frame(kEtherTypeIpv6, link.mac, multicast_mac(kAllReportRouters),
                 Ipv6Header::kSize + sizeof kRouterAlert + kMessage);
  Ipv6Header ip = Ipv6Header::start(frame.payload());
  ip.set_payload_length(sizeof kRouterAlert + kMessage);
  ip.set_next_header(0);
  ip.set_hop_limit(kHopLimit);
  ip.set_dst(kAllReportRouters);
  uint8_t* at = frame.payload() + Ipv6Header::kSize;
  std::memcpy(at, kRouterAlert, sizeof kRouterAlert);
  uint8_t* message = at + sizeof kRouterAlert;
  message[0] = kIcmpv6MulticastReport;
  store_be16(message + 6, 1);  // one record
  uint8_t* record = message + kReport;
  record[0] = record_type;
  std::memcpy(record + 4, group.bytes.data(), group.bytes.size());
  complete_icmpv6_checksum(ip.src_bytes(), ip.dst_bytes(), message, kMessage);
  sink_.originate(port, frame.packet());
}

}  // namespace sluice
