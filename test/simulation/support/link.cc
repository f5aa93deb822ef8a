#include "support/link.h"

#include <cstdio>

namespace sluice::test {

namespace {

FlowKey key_of(bool ipv6) {
  FlowKey key;
  key.src = ipv6 ? ip("2001:db8::10") : ip("192.0.2.10");
  key.dst = ipv6 ? ip("2001:db8::100") : ip("192.0.2.100");
  key.src_port = 40000;
  key.dst_port = 80;
  key.protocol = kProtocolTcp;
  return key;
}

MemoryPortOptions port_options(const char* name) {
  MemoryPortOptions options;
  options.name = name;
  options.mac = kMacA;
  options.capabilities = {true, true, true, true, 65535};
  options.queue_frames = 4096;
  return options;
}

}  // namespace

void print(size_t side, Instant now, Packet packet, const TcpHost& host) {
  if (!take_tcp(packet)) return;
  const TcpSegment segment = read_segment(packet);
  std::printf("%12.6f %s %02x seq %08x len %u ack %08x win %u", now.nanoseconds() / 1e9,
              side == 0 ? "0>1" : "1>0", segment.flags, segment.seq.raw(), segment.length(),
              segment.ack.raw(), segment.window);
  if (segment.has_timestamps) std::printf(" TS %u %u", segment.tsval, segment.tsecr);
  for (size_t i = 0; i < segment.sack_count; ++i) {
    std::printf(" [%08x %08x]", segment.sack[i].start.raw(), segment.sack[i].end.raw());
  }
  std::printf("  %s\n", host.describe().c_str());
}

// Side 0 listens, side 1 connects.
Link::Link(const SimulatedLink& options) {
  auto [a, b] = MemoryPort::make_pair(port_options("a"), port_options("b"));
  ports_[0] = std::make_unique<FaultPort>(std::move(a), options.seed, FaultOptions{}, options.faults);
  ports_[1] =
      std::make_unique<FaultPort>(std::move(b), options.seed + 1, FaultOptions{}, options.faults);
  const FlowKey key = key_of(options.ipv6);
  for (const size_t side : {0, 1}) {
    const SimulatedHost& host = options.hosts[side];
    hosts_[side] = std::make_unique<TcpHost>(host.limits, host.config, options.seed + side,
                                             side == 0 ? key : key.reversed(), host.path);
  }
  const uint8_t both = options.hosts[0].config.offer & options.hosts[1].config.offer;
  for (SenderRules& rules : rules_) rules.scales_both = (both & TcpFlow::kWindowScale) != 0;
}

std::string Link::transmit(size_t side, Instant now) {
  for (TcpHost::Sent& sent : hosts_[side]->outbox()) {
    Packet packet = sent.frame.packet();
    if (traced_) print(side, now, packet, *hosts_[side]);
    const std::string broken = rules_[side].check(packet);
    if (!broken.empty()) return "side " + std::to_string(side) + " " + broken;
    const SenderRules& other = rules_[1 - side];
    if (rules_[side].acked() && rules_[side].ack() > other.end()) {
      return "side " + std::to_string(side) + " acknowledged what was never sent";
    }
    Packet* const one = &packet;
    ports_[side]->transmit(now, {&one, 1});
  }
  hosts_[side]->outbox().clear();
  return {};
}

bool Link::receive(size_t side, Instant now) {
  Batch batch;
  ports_[side]->receive(now, batch);
  for (Packet& packet : batch.all()) hosts_[side]->deliver(now, packet);
  ports_[side]->release();
  return batch.count > 0;
}

// A port hands on what is due when it is asked to receive; the other has it only after that.
std::string Link::run(Instant now) {
  for (int idle = 0; idle < 2; ++idle) {
    for (const size_t side : {0, 1}) {
      if (hosts_[side]->next_deadline() <= now) hosts_[side]->run_timers(now);
      if (receive(side, now) || !hosts_[side]->outbox().empty()) idle = -1;
      // Takes as long as what it looks at is large, so not each time.
      if (hosts_[side]->connection() != nullptr && ++steps_ % 16 == 0) {
        check_connection(hosts_[side]->tcp(), *hosts_[side]->connection());
      }
      std::string broken = transmit(side, now);
      if (!broken.empty()) return broken;
    }
  }
  return {};
}

Instant Link::next() const {
  Instant at = Instant::never();
  for (const size_t side : {0, 1}) {
    at = std::min({at, hosts_[side]->next_deadline(), ports_[side]->deadline()});
  }
  return at;
}

}  // namespace sluice::test
