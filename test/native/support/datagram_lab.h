// A whole data flow segment that ends flows of UDP: a client and a server of plain frames around
// it, and sockets that a test plays by their messages. On virtual time.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "bus/streams.h"
#include "packet/l4_checksum.h"
#include "support/packet_check.h"
#include "support/test_engine.h"

namespace sluice::test {

inline constexpr L4Port kNamePort = 53;
inline constexpr uint16_t kNameId = 9;

// What the engine has said about one socket of UDP.
struct HeardDatagrams {
  uint32_t serial = 0;
  IpAddress remote, local;
  L4Port remote_port = 0, local_port = 0;
  uint16_t vs = 0, mss = 0;
  uint32_t credit = 0;
  std::vector<std::string> datagrams;
  bool accepted = false, connected = false, closed = false;
  int held = 0, unrelayed = 0;
  uint8_t end = 0;
  uint64_t relayed = 0, relayed_datagrams = 0, received = 0, sent = 0;
};

class DatagramLab {
 public:
  explicit DatagramLab(const Hosts& hosts, const TestEngineOptions& options = {})
      : engine(options), hosts_(hosts) {
    engine.introduce(hosts);
    engine.add_virtual_server(kNameId, hosts.virtual_server, kNamePort, kProtocolUdp,
                              VsFlags::terminate);
    engine.run(Duration::seconds(3));
    engine.clear_sent();
  }

  // -- hosts
  PacketBuilder asks(const std::string& text, L4Port port = 40000) const {
    return PacketBuilder().ip(hosts_.client, hosts_.virtual_server).udp(port, kNamePort).text(text);
  }
  PacketBuilder answers(const std::string& text, L4Port to = 40000) const {
    return PacketBuilder().ip(hosts_.server, hosts_.client).udp(8053, to).text(text);
  }
  void ask(const std::string& text, L4Port port = 40000) {
    engine.from_client(asks(text, port));
    hear();
  }
  void answer(const std::string& text, L4Port to = 40000) {
    engine.from_server(answers(text, to));
    hear();
  }
  // What is in a frame that the engine sent: "client:40000 > server:8053 text"; its checksum is
  // right.
  std::string in(const MemoryFrame& frame) const {
    Sent sent(frame);
    const Packet& packet = sent.packet();
    if (packet.verdict != Verdict::none) return "malformed";
    const std::string fault = ChecksumCheck(packet).fault();
    if (!fault.empty()) return fault;
    const auto name = [this](const IpAddress& address) -> std::string {
      if (address == hosts_.client) return "client";
      if (address == hosts_.server) return "server";
      return address == hosts_.virtual_server ? "virtual" : "other";
    };
    const FlowKey& key = packet.key;
    const uint8_t* from = packet.at(packet.headers.payload);
    return name(key.src) + ":" + std::to_string(key.src_port) + " > " + name(key.dst) + ":" +
           std::to_string(key.dst_port) + " " +
           std::string(from, from + (packet.headers.end - packet.headers.payload));
  }
  std::vector<std::string> at_client() { return taken(engine.to_client); }
  std::vector<std::string> at_server() { return taken(engine.to_server); }

  // -- sockets
  template <class View>
  View order(uint32_t socket, size_t tail = 0) {
    bytes_.assign(stream_stride(View::kSize + tail), 0);
    View view(bytes_.data());
    view.set_msg_type(View::kCode);
    view.set_socket(socket);
    view.set_length(static_cast<uint32_t>(View::kSize + tail));
    return view;
  }
  void say() {
    while (!engine.from_sockets().push(bytes_)) engine.poll();
    engine.poll();
    hear();
  }
  template <class View>
  void say(uint32_t socket) {
    order<View>(socket);
    say();
  }
  void read(uint32_t socket, uint32_t credit) {
    order<ReadSocketView>(socket).set_credit(credit);
    say();
  }
  void send(uint32_t socket, const std::string& text) {
    const WriteSocketView write = order<WriteSocketView>(socket, text.size());
    std::copy(text.begin(), text.end(), write.bytes().begin());
    say();
  }
  void set_idle(uint32_t socket, uint32_t seconds) {
    SetSocketView set = order<SetSocketView>(socket);
    set.set_option(SocketOption::idle);
    set.set_value(seconds);
    say();
  }
  void splice(uint32_t one, uint32_t other) {
    order<RelaySocketView>(one).set_target(other);
    say();
  }
  uint32_t open(uint32_t inbound, const IpAddress& to, L4Port port, bool as_client) {
    order_open(inbound, to, port, as_client);
    say();
    return last_opened;
  }
  // Asks for that as soon as the engine looks.
  void ask_to_open(uint32_t inbound, const IpAddress& to, L4Port port, bool as_client) {
    order_open(inbound, to, port, as_client);
    REQUIRE(engine.from_sockets().push(bytes_));
  }
  void order_open(uint32_t inbound, const IpAddress& to, L4Port port, bool as_client) {
    OpenSocketView open = order<OpenSocketView>(inbound);
    open.set_request(99);
    open.set_protocol(kProtocolUdp);
    open.set_dst_ipaddr(to);
    open.set_dst_port(port);
    if (as_client) {
      open.set_src_ipaddr(sockets[inbound].remote);
      open.set_src_port(sockets[inbound].remote_port);
    }
    last_opened = 0;
    cannot_open = -1;
  }
  // A client's socket, and the one to the server with the client's own endpoint.
  std::pair<uint32_t, uint32_t> open_pair(L4Port port = 40000) {
    ask("first", port);
    const uint32_t inbound = last_accepted;
    return {inbound, open(inbound, hosts_.server, 8053, true)};
  }
  void pass(Duration span) {
    engine.run(span);
    hear();
  }

  void hear() {
    while (reads && !engine.to_sockets().empty()) {
      const ByteSpan message = engine.to_sockets().front();
      std::vector<uint8_t> copy(message.begin(), message.end());
      engine.to_sockets().pop();
      hear(copy);
    }
  }

  TestEngine engine;
  std::map<uint32_t, HeardDatagrams> sockets;
  uint32_t last_accepted = 0;
  uint32_t last_opened = 0;
  int cannot_open = -1;  // StreamEnd
  int accepted = 0;
  bool reads = true;    // whether sockets read what they are told
  bool forgets = true;  // whether they say that they have heard of an end

 private:
  std::vector<std::string> taken(std::vector<MemoryFrame>& frames) {
    std::vector<std::string> texts;
    for (const MemoryFrame& frame : std::exchange(frames, {})) texts.push_back(in(frame));
    return texts;
  }
  void hear(std::vector<uint8_t>& message) {
    const StreamHeader header(message.data());
    HeardDatagrams& socket = sockets[header.socket()];
    switch (message[0]) {
      case AcceptedView::kCode:
      case ConnectedView::kCode: return hear_opened(socket, AcceptedView(message.data()));
      case OpeningView::kCode: last_opened = header.socket(); return;
      case CannotOpenView::kCode: cannot_open = header.reason(); return;
      case DataView::kCode: {
        const ByteSpan bytes = DataView(message.data()).bytes();
        socket.datagrams.emplace_back(bytes.begin(), bytes.end());
        return;
      }
      case HeldView::kCode: ++socket.held; return;
      case UnrelayedView::kCode:
        socket.relayed = UnrelayedView(message.data()).bytes();
        socket.relayed_datagrams = UnrelayedView(message.data()).datagrams();
        ++socket.unrelayed;
        return;
      case ClosedView::kCode:
        socket.closed = true;
        socket.end = header.reason();
        socket.received = ClosedView(message.data()).bytes_received();
        socket.sent = ClosedView(message.data()).bytes_sent();
        if (forgets) forget(header.socket());
        return;
      case RoomView::kCode: return;  // for connections
      default: FAIL("no message of UDP");
    }
  }
  void hear_opened(HeardDatagrams& socket, const AcceptedView& opened) {
    const bool is_clients = opened.msg_type() == AcceptedView::kCode;
    socket = HeardDatagrams{};
    (is_clients ? socket.accepted : socket.connected) = true;
    if (is_clients) last_accepted = opened.socket();
    accepted += is_clients;
    socket.serial = opened.serial();
    socket.remote = opened.remote_ipaddr();
    socket.local = opened.local_ipaddr();
    socket.remote_port = opened.remote_port();
    socket.local_port = opened.local_port();
    socket.vs = static_cast<uint16_t>(opened.vs_id());
    socket.mss = opened.mss();
    socket.credit = opened.credit();
  }
  void forget(uint32_t socket) {
    const std::vector<uint8_t> said = std::exchange(bytes_, {});
    order<ForgetSocketView>(socket);
    while (!engine.from_sockets().push(bytes_)) engine.poll();
    engine.poll();
    bytes_ = said;
  }

  Hosts hosts_;
  std::vector<uint8_t> bytes_;
};

}  // namespace sluice::test
