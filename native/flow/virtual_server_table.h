#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "flow/offer_limits.h"
#include "packet/flow_key.h"

namespace sluice {

// What a refused client is told: by RST (by ICMP where that cannot be), by ICMP, or nothing.
enum class Refusal : uint8_t { reset, unreachable, silence };

// In the place of a protocol: every one of which flows are made.
inline constexpr uint8_t kAnyProtocol = 0;

// What is read of a TCP connection before its server is chosen (VS-05, VS-06).
enum class Inspects : uint8_t { nothing, http, cookie, tls, raw };

// How. The engine accepts the client's connection for that.
struct HandshakeProxy {
  Inspects what = Inspects::nothing;
  bool asks_unread = false;        // what cannot be read is asked for without data, not reset
  uint8_t window_kib = 0;          // that a client may send before it has a server, and a head has
  uint16_t timeout_s = 0;          // for what is to be read, and for a decision
  uint16_t server_timeout_ms = 0;  // for a server to answer
  std::string cookie;              // its name
};

// What the data flow segment knows of a virtual server: the match (VS-01), not the nodes.
struct VirtualServer {
  uint16_t id = 0;
  IpAddress address;
  L4Port port = 0;  // 0 where the protocol has none
  uint8_t protocol = kAnyProtocol;
  // Of others than us and virtual servers; of `address` only the family is used (VS-13).
  bool any_address = false;
  bool any_port = false;     // that no other virtual server has; `port` is not used (VS-14)
  bool silent = false;       // ARP and neighbour discovery are not answered for it (VS-16)
  bool maintenance = false;  // new flows are refused (LB-21)
  bool terminates = false;   // the engine ends the connections, whose bytes go to sockets
  bool inspects = false;     // the control segment is asked with the first datagram (CS-11)
  Refusal refusal = Refusal::reset;
  HandshakeProxy proxy;
  OfferLimits learned;  // of the nodes, since the control segment told of it the last time

  // Whether a SYN for it is answered here.
  bool ends_connections() const { return terminates || proxy.what != Inspects::nothing; }
};

// The virtual servers of a segment, found by destination address, L4 port and protocol (DFS-14):
// the exact one, else one of the address with any port, and then with any protocol, else one of any
// address with the port, with any port, with any protocol (VS-15). Changed between batches only;
// find() allocates nothing.
class VirtualServerTable {
 public:
  // False if another virtual server listens there already. The same id replaces itself.
  bool add(const VirtualServer& server);
  // False if there is none with that id.
  bool remove(uint16_t id, VirtualServer* removed);
  const VirtualServer* find(const FlowKey& key) const;
  // A node of the virtual server that clients reach by `key` has shown what it can honour: nothing
  // where that is another one by now.
  void learn(const FlowKey& key, uint16_t id, const OfferLimits& shown);
  size_t count() const { return servers_.size(); }

 private:
  struct Listen {
    IpAddress address;
    L4Port port;
    uint8_t protocol;
    bool operator==(const Listen&) const = default;
  };
  struct ListenHash {
    size_t operator()(const Listen& listen) const;
  };
  static Listen listen_of(const VirtualServer& server);
  static bool is_wildcard(const VirtualServer& server);
  const VirtualServer* find(const Listen& listen) const;

  std::unordered_map<Listen, VirtualServer, ListenHash> servers_;
  size_t wildcards_ = 0;
};

}  // namespace sluice
