// One TCP connection through an engine, as its two ends send it, with sequence numbers as the ends
// count them.
#pragma once

#include <string>
#include <vector>

#include "support/test_engine.h"

namespace sluice::test {

inline constexpr uint16_t kService = 7;  // the virtual server of engine_for()
inline constexpr L4Port kServicePort = 80;
inline constexpr L4Port kNodePort = 8080;

// An engine with one virtual server for TCP and one for UDP, and a control segment that knows one
// node.
inline std::unique_ptr<TestEngine> engine_for(const Hosts& hosts,
                                              const TestEngineOptions& options = {}) {
  auto engine = std::make_unique<TestEngine>(options);
  engine->add_virtual_server(kService, hosts.virtual_server, kServicePort);
  engine->add_virtual_server(kService + 1, hosts.virtual_server, kServicePort, kProtocolUdp);
  engine->introduce(hosts);
  engine->decide_with(TestEngine::to_endpoint(hosts.server, kNodePort));
  engine->told.clear();
  return engine;
}

class Dialogue {
 public:
  Dialogue(TestEngine& engine, const Hosts& hosts, L4Port client_port = 40000)
      : engine_(engine), hosts_(hosts), client_port_(client_port) {}

  uint32_t client_next = 1000;
  uint32_t server_next = 5000;

  // The next segment of an end, not sent yet.
  PacketBuilder client(uint8_t flags) const {
    return PacketBuilder()
        .ip(hosts_.client, hosts_.virtual_server)
        .tcp(client_port_, kServicePort, flags)
        .seq(client_next)
        .ack(flags & kTcpAck ? server_next : 0);
  }
  PacketBuilder server(uint8_t flags) const {
    return PacketBuilder()
        .ip(hosts_.server, hosts_.client)
        .tcp(kNodePort, client_port_, flags)
        .seq(server_next)
        .ack(flags & kTcpAck ? client_next : 0);
  }

  void client_sends(uint8_t flags, size_t payload = 0) {
    engine_.from_client(client(flags).payload(payload));
    client_next += static_cast<uint32_t>(payload) + takes_a_number(flags);
  }
  void server_sends(uint8_t flags, size_t payload = 0) {
    engine_.from_server(server(flags).payload(payload));
    server_next += static_cast<uint32_t>(payload) + takes_a_number(flags);
  }
  void open() {
    client_sends(kTcpSyn);
    server_sends(kTcpSyn | kTcpAck);
    client_sends(kTcpAck);
  }
  // The client closes first.
  void close() {
    client_sends(kTcpFin | kTcpAck);
    server_sends(kTcpFin | kTcpAck);
    client_sends(kTcpAck);
  }

 private:
  static uint32_t takes_a_number(uint8_t flags) {
    return ((flags & kTcpSyn) != 0) + ((flags & kTcpFin) != 0);
  }
  TestEngine& engine_;
  const Hosts& hosts_;
  L4Port client_port_;
};

inline PacketBuilder client_datagram(const Hosts& hosts, L4Port client_port = 40000) {
  return PacketBuilder()
      .ip(hosts.client, hosts.virtual_server)
      .udp(client_port, kServicePort)
      .payload(10);
}
inline PacketBuilder server_datagram(const Hosts& hosts, L4Port client_port = 40000) {
  return PacketBuilder().ip(hosts.server, hosts.client).udp(kNodePort, client_port).payload(20);
}

// Until the engine has no room to tell what takes `size` bytes: each message of an unknown type
// brings an ACK.
inline void fill_ring(TestEngine& engine, size_t size = AckView::kSize) {
  TestEngine::Bytes unknown(CsmbHeader::kSize);
  CsmbHeader(unknown.data()).set_msg_length(CsmbHeader::kSize);
  while (engine.has_room_to_tell(size)) engine.tell(unknown);
}

// The one message of a kind that the engine has told since `told` was cleared, or the latest.
template <class View>
class Told {
 public:
  explicit Told(const TestEngine& engine) : all_(engine.told_of<View>()) {}
  size_t count() const { return all_.size(); }
  View view(size_t index) { return View(all_.at(index).data()); }
  View last() { return view(all_.size() - 1); }

 private:
  std::vector<TestEngine::Bytes> all_;
};

}  // namespace sluice::test
