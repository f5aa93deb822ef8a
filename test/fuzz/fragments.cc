// Any fragments of a few datagrams of a few sources. Input: records of five bytes: which source and
// whether time passes, offset, size, which datagram, whether more follow.
//
// Whatever comes: nothing passes before the first fragment is known, everything passes with its
// ports, and all is within its bounds and given back.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "segment/fragments.h"
#include "support/packet_builder.h"

namespace {

using namespace sluice;
using namespace sluice::test;

constexpr uint32_t kDatagrams = 16, kWaiting = 16;

class Campaign {
 public:
  void step(const uint8_t* record) {
    if (record[0] & 0x80) return pass(Duration::milliseconds(record[1] * 400));
    const bool v4 = (record[0] & 0x40) != 0;
    const auto source = static_cast<uint8_t>(record[0] & 7);
    const size_t offset = size_t{record[1]} * 8;
    const bool more = (record[4] & 1) != 0;
    const size_t size = more ? (1 + record[2] % 32u) * 8 : 1 + size_t{record[2]};
    send(fragment(v4, source, record[3] & 3, offset, size, more));
  }

  void finish() {
    pass(DatagramTable::kLifeV6);
    SLUICE_CHECK(counters_.read(Counter::fragmented_datagrams) == 0);
    SLUICE_CHECK(counters_.read(Counter::waiting_fragments) == 0);
    SLUICE_CHECK(pool_.used() == 0);
  }

 private:
  static constexpr L4Port kPort = 7;

  static Frame fragment(bool v4, uint8_t source, uint16_t id, size_t offset, size_t size,
                        bool more) {
    PacketBuilder builder;
    IpAddress from = ip(v4 ? "192.0.2.1" : "2001:db8::1");
    from.bytes[v4 ? 15 : 7] = source;
    builder.ip(from, ip(v4 ? "10.0.0.1" : "fd00::1")).id(id).fragment(offset, more);
    builder.payload(size);
    if (offset == 0 && size >= UdpHeader::kSize) {
      builder.udp(kPort, kPort).payload(size - UdpHeader::kSize);
    } else {
      builder.protocol(kProtocolUdp);
    }
    return builder.build();
  }

  void send(Frame frame) {
    Packet packet = frame.packet();
    parse(packet);
    if (!Fragments::concerns(packet)) return;
    fragments_.assign(now_, packet);
    if (packet.verdict == Verdict::none) passed(packet);
    PacketQueue& released = fragments_.released();
    while (!released.empty()) {
      PooledPacket* waited = released.pop();
      passed(waited->packet);
      fragments_.done(waited);
    }
    check_bounds();
  }

  static void passed(const Packet& packet) {
    SLUICE_CHECK(packet.headers.has_key);
    SLUICE_CHECK(packet.key.src_port == kPort && packet.key.dst_port == kPort);
    SLUICE_CHECK(packet.key.protocol == kProtocolUdp);
  }

  void pass(Duration span) {
    now_ = now_ + span;
    fragments_.poll(now_);
    SLUICE_CHECK(now_ < fragments_.deadline());
    check_bounds();
  }

  void check_bounds() {
    SLUICE_CHECK(counters_.read(Counter::fragmented_datagrams) <= kDatagrams);
    SLUICE_CHECK(counters_.read(Counter::waiting_fragments) <= kWaiting);
    SLUICE_CHECK(pool_.used() == counters_.read(Counter::waiting_fragments));
  }

  PacketPool pool_{12, 1};
  Counters counters_;
  Fragments fragments_{{kDatagrams, kWaiting}, 1, pool_, counters_};
  Instant now_ = Instant::from_nanoseconds(0);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Campaign campaign;
  for (; size >= 5; data += 5, size -= 5) campaign.step(data);
  campaign.finish();
  return 0;
}
