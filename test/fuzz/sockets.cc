// A whole segment that ends connections and flows of UDP: a client and a server of a real TCP
// around it, frames that get lost or are forged, sockets that say anything. Whatever comes: every
// packet has one fate, no side's bytes change on their way, and in the end nothing is left of any
// connection.
//
// Input: a configuration U8 (bit 0 IPv6, bits 1 and 2 the policy for SYN cookies), then steps of an
// operation U8, a size U8 and that many bytes (fewer at the end). Operation modulo 15: 0 the client
// connects, 1 sends, 2 reads, 3 closes, 4 aborts; 5 an order of a socket; 6 a socket opens a
// connection; 7 the server sends, closes, aborts or reads; 8 time passes; 9 the client's link is
// cut or mended, or sockets read no more; 10 a message as it is; 11 a forged segment near the
// client's numbers or the server's; 12 a host sends datagrams; 13 a socket of UDP is opened; 14 an
// ICMP error about a datagram.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "support/icmp_error.h"
#include "support/input.h"
#include "support/packet_builder.h"
#include "support/socket_lab.h"

namespace {

using namespace sluice;
using namespace sluice::test;

TestEngineOptions small_engine(uint8_t configuration) {
  TestEngineOptions options;
  options.syn_cookies = static_cast<SynCookiePolicy>((configuration >> 1 & 3) % 3);
  options.limits.flows = 8;
  options.limits.connections = 4;
  options.limits.time_waits = 4;
  options.limits.buffer_bytes = 128 << 10;
  options.limits.stream_bytes = 256 << 10;  // any message finds room in an empty ring
  options.timeouts.time_wait = Duration::seconds(20);
  return options;
}

class Campaign {
 public:
  explicit Campaign(uint8_t configuration)
      : hosts_(both_families()[configuration & 1]), lab_(hosts_, small_engine(configuration)) {
    lab_.engine.add_virtual_server(8, hosts_.virtual_server, kNamePort, kProtocolUdp,
                                   VsFlags::terminate);
  }

  void step(uint8_t operation, Input input) {
    switch (operation % 15) {
      case 0: connect(); break;
      case 1: send(lab_.client, input.next16()); break;
      case 2: read(lab_.client); break;
      case 3:
        call(lab_.client, [](TcpTurn& turn, Connection& c) { return close_sending(turn, c); });
        break;
      case 4: call(lab_.client, [](TcpTurn& turn, Connection& c) { return abort(turn, c); }); break;
      case 5: order(input); break;
      case 6: open(input); break;
      case 7: server(input); break;
      case 8: lab_.pass(Duration::milliseconds(input.next() * (input.next() & 1 ? 50 : 1))); break;
      case 9: cut(input.next()); break;
      case 10: raw(input); break;
      case 11: forge(input); break;
      case 12: datagrams(input); break;
      case 13: open_datagrams(input); break;
      case 14: datagram_error(input); break;
    }
    lab_.settle();
    SLUICE_CHECK(lab_.engine.balanced());
    SLUICE_CHECK(lab_.engine.count(Counter::connections) <= 4);
    SLUICE_CHECK(lab_.engine.count(Counter::sockets) <= 8);
    SLUICE_CHECK(lab_.engine.count(Counter::datagram_sockets) <= 8);
    SLUICE_CHECK(lab_.engine.count(Counter::stream_buffers) <= 128 << 10);
  }

  // Everybody goes home, and whatever TCP and the limits allow to stay goes with time.
  void finish() {
    lab_.reads = lab_.client_is_there = true;
    lab_.settle();
    for (TcpHost* host : {&lab_.client, &lab_.server}) {
      call(*host, [](TcpTurn& turn, Connection& c) { return abort(turn, c); });
    }
    for (const auto& [id, socket] : known()) lab_.say<AbortSocketView>(id);
    lab_.pass(Duration::seconds(1));
    for (int i = 0; i < 400 && !lab_.left().empty(); ++i) {
      lab_.engine.run(Duration::seconds(1));
      lab_.settle();
    }
    const std::string left = lab_.left();
    if (!left.empty())
      std::fprintf(stderr, "left behind: %s\n%s\n", left.c_str(), lab_.engine.figures().c_str());
    SLUICE_CHECK(left.empty());
    const std::string more = lab_.engine.settle();
    if (!more.empty()) std::fprintf(stderr, "left behind: %s\n", more.c_str());
    SLUICE_CHECK(more.empty());
  }

 private:
  std::map<uint32_t, Heard> known() const { return lab_.sockets; }

  template <class Call>
  void call(TcpHost& host, Call what) {
    if (host.connection() == nullptr) return;
    host.call(lab_.engine.now(),
              [&](TcpTurn& turn, Connection& c) { host.note(lab_.engine.now(), what(turn, c)); });
  }
  void connect() {
    const bool free =
        lab_.client.connection() == nullptr && lab_.client.flow().state == ConnectionState::closed;
    if (free) lab_.connect();
  }
  void send(TcpHost& host, uint16_t size) {
    if (host.connection() == nullptr) return;
    const std::vector<uint8_t> bytes(size, 0x5a);
    host.call(lab_.engine.now(),
              [&](TcpTurn& turn, Connection& c) { sluice::send(turn, c, bytes); });
  }
  void read(TcpHost& host) {
    std::vector<uint8_t> bytes(65536);
    if (host.connection() == nullptr) return;
    const Received got = host.call(
        lab_.engine.now(), [&](TcpTurn& turn, Connection& c) { return receive(turn, c, bytes); });
    for (uint32_t i = 0; i < got.bytes; ++i) SLUICE_CHECK(bytes[i] == 0x5a);
    host.note(lab_.engine.now(), got.events);
  }
  void server(Input& input) {
    switch (input.next() & 3) {
      case 0: return send(lab_.server, input.next16());
      case 1: return read(lab_.server);
      case 2:
        return call(lab_.server,
                    [](TcpTurn& turn, Connection& c) { return close_sending(turn, c); });
      case 3: return call(lab_.server, [](TcpTurn& turn, Connection& c) { return abort(turn, c); });
    }
  }

  // One that was heard of, or may never have been.
  uint32_t socket(uint8_t choice) const {
    if (choice >= 250 || lab_.sockets.empty()) return choice;
    auto at = lab_.sockets.begin();
    std::advance(at, choice % lab_.sockets.size());
    return at->first;
  }
  void order(Input& input) {
    const uint32_t id = socket(input.next());
    switch (input.next() % 12) {
      case 0: {
        // What a real socket holds to: no more than there is credit for; sometimes not even that.
        const uint64_t credit = lab_.sockets[id].credit;
        const size_t size = input.next() < 250 ? std::min<uint64_t>(credit, input.next16()) : 60000;
        const std::vector<uint8_t> bytes(size, 0x5a);
        if (size > 0) lab_.write(id, bytes);
        return;
      }
      case 1: return lab_.read(id, input.next16());
      case 2: return lab_.say<ShutSocketView>(id);
      case 3: return lab_.say<CloseSocketView>(id);
      case 4: return lab_.say<AbortSocketView>(id);
      case 5: return lab_.say<HoldSocketView>(id);
      case 6: return relay(id, input);
      case 7: return lab_.say<UnrelaySocketView>(id);
      case 8: return lab_.say<AskSocketView>(id);
      case 9: {
        SetSocketView set = lab_.order<SetSocketView>(id);
        set.set_option(input.next() & 7);
        set.set_value(input.next());
        return lab_.say();
      }
      case 10: return lab_.say<ForgetSocketView>(id);
      case 11: return keep(input);
    }
  }
  void relay(uint32_t id, Input& input) {
    RelaySocketView relay = lab_.order<RelaySocketView>(id);
    relay.set_target(socket(input.next()));
    relay.set_headroom(input.next16());
    const uint8_t how = input.next();
    relay.set_ends(how & 1);
    relay.set_count(how >> 1 & 3);
    relay.set_bytes(how >> 3);
    relay.set_depth(input.next() & 3);
    lab_.say();
  }
  void keep(Input& input) {
    if (lab_.time_waits.empty()) return;
    const TimeWaitView told(lab_.time_waits[input.next() % lab_.time_waits.size()].data());
    const uint32_t entry = told.entry(), serial = told.serial();
    KeepTimeWaitView keep = lab_.order<KeepTimeWaitView>(0);
    keep.set_entry(input.next() < 250 ? entry : input.next16());
    keep.set_serial(serial);
    keep.set_keep_ms(input.next16());
    lab_.say();
  }
  void open(Input& input) {
    const uint8_t choice = input.next();
    const IpAddress to = choice < 200   ? hosts_.server
                         : choice < 230 ? hosts_.virtual_server
                                        : hosts_.engine;
    lab_.open(choice & 1 ? socket(input.next()) : 0, to, 8080, (choice & 2) != 0);
  }

  void cut(uint8_t choice) {
    if (choice & 1)
      lab_.client_is_there = (choice & 2) != 0;
    else
      lab_.reads = (choice & 2) != 0;
  }
  void raw(const Input& input) {
    const std::vector<uint8_t> bytes = input.bytes();
    if (!bytes.empty() && lab_.engine.from_sockets().push(bytes)) lab_.engine.poll();
  }
  // Of the client or the server, with the timestamps of its connection or without.
  void forge(Input& input) {
    PacketBuilder packet;
    const uint8_t flags = input.next();
    const auto seq = static_cast<int8_t>(input.next()), ack = static_cast<int8_t>(input.next());
    packet.window(input.next16()).payload(std::vector<uint8_t>(input.next(), 0x5a));
    const uint8_t choice = input.next();
    const bool by_server = (choice & 1) != 0;
    TcpHost& host = by_server ? lab_.server : lab_.client;
    const Seq acked = host.flow().rcv_nxt + ack;
    by_server ? packet.ip(hosts_.server, hosts_.client).tcp(8080, 40000, flags)
              : packet.ip(hosts_.client, hosts_.virtual_server).tcp(40000, kServicePort, flags);
    packet.seq((host.flow().snd_nxt + seq).raw()).ack(acked.raw());
    if (const Connection* c = host.connection(); c != nullptr && (choice & 2) != 0) {
      packet.timestamps(Tcp::timestamp(c->ts_offset, lab_.engine.now()), c->flow->ts_recent);
    }
    if (choice & 4) packet.sack({(acked + input.next()).raw(), (acked + input.next()).raw()});
    by_server ? lab_.engine.from_server(packet) : lab_.engine.from_client(packet);
  }

  // Of one of four ports, alone or as a super-packet.
  void datagrams(Input& input) {
    const uint8_t choice = input.next();
    const auto port = static_cast<L4Port>(50000 + (choice & 3));
    const bool asks = (choice & 4) != 0;
    PacketBuilder packet;
    packet.ip(asks ? hosts_.client : hosts_.server, asks ? hosts_.virtual_server : hosts_.client);
    packet.udp(asks ? port : L4Port{8053}, asks ? kNamePort : port).payload(input.next16() % 3000);
    if (choice & 8) packet.gso(1 + input.next());
    asks ? lab_.engine.from_client(packet) : lab_.engine.from_server(packet);
  }
  void open_datagrams(Input& input) {
    const uint32_t inbound = socket(input.next());
    OpenSocketView open = lab_.order<OpenSocketView>(input.next() & 1 ? inbound : 0);
    open.set_protocol(kProtocolUdp);
    open.set_dst_ipaddr(input.next() < 250 ? hosts_.server : hosts_.virtual_server);
    open.set_dst_port(8053);
    if (input.next() & 1) {
      open.set_src_ipaddr(lab_.sockets[inbound].remote);
      open.set_src_port(lab_.sockets[inbound].remote_port);
    }
    lab_.say();
  }
  void datagram_error(Input& input) {
    const uint8_t choice = input.next();
    const bool v4 = hosts_.client.is_v4();
    PacketBuilder sent;
    sent.ip(hosts_.client, hosts_.server).udp(static_cast<L4Port>(50000 + (choice & 3)), 8053);
    const uint8_t port = v4 ? kIcmpPortUnreachable : kIcmpv6PortUnreachable;
    lab_.engine.from_server(icmp_error(hosts_.server, hosts_.client,
                                       v4 ? kIcmpUnreachable : kIcmpv6Unreachable,
                                       choice & 4 ? port : 0, 0, ip_bytes(sent.payload(20))));
  }

  static constexpr L4Port kNamePort = 53;

  Hosts hosts_;
  SocketLab lab_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Campaign campaign(data[0]);
  for (++data, --size; size > 2;) {
    const size_t taken = std::min<size_t>(data[1], size - 2);
    campaign.step(data[0], Input(data + 2, taken));
    data += 2 + taken;
    size -= 2 + taken;
  }
  campaign.finish();
  return 0;
}
