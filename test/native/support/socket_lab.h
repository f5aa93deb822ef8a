// A whole data flow segment that ends connections: a client and a server of their own TCP around
// it, and sockets that a test plays by their messages. On virtual time; nothing is lost on the
// links.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "bus/streams.h"
#include "support/tcp_host.h"
#include "support/test_engine.h"

namespace sluice::test {

inline constexpr L4Port kServicePort = 80;
inline constexpr uint16_t kServiceId = 7;

// What the engine has said about one socket.
struct Heard {
  uint32_t serial = 0;
  IpAddress remote, local;
  L4Port remote_port = 0, local_port = 0;
  uint16_t vs = 0;
  uint64_t credit = 0;  // to write, and not used
  std::vector<uint8_t> bytes;
  bool accepted = false, connected = false, ended = false, held = false, closed = false;
  uint8_t end = 0;
  uint64_t relayed = 0;
  int unrelayed = 0;
  bool spliced = false;      // or said why it never will be
  uint8_t splice_block = 0;  // SpliceBlock
  int data_messages = 0;
  std::vector<uint8_t> state;  // the last SocketState
};

// What a host at an end is.
struct LabHost {
  TcpConfig config;
  TcpPath path;
};

class SocketLab {
 public:
  SocketLab(const Hosts& hosts, const TestEngineOptions& options, L4Port client_port = 40000,
            const LabHost& client_is = {}, const LabHost& server_is = {})
      : engine(options),
        client({}, client_is.config, 11,
               key(hosts.virtual_server, kServicePort, hosts.client, client_port), client_is.path),
        server({}, server_is.config, 12, key(hosts.client, client_port, hosts.server, 8080),
               server_is.path),
        hosts_(hosts) {
    engine.introduce(hosts);
    engine.add_virtual_server(kServiceId, hosts.virtual_server, kServicePort, kProtocolTcp,
                              VsFlags::terminate);
    server.listen();
    engine.run(Duration::seconds(3));
    engine.clear_sent();
  }

  static FlowKey key(const IpAddress& src, L4Port src_port, const IpAddress& dst, L4Port dst_port) {
    FlowKey key;
    key.src = src;
    key.dst = dst;
    key.src_port = src_port;
    key.dst_port = dst_port;
    key.protocol = kProtocolTcp;
    return key;
  }

  // Everything that is due now goes to where it belongs.
  void settle() {
    do {
      hear();
    } while (carry());
  }
  void pass(Duration span) {
    const Instant end = engine.now() + span;
    settle();
    while (engine.now() < end) {
      engine.run(until_due(end) - engine.now());
      client.run_timers(engine.now());
      server.run_timers(engine.now());
      settle();
    }
  }

  // The client connects, and the socket that it becomes.
  uint32_t connect() {
    client.connect(engine.now());
    settle();
    return last_accepted;
  }

  // -- what sockets say
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
    give();
    settle();
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
  void write(uint32_t socket, ConstByteSpan bytes) {
    const WriteSocketView write = order<WriteSocketView>(socket, bytes.size());
    std::copy(bytes.begin(), bytes.end(), write.bytes().begin());
    sockets[socket].credit -= bytes.size();
    room -= BufferPool::chunks_of(bytes.size());
    say();
  }
  // Opens a connection for a socket, from the client's own endpoint where it is associated.
  uint32_t open(uint32_t inbound, const IpAddress& to, L4Port port, bool as_client) {
    return open(inbound, to, port, as_client, as_client);
  }
  // `mirrored`: as the client has opened its own.
  uint32_t open(uint32_t inbound, const IpAddress& to, L4Port port, bool as_client, bool mirrored) {
    OpenSocketView open = order<OpenSocketView>(inbound);
    open.set_request(99);
    open.set_dst_ipaddr(to);
    open.set_dst_port(port);
    open.set_protocol(kProtocolTcp);
    if (as_client) {
      open.set_src_ipaddr(sockets[inbound].remote);
      open.set_src_port(sockets[inbound].remote_port);
    }
    open.set_mirror(mirrored);
    last_opened = 0;
    cannot_open = -1;
    say();
    return last_opened;
  }
  // What TCP has to say of a socket.
  SocketStateView ask(uint32_t socket) {
    say<AskSocketView>(socket);
    return SocketStateView(sockets[socket].state.data());
  }
  // What `from` receives goes to `to`, and its end, too, unless that stays.
  void relay_one_way(uint32_t from, uint32_t to, uint8_t ends, uint8_t depth = RelayDepth::relay) {
    RelaySocketView relay = order<RelaySocketView>(from);
    relay.set_target(to);
    relay.set_ends(ends);
    relay.set_depth(depth);
    say();
  }
  // The same, until so many bytes have gone.
  void relay_counted(uint32_t from, uint32_t to, uint8_t count, uint64_t bytes,
                     uint8_t depth = RelayDepth::relay) {
    RelaySocketView relay = order<RelaySocketView>(from);
    relay.set_target(to);
    relay.set_ends(RelayEnds::pass);
    relay.set_count(count);
    relay.set_bytes(bytes);
    relay.set_depth(depth);
    say();
  }
  void relay(uint32_t one, uint32_t other, uint8_t ends = RelayEnds::pass) {
    relay_one_way(one, other, ends);
    relay_one_way(other, one, ends);
  }

  // The hosts at the ends are to run the connection, as soon as they can.
  void splice(uint32_t one, uint32_t other) {
    relay_one_way(one, other, RelayEnds::pass, RelayDepth::splice);
    relay_one_way(other, one, RelayEnds::pass, RelayDepth::splice);
  }

  // What the engine holds of connections; "" if nothing.
  std::string left() {
    std::string left;
    for (const Counter gauge :
         {Counter::connections, Counter::connections_active, Counter::sockets,
          Counter::datagram_sockets, Counter::stream_buffers, Counter::own_time_wait}) {
      const uint64_t count = engine.count(gauge);
      if (count != 0) {
        left += std::to_string(static_cast<int>(gauge)) + ": " + std::to_string(count) + "; ";
      }
    }
    return left;
  }

  TestEngine engine;
  TcpHost client, server;
  // Sees each packet that a host sends or gets, before it is carried out.
  std::function<void(const TcpHost&, const Packet&, bool sent)> tap;
  std::map<uint32_t, Heard> sockets;
  std::vector<std::vector<uint8_t>> time_waits;
  int64_t room = 0;  // chunks that all sockets together may write into
  uint32_t last_accepted = 0;
  uint32_t last_opened = 0;
  int cannot_open = -1;  // StreamEnd
  bool reads = true;     // whether sockets read what they are told
  bool client_is_there = true;
  bool client_hears = true;     // if not, what is sent to it is lost
  bool server_is_there = true;  // if not, what is sent to it waits

 private:
  // When a host has something to do, if not at `end`; soon enough for what the engine does
  // meanwhile.
  Instant until_due(Instant end) const {
    constexpr Duration kLongest = Duration::milliseconds(20);
    const Instant due = std::min(client.next_deadline(), server.next_deadline());
    const Instant next = std::max(due, engine.now() + Duration::milliseconds(1));
    return std::min({next, engine.now() + kLongest, end});
  }
  // Frames between the hosts and the engine. False if there were none.
  bool carry() {
    bool any = false;
    any |= send(client, 0, kClientMac, kOutsideMac);
    any |= send(server, 1, kServerMac, kInsideMac);
    any |= deliver(engine.to_client, client);
    if (server_is_there) any |= deliver(engine.to_server, server);
    return any;
  }
  bool send(TcpHost& host, PortId port, const MacAddress& from, const MacAddress& to) {
    std::vector<TcpHost::Sent> frames = std::exchange(host.outbox(), {});
    for (TcpHost::Sent& sent : frames) {
      const Packet packet = sent.frame.packet();
      if (tap) tap(host, packet, true);
      EthernetHeader(packet.data).set_src(from);
      EthernetHeader(packet.data).set_dst(to);
      if (&host != &client || client_is_there) engine.inject(port, sent.frame);
    }
    return !frames.empty();
  }
  bool deliver(std::vector<MemoryFrame>& frames, TcpHost& host) {
    const std::vector<MemoryFrame> taken = std::exchange(frames, {});
    for (const MemoryFrame& frame : taken) {
      if (&host == &client && !(client_is_there && client_hears)) continue;
      Frame copy(frame.bytes, frame.offload);
      if (tap) tap(host, copy.packet(), false);
      host.deliver(engine.now(), copy.packet());
    }
    return !taken.empty();
  }

  void hear() {
    while (reads && !engine.to_sockets().empty()) {
      const ByteSpan message = engine.to_sockets().front();
      std::vector<uint8_t> copy(message.begin(), message.end());
      engine.to_sockets().pop();
      hear(copy);
    }
  }
  void hear(std::vector<uint8_t>& message) {
    const StreamHeader header(message.data());
    Heard& socket = sockets[header.socket()];
    switch (message[0]) {
      case AcceptedView::kCode:
      case ConnectedView::kCode: return hear_opened(socket, AcceptedView(message.data()));
      case OpeningView::kCode: last_opened = header.socket(); return;
      case CannotOpenView::kCode: cannot_open = header.reason(); return;
      case DataView::kCode: {
        const ByteSpan bytes = DataView(message.data()).bytes();
        socket.bytes.insert(socket.bytes.end(), bytes.begin(), bytes.end());
        ++socket.data_messages;
        return;
      }
      case EndedView::kCode: socket.ended = true; return;
      case WritableView::kCode: socket.credit += WritableView(message.data()).credit(); return;
      case RoomView::kCode: room += RoomView(message.data()).chunks(); return;
      case HeldView::kCode: socket.held = true; return;
      case SplicedView::kCode:
        socket.spliced = true;
        socket.splice_block = header.reason();
        return;
      case UnrelayedView::kCode:
        socket.relayed = UnrelayedView(message.data()).bytes();
        ++socket.unrelayed;
        return;
      case ClosedView::kCode:
        socket.closed = true;
        socket.end = header.reason();
        return forget(header.socket());
      case TimeWaitView::kCode: time_waits.push_back(message); return;
      case SocketStateView::kCode: socket.state = message; return;
    }
  }
  void hear_opened(Heard& socket, const AcceptedView& opened) {
    const bool accepted = opened.msg_type() == AcceptedView::kCode;
    (accepted ? socket.accepted : socket.connected) = true;
    if (accepted) last_accepted = opened.socket();
    socket.serial = opened.serial();
    socket.remote = opened.remote_ipaddr();
    socket.local = opened.local_ipaddr();
    socket.remote_port = opened.remote_port();
    socket.local_port = opened.local_port();
    socket.vs = static_cast<uint16_t>(opened.vs_id());
    socket.credit = opened.credit();
  }
  void forget(uint32_t socket) {
    const std::vector<uint8_t> said = std::exchange(bytes_, {});
    order<ForgetSocketView>(socket);
    give();
    bytes_ = said;
  }
  // Where its ring is full the engine waits for room to answer: whoever waits has to read.
  void give() {
    while (!engine.from_sockets().push(bytes_)) {
      reads = true;
      hear();
      engine.poll();
    }
    engine.poll();
  }

  Hosts hosts_;
  std::vector<uint8_t> bytes_;
};

// -- what hosts do

inline std::vector<uint8_t> numbered(size_t size, size_t from = 0) {
  std::vector<uint8_t> bytes(size);
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<uint8_t>((from + i) * 31 + ((from + i) >> 9));
  }
  return bytes;
}

inline uint32_t send_from(TcpHost& host, Instant now, ConstByteSpan bytes) {
  return host.call(now, [&](TcpTurn& turn, Connection& c) { return sluice::send(turn, c, bytes); });
}

inline std::vector<uint8_t> receive_at(TcpHost& host, Instant now) {
  std::vector<uint8_t> all;
  std::vector<uint8_t> part(65536);
  while (host.connection() != nullptr) {
    const Received got =
        host.call(now, [&](TcpTurn& turn, Connection& c) { return receive(turn, c, part); });
    host.note(now, got.events);
    all.insert(all.end(), part.begin(), part.begin() + got.bytes);
    if (got.bytes == 0) break;
  }
  return all;
}

inline void shut_at(TcpHost& host, Instant now) {
  host.call(now, [&](TcpTurn& turn, Connection& c) { host.note(now, close_sending(turn, c)); });
}

// The engine ends the client's connection, and the client its own: TIME-WAIT is the engine's.
inline void close_first(SocketLab& lab, uint32_t socket) {
  lab.say<ShutSocketView>(socket);
  lab.pass(Duration::milliseconds(50));
  shut_at(lab.client, lab.engine.now());
  lab.pass(Duration::milliseconds(50));
  SLUICE_CHECK(lab.engine.count(Counter::own_time_wait) == 1);
}

}  // namespace sluice::test
