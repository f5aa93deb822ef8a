// A relay: two connections of one TCP, whose bytes go from one's receive buffer to the other's send
// buffer in the pass that made room for them.
#include <doctest/doctest.h>

#include <array>
#include <map>
#include <vector>

#include "support/tcp_rules.h"

namespace sluice {
namespace {

using namespace test;

constexpr uint32_t kHeadroom = 1000;

FlowKey key_to(const char* src, L4Port src_port, const char* dst, L4Port dst_port) {
  FlowKey key;
  key.src = ip(src);
  key.dst = ip(dst);
  key.src_port = src_port;
  key.dst_port = dst_port;
  key.protocol = kProtocolTcp;
  return key;
}

uint8_t byte_at(uint64_t offset) { return static_cast<uint8_t>(offset * 31 + (offset >> 9)); }

// Leg 0 is the client's, which connects; leg 1 the server's, to which the relay connects.
class Relay : public SegmentSink {
 public:
  explicit Relay(uint64_t buffer_bytes)
      : tcp_({4, 4, 4096, 256, buffer_bytes}, relay_config(), 1),
        client_(TcpLimits{}, TcpConfig{}, 2, keys_[0].reversed(), {}),
        server_(TcpLimits{}, TcpConfig{}, 3, keys_[1], {}) {
    server_.listen();
    client_.connect(now_);
    TcpTurn turn = this->turn();
    legs_[1] = open_connection(turn, flows_[1], 1, keys_[1], {});
    settle();
    REQUIRE(legs_[0] != nullptr);
    REQUIRE(legs_[0]->state() == ConnectionState::established);
    REQUIRE(legs_[1]->state() == ConnectionState::established);
  }

  TcpHost& host(size_t leg) { return leg == 0 ? client_ : server_; }
  Connection* leg(size_t index) { return legs_[index]; }
  Tcp& tcp() { return tcp_; }
  uint64_t pushes() const { return pushes_; }

  // Carries everything that is due, with nothing lost and no time but what timers need.
  void settle() {
    while (exchange()) {
    }
  }
  void pass(Duration span) {
    const Instant until = now_ + span;
    for (Instant next = this->next(); next <= until; next = this->next()) {
      now_ = next;
      for (size_t side : {0, 1}) {
        if (host(side).next_deadline() <= now_) host(side).run_timers(now_);
        if (legs_[side] != nullptr && deadline(*legs_[side]) <= now_) expire(side);
      }
      settle();
    }
    now_ = until;
  }
  Instant now() const { return now_; }

  void send(LegIndex leg, const OutgoingSegment& segment) override {
    const FlowKey key = leg == 0 ? keys_[0].reversed() : keys_[1];
    outbox_.push_back({leg, tcp_frame(key, segment)});
  }

 private:
  static TcpConfig relay_config() {
    TcpConfig config;
    config.most_share = 65536;
    return config;
  }
  TcpTurn turn() { return {tcp_, *this, now_}; }
  Instant next() {
    Instant at = std::min(client_.next_deadline(), server_.next_deadline());
    for (Connection* leg : legs_) {
      if (leg != nullptr) at = std::min(at, deadline(*leg));
    }
    return at;
  }
  void expire(size_t side) {
    TcpTurn turn = this->turn();
    if (timers_expire(turn, *legs_[side]).has(TcpEvents::kReleased)) legs_[side] = nullptr;
  }

  bool exchange() {
    bool any = false;
    for (const size_t side : {0, 1}) {
      for (TcpHost::Sent& sent : std::exchange(host(side).outbox(), {})) {
        any = true;
        arrives(side, sent.frame);
      }
    }
    for (auto& [leg, frame] : std::exchange(outbox_, {})) {
      any = true;
      host(leg).deliver(now_, frame.packet());
    }
    return any;
  }

  void arrives(size_t side, Frame& frame) {
    Packet packet = frame.packet();
    REQUIRE(take_tcp(packet));
    const TcpSegment segment = read_segment(packet);
    TcpTurn turn = this->turn();
    if (side == 0 && legs_[0] == nullptr) {
      legs_[0] = syn_arrives(turn, flows_[0], 0, keys_[0].reversed(), {}, segment);
      return;
    }
    if (legs_[side] == nullptr) return;
    const TcpEvents events = segment_arrives(turn, *legs_[side], segment);
    if (events.has(TcpEvents::kReleased)) legs_[side] = nullptr;
    follow(side, events);
  }

  // What a pair in relay does in the pass of the segment: bytes that came go on, room that an ACK
  // made is filled, an end is passed on when its bytes are (BUF-01, BUF-03).
  void follow(size_t side, TcpEvents events) {
    if (events.has(TcpEvents::kReadable | TcpEvents::kPeerClosed)) push_from(side);
    if (events.has(TcpEvents::kWritable)) push_from(1 - side);
  }
  void push_from(size_t side) {
    if (legs_[side] == nullptr || legs_[1 - side] == nullptr) return;
    TcpTurn turn = this->turn();
    const bool closed = legs_[side]->fin_received;
    const Received pushed = push(turn, *legs_[side], *legs_[1 - side], kHeadroom);
    if (pushed.bytes > 0) ++pushes_;
    const bool ended = closed && (pushed.events.has(TcpEvents::kReleased) || at_end(*legs_[side]));
    if (pushed.events.has(TcpEvents::kReleased)) legs_[side] = nullptr;
    if (!ended) return;
    if (close_sending(turn, *legs_[1 - side]).has(TcpEvents::kReleased)) legs_[1 - side] = nullptr;
  }

  const std::array<FlowKey, 2> keys_ = {key_to("192.0.2.10", 40000, "192.0.2.100", 80),
                                        key_to("10.1.0.1", 50000, "10.1.0.11", 8080)};
  Instant now_ = Instant::from_nanoseconds(1'000'000'000);
  Tcp tcp_;
  std::array<TcpFlow, 2> flows_;
  std::array<Connection*, 2> legs_{};
  std::vector<std::pair<LegIndex, Frame>> outbox_;
  TcpHost client_, server_;
  uint64_t pushes_ = 0;
};

// A user at one end: writes what it can, reads what it likes.
class End {
 public:
  End(Relay& relay, size_t side) : relay_(relay), host_(relay.host(side)) {}

  uint64_t write(uint64_t total) {
    std::vector<uint8_t> bytes(16384);
    while (host_.connection() != nullptr && written_ < total) {
      const auto size = std::min<uint64_t>(bytes.size(), total - written_);
      for (size_t i = 0; i < size; ++i) bytes[i] = byte_at(written_ + i);
      const uint32_t queued = host_.call(relay_.now(), [&](TcpTurn& turn, Connection& c) {
        return sluice::send(turn, c, ConstByteSpan(bytes).first(size));
      });
      if (queued == 0) break;
      written_ += queued;
      relay_.settle();
    }
    return written_;
  }
  uint64_t read() {
    std::vector<uint8_t> bytes(16384);
    while (host_.connection() != nullptr) {
      const Received got = host_.call(
          relay_.now(), [&](TcpTurn& turn, Connection& c) { return receive(turn, c, bytes); });
      host_.note(relay_.now(), got.events);
      uint32_t wrong = 0;
      for (uint32_t i = 0; i < got.bytes; ++i) wrong += bytes[i] != byte_at(read_ + i);
      REQUIRE(wrong == 0);
      read_ += got.bytes;
      relay_.settle();
      if (got.bytes == 0) break;
    }
    return read_;
  }
  void shut() {
    host_.call(relay_.now(), [this](TcpTurn& turn, Connection& c) {
      host_.note(relay_.now(), close_sending(turn, c));
    });
    relay_.settle();
  }

 private:
  Relay& relay_;
  TcpHost& host_;
  uint64_t written_ = 0;
  uint64_t read_ = 0;
};

TEST_CASE(
    "BUF-01 BUF-02 BUF-03 BUF-09 a relay pushes bytes in the pass that makes room, either way") {
  for (const size_t from : {0, 1}) {
    CAPTURE(from);
    Relay relay(1 << 20);
    End sender(relay, from), receiver(relay, 1 - from);
    constexpr uint64_t kBytes = 3'000'000;
    uint64_t got = 0;
    for (int i = 0; i < 10'000 && got < kBytes; ++i) {
      if (sender.write(kBytes) == kBytes && i > 0) relay.pass(Duration::milliseconds(50));
      relay.pass(Duration::milliseconds(1));
      got = receiver.read();
    }
    CHECK(got == kBytes);
    CHECK(relay.pushes() > 100);
  }
}

TEST_CASE(
    "BUF-05 BUF-06 BUF-07 BUF-08 BUF-17 who does not read stops the sender, and memory is "
    "bounded") {
  for (const size_t from : {0, 1}) {
    CAPTURE(from);
    Relay relay(1 << 20);
    End sender(relay, from), receiver(relay, 1 - from);
    constexpr uint64_t kBytes = 20'000'000;
    uint64_t before = 1, written = 0;
    while (written != before) {
      before = written;
      written = sender.write(kBytes);
      relay.pass(Duration::seconds(5));
    }
    // The send buffer of the far leg is full but for the headroom, the receive buffer behind it
    // full, and the sender sees a closed window.
    REQUIRE(written < kBytes);
    CHECK(relay.leg(1 - from)->send_queue.size <= 65536 - kHeadroom);
    CHECK(relay.leg(1 - from)->send_queue.size > 65536 - kHeadroom - 2000);
    CHECK(relay.leg(from)->receive_queue.size > 60000);
    CHECK(relay.host(from).connection()->snd_wnd == 0);
    CHECK(relay.tcp().buffers.chunks_in_use() <= relay.tcp().buffers.chunks());
    const uint32_t chunks = relay.tcp().buffers.chunks_in_use();
    relay.pass(Duration::seconds(300));
    CHECK(relay.tcp().buffers.chunks_in_use() == chunks);
    // Resumes by itself.
    for (int i = 0; i < 100 && receiver.read() < written; ++i) relay.pass(Duration::seconds(1));
    CHECK(receiver.read() == written);
    CHECK(sender.write(kBytes) > written);
  }
}

TEST_CASE("PROXY-13 PROXY-14 an end goes on behind the last byte, and both legs close") {
  Relay relay(1 << 20);
  End client(relay, 0), server(relay, 1);
  client.write(1000);
  client.shut();
  relay.pass(Duration::milliseconds(500));
  CHECK(server.read() == 1000);
  CHECK(at_end(*relay.host(1).connection()));
  server.write(50'000);
  server.shut();
  relay.pass(Duration::seconds(2));
  CHECK(client.read() == 50'000);
  relay.pass(Duration::seconds(1));
  CHECK(relay.leg(0) == nullptr);
  CHECK(relay.leg(1) == nullptr);
  CHECK(pools_are_empty(relay.tcp()));
}

TEST_CASE(
    "BUF-13 BUF-14 bytes that move one by one take no more memory than those that move at once") {
  BufferPool pool(4);
  ByteQueue from, to;
  const std::vector<uint8_t> bytes(3000, 7);
  REQUIRE(pool.append(from, bytes) == 3000);
  for (int i = 0; i < 3000; ++i) REQUIRE(pool.move(from, to, 1) == 1);
  CHECK(from.empty());
  CHECK(to.size == 3000);
  CHECK(pool.chunks_in_use() == 2);
  std::vector<uint8_t> read(3000);
  CHECK(pool.peek(to, read) == 3000);
  CHECK(read == bytes);
  pool.clear(to);
  CHECK(pool.chunks_in_use() == 0);
}

TEST_CASE("BUF-14 BUF-15 the share falls with the number of active connections, to its floor") {
  TcpConfig config;
  config.least_share = 8192;
  config.most_share = 1 << 20;
  Tcp tcp({64, 64, 64, 64, 4 << 20}, config, 1);
  CHECK(tcp.share() == 1 << 20);
  tcp.active = 8;
  CHECK(tcp.share() == (4 << 20) / 2 / 8);
  tcp.active = 100'000;
  CHECK(tcp.share() == 8192);
}

TEST_CASE("BUF-12 windows for so many connections are the same however many are active") {
  TcpConfig config;
  config.least_share = 8192;
  config.windows_for = 32;
  Tcp tcp({64, 64, 64, 64, 4 << 20}, config, 1);
  for (const uint32_t active : {0U, 1U, 8U, 64U}) {
    tcp.active = active;
    CHECK(tcp.share() == (4 << 20) / 2 / 32);
  }
}

}  // namespace
}  // namespace sluice
