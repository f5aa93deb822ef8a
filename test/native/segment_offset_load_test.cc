// Offsets of a flow that change again and again under load: whoever changes them brings bytes of
// its own to each side, which stand between those of before and those of behind the change.
#include <doctest/doctest.h>

#include "base/random.h"
#include "bus/signature.h"
#include "support/socket_lab.h"

namespace sluice {
namespace {

using namespace test;

constexpr uint32_t kSerial = 0x01000002;  // made by a control segment
constexpr uint8_t kOffer = TcpFlow::kSack | TcpFlow::kWindowScale;

TestEngineOptions options_of(uint64_t seed) {
  TestEngineOptions options;
  options.seed = seed;
  options.transmitting.delay = Duration::milliseconds(5);
  options.transmitting.jitter = Duration::milliseconds(3);
  options.transmitting.capacity = 4096;
  options.transmitting.loss = 0.02;
  options.transmitting.reorder = 0.02;
  options.transmitting.duplicate = 0.02;
  return options;
}

LabHost host() {
  LabHost host;
  host.config.offer = kOffer;
  return host;
}

class SwitchedTransfer {
 public:
  SwitchedTransfer(const Hosts& hosts, uint64_t seed)
      : random_(seed), hosts_(hosts), lab_(hosts, options_of(seed), 40000, host(), host()) {
    lab_.engine.add_virtual_server(kServiceId, hosts.virtual_server, kServicePort);
    lab_.engine.decide_with(TestEngine::to_endpoint(hosts.server, 8080));
    lab_.tap = [this](const TcpHost& to, const Packet& packet, bool sent) {
      Packet copy = packet;
      if (!sent && to.connection() != nullptr && take_tcp(copy)) check(to, read_segment(copy));
    };
    lab_.client.connect(lab_.engine.now());
    for (int i = 0; i < 200 && !is_open(); ++i) lab_.pass(Duration::milliseconds(50));
    REQUIRE(is_open());
    serial_ = QueryView(lab_.engine.told_of<QueryView>().back().data()).serial();
  }

  void run(int switches) {
    for (int i = 0; i < switches; ++i) {
      for (uint64_t turns = 1 + random_.below(50); turns > 0; --turns) go_on(true);
      change();
      const Instant start = lab_.engine.now();
      Instant past = Instant::never();
      // The next one takes its place once nothing of before is on its way any more.
      while (lab_.engine.now() < past || past == Instant::never()) {
        go_on(true);
        REQUIRE(lab_.engine.now() - start < Duration::seconds(60));
        if (past == Instant::never() && is_past()) {
          past = lab_.engine.now() + Duration::seconds(3);
        }
      }
    }
    for (int i = 0; i < 5000 && !has_all(); ++i) go_on(false);
    CHECK(up_.got == up_.expected);
    CHECK(down_.got == down_.expected);
    CHECK(took_for_sent_ == 0);
    CHECK(lab_.engine.told_of<DeleteView>().empty());
  }

 private:
  // A direction, as its receiver counts.
  struct Way {
    std::vector<uint8_t> expected, got;
    size_t sent = 0;     // by the host
    uint32_t added = 0;  // to its numbers, by bytes of whoever changes the offsets
    Seq from;            // where its own numbers switch
    std::vector<uint8_t> ours;
    Seq ours_at;  // in the receiver's numbers
  };

  bool is_open() const {
    for (const TcpHost* host : {&lab_.client, &lab_.server}) {
      const Connection* c = host->connection();
      if (c == nullptr || c->state() != ConnectionState::established) return false;
    }
    return true;
  }
  // TCPX-24: never is something acknowledged that was not sent.
  void check(const TcpHost& to, const TcpSegment& segment) {
    if (segment.has(kTcpAck) && segment.ack > to.connection()->flow->snd_nxt) ++took_for_sent_;
  }

  void go_on(bool sends) {
    if (sends) {
      send(lab_.client, up_);
      send(lab_.server, down_);
    }
    bring(lab_.server, up_, hosts_.client, 40000, hosts_.server, 8080);
    bring(lab_.client, down_, hosts_.virtual_server, kServicePort, hosts_.client, 40000);
    lab_.pass(Duration::milliseconds(4));
    take(lab_.server, up_);
    take(lab_.client, down_);
  }
  void send(TcpHost& host, Way& way) {
    const std::vector<uint8_t> bytes = numbered(random_.below(600), way.sent);
    const uint32_t sent = send_from(host, lab_.engine.now(), bytes);
    way.expected.insert(way.expected.end(), bytes.begin(), bytes.begin() + sent);
    way.sent += sent;
  }
  void take(TcpHost& host, Way& way) {
    const std::vector<uint8_t> got = receive_at(host, lab_.engine.now());
    way.got.insert(way.got.end(), got.begin(), got.end());
  }
  // Our bytes, straight to the receiver, until it has them.
  void bring(TcpHost& to, Way& way, const IpAddress& src, L4Port src_port, const IpAddress& dst,
             L4Port dst_port) {
    const Connection& c = *to.connection();
    if (way.ours.empty()) return;
    const Seq end = way.ours_at + static_cast<uint32_t>(way.ours.size());
    if (c.flow->rcv_nxt >= end) return way.ours.clear();
    Frame frame = PacketBuilder()
                      .ip(src, dst)
                      .tcp(src_port, dst_port, kTcpAck)
                      .seq(way.ours_at.raw())
                      .ack(c.snd_una.raw())
                      .window(static_cast<uint16_t>(c.snd_wnd >> c.flow->snd_wscale()))
                      .payload(way.ours)
                      .build();
    to.deliver(lab_.engine.now(), frame.parsed());
  }

  void change() {
    lab_.settle();
    const StateView seen = ask();
    up_.from = Seq(seen.tcps().c_nxt());
    down_.from = Seq(seen.tcps().s_nxt()) - down_.added;  // as the server counts
    up_.ours_at = up_.from + up_.added;
    down_.ours_at = down_.from + down_.added;
    add_to(lab_.client, up_);
    add_to(lab_.server, down_);
    lab_.engine.tell(new_flow());
    serial_ = kSerial;
  }
  // What the engine has seen of the flow: its answer to a TIMEOUT of one that is alive.
  StateView ask() {
    TestEngine::Bytes bytes(TimeoutView::kSize);
    TimeoutView message(bytes.data());
    message.set_msg_type(TimeoutView::kCode);
    message.set_serial(serial_);
    store_signature(message.sig(), key());
    message.set_idle_secs(60);
    lab_.engine.tell(bytes);
    state_ = lab_.engine.told_of<StateView>().back();
    return StateView(state_.data());
  }
  // Bytes of ours, before those of the sender's that the engine has not seen.
  void add_to(const TcpHost& sender, Way& way) {
    const Connection& c = *sender.connection();
    const int32_t behind = c.snd_una + c.send_queue.size - way.from;
    way.ours = std::vector<uint8_t>(random_.below(2) * (1 + random_.below(1000)), 0xaa);
    way.expected.insert(way.expected.end() - behind, way.ours.begin(), way.ours.end());
    way.added += static_cast<uint32_t>(way.ours.size());
  }
  bool is_past() const {
    return up_.ours.empty() && down_.ours.empty() && lab_.client.connection()->snd_una > up_.from &&
           lab_.server.connection()->snd_una > down_.from;
  }
  bool has_all() const {
    return up_.got.size() >= up_.expected.size() && down_.got.size() >= down_.expected.size();
  }

  FlowKey key() const {
    return SocketLab::key(hosts_.client, 40000, hosts_.virtual_server, kServicePort);
  }
  TestEngine::Bytes new_flow() const {
    TestEngine::Bytes bytes(NewFlowView::kSize);
    NewFlowView message(bytes.data());
    message.set_msg_type(NewFlowView::kCode);
    message.set_serial(kSerial);
    message.set_flags(SsmbFlags::route_by_dst | SsmbFlags::add_tcp_offsets);
    store_signature(message.sig(), key());
    XlatView xlat = message.xlat();
    xlat.set_xlat_dst_ipaddr(hosts_.server);
    xlat.set_xlat_dst_port(8080);
    xlat.set_xlat_mask(XlatMask::dst_addr | XlatMask::dst_port | XlatMask::dec_ttl);
    xlat.set_seq_offset(up_.added);
    xlat.set_ack_offset(0 - down_.added);
    xlat.set_vs_id(kServiceId);
    xlat.set_node_id(1);
    return bytes;
  }

  Random random_;
  const Hosts& hosts_;
  SocketLab lab_;
  Way up_, down_;
  TestEngine::Bytes state_;
  uint32_t serial_ = 0;
  int took_for_sent_ = 0;
};

TEST_CASE("DFSMSG-04 TCPX-23 TCPX-24 offsets change under load, and no byte is lost or moved") {
  for (const Hosts& hosts : both_families()) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      CAPTURE(hosts.family);
      CAPTURE(seed);
      SwitchedTransfer(hosts, seed).run(3);
    }
  }
}

}  // namespace
}  // namespace sluice
