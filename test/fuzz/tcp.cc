// A TCP in any of its states, and any segments, calls and times from there on. Whatever comes: what
// it remembers fits together, what it sends is sound and breaks no rule, and in the end nothing is
// left in its pools.
//
// Input: a configuration U8 (bits 0-2 options offered, 3 active open, 4 super-packets, 5 small
// pools, 6 ECN, 7 IPv6), then steps. A step is an operation U8 and its arguments; what is missing
// at the end is zero. 0: any segment (see arbitrary_segment). 1: the peer's next data. 2: an ACK of
// so much. 3: time. 4: write. 5: read. 6: shut down, close or abort. 7: the rest.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/check.h"
#include "support/packet_builder.h"
#include "support/tcp_rules.h"

namespace {

using namespace sluice;
using namespace sluice::test;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), left_(size) {}

  bool done() const { return left_ == 0; }
  uint8_t u8() {
    if (left_ == 0) return 0;
    --left_;
    return *at_++;
  }
  uint16_t u16() { return static_cast<uint16_t>(u8() << 8 | u8()); }
  // Most of what matters lies near.
  uint32_t near() {
    return static_cast<uint32_t>(static_cast<int32_t>(static_cast<int16_t>(u16())));
  }

 private:
  const uint8_t* at_;
  size_t left_;
};

class Campaign {
 public:
  Campaign(Input& input, uint8_t configuration) : input_(input) {
    TcpConfig config;
    config.offer = configuration & 7;
    config.most_share = (configuration & 32) != 0 ? 8192 : 262144;
    config.quick_acks = 2;
    if ((configuration & 64) != 0) config.ecn = EcnMode::ask;
    TcpLimits limits{2, 2, 256, 64, 1 << 20};
    if ((configuration & 32) != 0) limits = {1, 1, 3, 2, 16384};
    TcpPath path;
    path.gso_limit = (configuration & 16) != 0 ? 65535 - 120 : 0;
    const bool v4 = (configuration & 128) == 0;
    key_.src = v4 ? ip("192.0.2.10") : ip("2001:db8::10");
    key_.dst = v4 ? ip("192.0.2.100") : ip("2001:db8::100");
    key_.src_port = 40000;
    key_.dst_port = 80;
    key_.protocol = kProtocolTcp;
    host_ = std::make_unique<TcpHost>(limits, config, 1, key_, path);
    rules_.scales_both = true;
    if ((configuration & 8) != 0) {
      host_->connect(now_);
    } else {
      host_->listen();
    }
    handshake((configuration & 8) != 0, config.offer);
  }

  void step() {
    switch (input_.u8() % 8) {
      case 0: arbitrary_segment(); break;
      case 1: next_data(); break;
      case 2: next_ack(); break;
      case 3: pass(Duration::milliseconds(input_.u16())); break;
      case 4: write(input_.u16()); break;
      case 5: read(input_.u16()); break;
      case 6: end(input_.u8()); break;
      default: rest(input_.u8()); break;
    }
    settle();
  }

  void finish() {
    if (host_->connection() != nullptr) {
      host_->call(now_,
                  [this](TcpTurn& turn, Connection& c) { host_->note(now_, abort(turn, c)); });
    }
    SLUICE_CHECK(pools_are_empty(host_->tcp()));
  }

 private:
  // So that every input begins beyond the handshake; segments from here on may begin another.
  void handshake(bool active, uint8_t offer) {
    settle();
    PacketBuilder syn = segment(active ? kTcpSyn | kTcpAck : kTcpSyn, Seq(1000));
    syn.ack(host_->flow().snd_nxt.raw()).mss(1460);
    if ((offer & TcpFlow::kSack) != 0) syn.nop().nop().sack_permitted();
    if ((offer & TcpFlow::kTimestamps) != 0) syn.nop().nop().timestamps(1, timestamp());
    if ((offer & TcpFlow::kWindowScale) != 0) syn.nop().window_scale(3);
    deliver(syn);
    if (!active)
      deliver(stamped(segment(kTcpAck, host_->flow().rcv_nxt).ack(host_->flow().snd_nxt.raw())));
    settle();
  }

  PacketBuilder segment(uint8_t flags, Seq seq) const {
    PacketBuilder builder;
    builder.ip(key_.src, key_.dst).tcp(key_.src_port, key_.dst_port, flags).seq(seq.raw());
    return builder;
  }
  uint32_t timestamp() { return static_cast<uint32_t>(now_.nanoseconds() / 1'000'000); }
  PacketBuilder stamped(PacketBuilder builder) {
    if (host_->flow().agreed(TcpFlow::kTimestamps)) {
      builder.nop().nop().timestamps(host_->flow().ts_recent, timestamp());
    }
    return builder;
  }
  Seq snd_una() const {
    return host_->connection() != nullptr ? host_->connection()->snd_una : host_->flow().snd_nxt;
  }

  void arbitrary_segment() {
    const uint8_t flags = input_.u8();
    PacketBuilder builder = segment(flags, host_->flow().rcv_nxt + input_.near());
    builder.ack((snd_una() + input_.near()).raw()).window(input_.u16());
    const uint8_t options = input_.u8();
    builder.ecn(options >> 6);
    if ((flags & kTcpSyn) != 0 && (options & 1) != 0) builder.mss(input_.u16());
    if ((flags & kTcpSyn) != 0 && (options & 2) != 0) builder.window_scale(input_.u8());
    if ((options & 4) != 0) {
      builder.timestamps(host_->flow().ts_recent + input_.near(), timestamp() + input_.near());
    }
    if ((options & 8) != 0 && (flags & kTcpSyn) == 0) {
      const Seq a = snd_una() + input_.near(), b = a + input_.near();
      if ((options & 16) != 0) {
        builder.sack({a.raw(), b.raw()});
      } else {
        const Seq c = snd_una() + input_.near();
        builder.sack({a.raw(), b.raw(), c.raw(), (c + input_.near()).raw()});
      }
    }
    builder.payload((options & 32) != 0 ? input_.u16() % 9000 : input_.u8());
    deliver(builder);
  }
  void next_data() {
    const size_t size = input_.u16() % 3000;
    const uint32_t gap = input_.u8() % 4 * 500;
    deliver(
        stamped(segment(kTcpAck, host_->flow().rcv_nxt + gap).ack(snd_una().raw()).payload(size)));
  }
  void next_ack() {
    const uint32_t flight = host_->connection() != nullptr ? host_->connection()->flight() : 0;
    const uint32_t bytes = flight == 0 ? 0 : input_.u16() % (flight + 1);
    const uint16_t window = input_.u16();
    deliver(stamped(
        segment(kTcpAck, host_->flow().rcv_nxt).ack((snd_una() + bytes).raw()).window(window)));
  }

  void deliver(const PacketBuilder& builder) {
    Frame frame = builder.build();
    host_->deliver(now_, frame.packet());
    settle();
  }
  void pass(Duration span) {
    const Instant until = now_ + span;
    for (int i = 0; i < 10000 && host_->next_deadline() <= until; ++i) {
      now_ = std::max(now_, host_->next_deadline());
      host_->run_timers(now_);
      // A deadline that is not in the future would be a loop of the worker's.
      SLUICE_CHECK(host_->next_deadline() > now_);
      settle();
    }
    now_ = std::max(now_, until);
  }
  void write(size_t size) {
    if (host_->connection() == nullptr) return;
    const std::vector<uint8_t> bytes(size, 7);
    host_->call(now_, [&bytes](TcpTurn& turn, Connection& c) { return send(turn, c, bytes); });
  }
  void read(size_t size) {
    if (host_->connection() == nullptr) return;
    std::vector<uint8_t> bytes(size);
    const Received got = host_->call(
        now_, [&bytes](TcpTurn& turn, Connection& c) { return receive(turn, c, bytes); });
    host_->note(now_, got.events);
  }
  void end(uint8_t how) {
    if (host_->connection() == nullptr) return;
    host_->call(now_, [this, how](TcpTurn& turn, Connection& c) {
      if (how % 8 == 7) return host_->note(now_, abort(turn, c));
      host_->note(now_, how % 2 == 0 ? close_sending(turn, c) : close(turn, c));
    });
  }
  void rest(uint8_t what) {
    if (what % 3 == 0) pass(Duration::seconds(input_.u16()));
    if (what % 3 == 1) host_->too_big(now_, snd_una() + input_.near(), input_.u16());
    if (what % 3 != 2 || host_->connection() == nullptr) return;
    host_->call(now_, [what](TcpTurn& turn, Connection& c) {
      if (what % 2 == 0) set_no_delay(turn, c, true);
      if (what % 2 == 1) set_keep_alive(turn, c, 7200);
    });
  }

  void settle() {
    for (TcpHost::Sent& sent : host_->outbox()) {
      const Packet packet = sent.frame.packet();
      Packet parsed = packet;
      SLUICE_CHECK(take_tcp(parsed));
      const TcpHeader tcp(parsed.at(parsed.headers.l4));
      // Of what the rules say, no connection, no window.
      if (tcp.has(kTcpRst)) continue;
      rules_.scales_both = host_->flow().agreed(TcpFlow::kWindowScale);
      SLUICE_CHECK(rules_.check(packet).empty());
    }
    host_->outbox().clear();
    if (host_->connection() != nullptr) check_connection(host_->tcp(), *host_->connection());
  }

  Input& input_;
  FlowKey key_;
  std::unique_ptr<TcpHost> host_;
  SenderRules rules_;
  Instant now_ = Instant::from_nanoseconds(1'000'000'000);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 4096) return 0;
  Input input(data + 1, size - 1);
  Campaign campaign(input, data[0]);
  while (!input.done()) campaign.step();
  campaign.finish();
  return 0;
}
