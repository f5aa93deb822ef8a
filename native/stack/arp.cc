#include "stack/arp.h"

#include "base/check.h"
#include "stack/own_frame.h"

namespace sluice {

void Arp::input(Instant now, Packet& packet) {
  const ArpMessage message(packet.at(packet.headers.l3));
  const MacAddress mac = message.sender_mac();
  const IpAddress sender = message.sender_ip();
  if (mac.is_multicast() || mac == MacAddress{} || sender.is_multicast() ||
      addresses_.is_broadcast(sender)) {
    return packet.drop(DropReason::arp_malformed);
  }
  // A frame of our own that the link gave back.
  if (addresses_.is_own_mac(mac)) return packet.drop(DropReason::arp_not_ours);
  input_checked(now, packet, message);
}

void Arp::input_checked(Instant now, Packet& packet, const ArpMessage& message) {
  const PortId port = addresses_.link(packet.in_port).port;
  const MacAddress mac = message.sender_mac();
  const IpAddress sender = message.sender_ip();
  const IpAddress target = message.target_ip();
  if (addresses_.claims(sender)) {
    // On a link where the address is not ours to answer for, it may well be another's.
    if (!addresses_.stands_for(port, sender)) return packet.drop(DropReason::arp_not_ours);
    addresses_.contest(now, sender);
    packet.verdict = Verdict::deliver;
    return;
  }
  // The sender of a probe has no address yet (RFC 5227 2.1.1).
  const bool is_probe = sender == IpAddress::v4(0);
  if (is_probe && addresses_.stands_for(port, target)) addresses_.contest_probe(now, target);
  const bool for_us = addresses_.answers(port, target);
  const bool is_request = message.operation() == ArpMessage::kRequest;
  const bool known = neighbors_.advertised(now, {port, sender, &mac, for_us && !is_request, true});
  if (for_us && is_request) {
    if (!known && addresses_.may_be_neighbor(port, sender)) {
      neighbors_.learn(now, addresses_.link(port), sender, mac);
    }
    send(ArpMessage::kReply, port, target, mac, mac, sender);
  } else if (!known || (is_request && !(target == sender))) {
    // RFC 826 updates an entry whoever is asked for; the question stays none of ours.
    return packet.drop(DropReason::arp_not_ours);
  }
  packet.verdict = Verdict::deliver;
}

void Arp::solicit(PortId port, const IpAddress& target, const MacAddress* known) {
  const IpAddress* source = addresses_.source_for(port, target);
  SLUICE_CHECK(source != nullptr);
  send(ArpMessage::kRequest, port, *source, known != nullptr ? *known : MacAddress::broadcast(),
       MacAddress{}, target);
}

// RFC 5227 2.3: a request with our address as sender and target.
void Arp::announce(PortId port, const IpAddress& address) {
  send(ArpMessage::kRequest, port, address, MacAddress::broadcast(), MacAddress{}, address);
}

// RFC 5227 2.1.1: one that tells nobody's address.
void Arp::probe(PortId port, const IpAddress& address) {
  send(ArpMessage::kRequest, port, IpAddress::v4(0), MacAddress::broadcast(), MacAddress{},
       address);
}

void Arp::send(uint16_t operation, PortId port, const IpAddress& sender,
               const MacAddress& ethernet_dst, const MacAddress& target_mac,
               const IpAddress& target) {
  const MacAddress& own = addresses_.link(port).mac;
  OwnFrame frame(kEtherTypeArp, own, ethernet_dst, ArpMessage::kSize);
  ArpMessage message = ArpMessage::start(frame.payload(), operation);
  message.set_sender(own, sender);
  message.set_target(target_mac, target);
  sink_.originate(port, frame.packet());
}

}  // namespace sluice
