// A segment that answers SYNs by cookies, and a client that a test plays by its packets.
#pragma once

#include "support/sent.h"
#include "support/socket_lab.h"

namespace sluice::test {

inline TestEngineOptions with_cookies(SynCookiePolicy policy = SynCookiePolicy::always) {
  TestEngineOptions options;
  options.syn_cookies = policy;
  return options;
}

// Of a SYN-ACK.
struct SynAck {
  Seq seq, ack;
  uint16_t mss = 0;
  uint16_t window = 0;
  uint32_t tsval = 0;
  uint8_t flags = 0;
  bool timestamps = false, sack = false, scale = false;
};

class RawClient {
 public:
  static constexpr uint32_t kIrs = 5000;
  static constexpr uint32_t kClock = 900;

  RawClient(SocketLab& lab, const Hosts& hosts, L4Port port)
      : lab_(lab), hosts_(hosts), port_(port) {}

  // Without timestamps there is the MSS alone; 0: not even that.
  PacketBuilder syn(bool timestamps = true, uint16_t mss = 1460) const {
    PacketBuilder packet = segment(kTcpSyn).seq(kIrs);
    if (mss != 0) packet.mss(mss);
    if (timestamps) packet.sack_permitted().timestamps(kClock, 0).nop().window_scale(9);
    return packet;
  }
  // The answer to a SYN-ACK.
  PacketBuilder answer(const SynAck& told, uint8_t flags = kTcpAck) const {
    PacketBuilder packet = segment(flags).seq(kIrs + 1).ack(told.seq.raw() + 1).window(1000);
    if (told.timestamps) packet.timestamps(kClock + 20, told.tsval);
    return packet;
  }
  PacketBuilder segment(uint8_t flags) const {
    return PacketBuilder().ip(hosts_.client, hosts_.virtual_server).tcp(port_, kServicePort, flags);
  }

  // Of one that has said nothing.
  PacketBuilder reset() const { return segment(kTcpRst).seq(kIrs + 1); }

  // Sends, and says what came back.
  std::vector<MemoryFrame> send(PacketBuilder packet) {
    lab_.engine.clear_sent();
    lab_.engine.from_client(std::move(packet));
    std::vector<MemoryFrame> answers = std::exchange(lab_.engine.to_client, {});
    lab_.settle();
    return answers;
  }
  SynAck connect(bool timestamps = true, uint16_t mss = 1460) {
    return read(send(syn(timestamps, mss)));
  }
  static SynAck read(const std::vector<MemoryFrame>& answers) {
    REQUIRE(answers.size() == 1);
    Sent sent(answers[0]);
    SynAck told;
    told.seq = sent.tcp().seq();
    told.ack = sent.tcp().ack();
    told.flags = sent.flags();
    told.window = sent.tcp().window();
    const TcpSegment segment = read_segment(sent.packet());
    told.mss = segment.mss;
    told.timestamps = segment.has_timestamps;
    told.tsval = segment.tsval;
    told.sack = segment.sack_permitted;
    told.scale = segment.window_scale != kNoWindowScale;
    return told;
  }

 private:
  SocketLab& lab_;
  const Hosts& hosts_;
  L4Port port_;
};

}  // namespace sluice::test
