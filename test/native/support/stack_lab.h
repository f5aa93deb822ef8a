// A Stack with two links on virtual time, a sink that records, and peers that speak ARP or
// neighbour discovery. Frames are laid out here by hand, so that they judge the stack's own.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "base/instant.h"
#include "packet/packet_pool.h"
#include "stack/frame_sink.h"
#include "stack/stack.h"
#include "support/frame.h"

namespace sluice::test {

using Bytes = std::vector<uint8_t>;

Bytes operator+(Bytes left, const Bytes& right);
Bytes bytes_of(const IpAddress& address);
Bytes bytes_of(const MacAddress& mac);

inline constexpr PortId kOutside = 0;
inline constexpr PortId kInside = 1;
inline constexpr MacAddress kOutsideMac{{2, 0, 0, 0, 0, 0xa0}};
inline constexpr MacAddress kInsideMac{{2, 0, 0, 0, 0, 0xa1}};
inline constexpr MacAddress kPeerMac{{2, 0, 0, 0, 0, 0x10}};
inline constexpr MacAddress kOtherMac{{2, 0, 0, 0, 0, 0x11}};

// The same addresses of each family, by role.
struct Site {
  std::string family;
  uint8_t prefix_length;
  IpAddress outside;        // ours, on kOutside
  IpAddress inside;         // ours, on kInside
  IpAddress peer;           // on the outside link
  IpAddress other;          // on the outside link
  IpAddress gateway;        // on the outside link
  IpAddress node;           // on the inside link
  IpAddress far;            // on no link
  IpAddress virtual_local;  // in the outside subnet
  IpAddress virtual_stray;  // in no subnet
  IpAddress any;            // with length 0: the default route

  bool is_v4() const { return peer.is_v4(); }
};
const std::vector<Site>& sites();

struct SentFrame {
  PortId port;
  Bytes bytes;
  Offload offload;
  bool resumed;  // a held packet; else one that the stack made
};

struct RecordingSink final : FrameSink {
  void originate(PortId port, Packet& frame) override;
  void resume(PortId port, std::span<Packet* const> packets) override;
  void give_up(const Packet& packet) override;

  std::vector<SentFrame> sent;
  std::vector<size_t> batches;  // sizes of those that were resumed
  std::vector<DropReason> given_up;
};

// What one peer says to a link, ARP or ND by the family of its address.
struct Peer {
  MacAddress mac;
  IpAddress address;

  Bytes asks(const IpAddress& target) const;                     // everybody
  Bytes asks(const IpAddress& target, const MacAddress&) const;  // that MAC address alone
  Bytes answers(const IpAddress& to, const MacAddress& to_mac) const;
  Bytes announces() const;
  Bytes probes(const IpAddress& target) const;  // RFC 5227 2.1, RFC 4862 5.4
};

// A neighbour advertisement with other flags, and its checksum right again.
Bytes with_flags(const Bytes& advertisement, uint8_t flags);

// A message of the stack, read back.
struct Said {
  enum class Kind { other, request, reply, announcement };
  Kind kind = Kind::other;
  PortId port = kNoPort;
  MacAddress ethernet_src, ethernet_dst;
  MacAddress mac;     // of the speaker: ARP sender, source or target link-layer option
  IpAddress speaker;  // whose MAC address it tells
  IpAddress target;   // who is asked for, or answered
};
Said read(const SentFrame& frame);
// Whether it asks if an address is free (RFC 4862 5.4.2, RFC 5227 2.1.1), or tells switches what we
// listen to (RFC 3810).
bool is_probe(const SentFrame& frame);
bool is_report(const SentFrame& frame);

// An Ethernet frame around an IP packet, IPv4 or IPv6 by `src`.
Bytes ip_frame(const MacAddress& ethernet_src, const MacAddress& ethernet_dst, const IpAddress& src,
               const IpAddress& dst, uint8_t protocol, const Bytes& payload,
               uint8_t hop_limit = 64);

// A packet from the node through the engine to `destination`; `mark`, its last byte, tells packets
// apart.
Bytes routed(const Site& site, const IpAddress& destination, uint8_t mark = 0);

struct StackLab {
  // The addresses `outside` and `inside` of the site; announcements are over.
  explicit StackLab(const Site& site, const StackLimits& limits = {});

  // Parses and delivers.
  Packet receive(PortId port, const Bytes& frame, const Offload& offload = {});
  // Lets time pass, with a poll at every deadline.
  void pass(Duration span);
  NextHop acquire(const IpAddress& destination);
  // Holds routed(destination, mark) for an unresolved next hop.
  bool hold(NextHop hop, const IpAddress& destination, uint8_t mark, DropReason& why);
  bool hold(NextHop hop, const IpAddress& destination, uint8_t mark = 0);
  // A referenced neighbour on the outside link that has just answered.
  NextHop resolve(const Peer& peer);
  // Messages of the stack since the last call, but for probes and reports.
  std::vector<Said> said();
  // Those, by is_probe or is_report.
  std::vector<SentFrame> take(bool (*wanted)(const SentFrame&));
  // Held packets that went on since the last call.
  std::vector<SentFrame> resumed();

  const Site& site;
  PacketPool pool{256, 4};
  RecordingSink sink;
  Stack stack;
  Instant now = Instant::from_nanoseconds(1'000'000'000);
};

}  // namespace sluice::test
