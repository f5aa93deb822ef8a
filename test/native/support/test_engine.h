// A whole data flow segment in a test: a worker over memory ports, on virtual time, with a scripted
// control segment. The client's side is port 0, the servers' side port 1:
//
//   client --- [0 outside: 192.0.2.1/24, 2001:db8::1/64] worker [1 inside: 10.1.0.1/24,
//   fd00:1::1/64] --- server
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bus/message_ring.h"
#include "bus/messages.h"
#include "bus/signature.h"
#include "port/memory_port.h"
#include "segment/worker.h"
#include "support/frame.h"
#include "support/packet_builder.h"

namespace sluice::test {

inline constexpr MacAddress kOutsideMac{{2, 0, 0, 0, 0, 0xa0}};
inline constexpr MacAddress kInsideMac{{2, 0, 0, 0, 0, 0xa1}};
inline constexpr MacAddress kClientMac{{0x02, 0, 0, 0, 0, 0xc1}};
inline constexpr MacAddress kServerMac{{0x02, 0, 0, 0, 0, 0x51}};

struct TestEngineOptions {
  FlowTimeouts timeouts;
  SegmentLimits limits{.flows = 64,
                       .waiting_flows = 32,
                       .waiting_packets = 8,
                       .packet_buffers = 256,
                       .bus_bytes = 1 << 16};
  PortCapabilities capabilities{.checksum = true, .tso4 = true, .tso6 = true, .uso = true};
  bool forward = true;
  bool internal_inside = true;
  uint64_t seed = 1;
};

class TestEngine {
 public:
  using Bytes = std::vector<uint8_t>;
  // Fills a REPLY for a QUERY; false to leave it unanswered.
  using Decider = std::function<bool(const QueryView&, ReplyView)>;

  explicit TestEngine(const TestEngineOptions& options = {})
      : from_control_(options.limits.bus_bytes), to_control_(options.limits.bus_bytes) {
    options_ = options;
    options_.timeouts.stats_interval = Duration();
    Worker::Options worker_options;
    worker_options.flows = {options.limits, options.timeouts, 1, options.seed};
    worker_options.forward = options.forward;
    worker_options.seed = options.seed;
    worker_ = std::make_unique<Worker>(
        worker_options, Worker::Shared{from_control_, to_control_, counters_, port_figures_}, now_,
        kWallStart);
    outside_ = join(kOutsideMac, false);
    inside_ = join(kInsideMac, options.internal_inside);
    worker_->stack().add_address(0, ip("192.0.2.1"), 24);
    worker_->stack().add_address(0, ip("2001:db8::1"), 64);
    worker_->stack().add_address(1, ip("10.1.0.1"), 24);
    worker_->stack().add_address(1, ip("fd00:1::1"), 64);
    run(Duration::seconds(3));  // announcements
    clear_sent();
  }

  // -- time

  Instant now() const { return now_; }
  uint64_t wall_us() const {
    return kWallStart + static_cast<uint64_t>((now_ - Instant()).microseconds());
  }
  // One poll now, and more while there is something to do; collects what was sent and told.
  void poll() {
    do {
      collect();
    } while (worker_->poll(now_));
    collect();
  }
  // Lets time pass, polling whenever the engine asks for it.
  void run(Duration span) {
    const Instant end = now_ + span;
    poll();
    while (now_ < end) {
      const Instant due = worker_->deadline(now_);
      const Instant next = now_ + Duration::milliseconds(1);
      now_ = due < next ? next : due;
      if (end < now_) now_ = end;
      poll();
    }
  }

  // -- frames

  // Sends from the client's or the server's host and lets the engine work.
  void from_client(PacketBuilder builder) {
    inject(0, builder.eth(kClientMac, kOutsideMac).build());
  }
  void from_server(PacketBuilder builder) {
    inject(1, builder.eth(kServerMac, kInsideMac).build());
  }
  void inject(PortId port, Frame frame) {
    const Packet packet = frame.packet();
    SLUICE_CHECK(near_[port]->inject({packet.data, packet.length}, packet.offload));
    poll();
  }
  // The steps of the above one by one, for whoever measures.
  void feed(PortId port, Frame& frame) {
    const Packet packet = frame.packet();
    near_[port]->inject({packet.data, packet.length}, packet.offload);
  }
  void poll_once() { worker_->poll(now_); }
  void discard_sent() {
    outside_->discard();
    inside_->discard();
  }
  // Makes the hosts' MAC addresses known to the engine, as their first ARP or NS does.
  void introduce(const Hosts& hosts) {
    introduce(0, kClientMac, hosts.client, kOutsideMac, engine_outside(hosts));
    introduce(1, kServerMac, hosts.server, kInsideMac, hosts.engine);
    clear_sent();
  }
  static IpAddress engine_outside(const Hosts& hosts) {
    return ip(hosts.client.is_v4() ? "192.0.2.1" : "2001:db8::1");
  }

  std::vector<MemoryFrame> to_client;  // what the engine sent by port 0, since clear_sent()
  std::vector<MemoryFrame> to_server;  // and by port 1
  void clear_sent() {
    to_client.clear();
    to_server.clear();
  }

  // -- control segment

  void decide_with(Decider decider) { decider_ = std::move(decider); }
  std::vector<Bytes> told;  // every message of the engine, answered or not
  template <class View>
  std::vector<Bytes> told_of() const {
    std::vector<Bytes> found;
    for (const Bytes& message : told) {
      if (message[0] == View::kCode) found.push_back(message);
    }
    return found;
  }
  void tell(ConstByteSpan message) {
    SLUICE_CHECK(from_control_.push(message));
    poll();
  }
  void add_virtual_server(uint16_t id, const IpAddress& address, L4Port port,
                          uint8_t protocol = kProtocolTcp) {
    Bytes message(AddVsView::kSize);
    AddVsView add(message.data());
    add.set_msg_type(AddVsView::kCode);
    add.set_msg_length(AddVsView::kSize);
    add.set_vs_id(id);
    add.set_virt_ipaddr(address);
    add.set_virt_port(port);
    add.set_protocol(protocol);
    tell(message);
  }
  // A decider that sends every flow to one endpoint, its DSCP and TTL as a router would.
  static Decider to_endpoint(const IpAddress& address, L4Port port, uint16_t node = 1) {
    return [=](const QueryView& query, ReplyView reply) {
      XlatView xlat = reply.xlat();
      xlat.set_xlat_dst_ipaddr(address);
      xlat.set_xlat_dst_port(port);
      xlat.set_xlat_mask(XlatMask::dst_addr | XlatMask::dst_port | XlatMask::dec_ttl);
      xlat.set_node_id(node);
      xlat.set_vs_id(query.vs_id());
      reply.set_flags(SsmbFlags::route_by_dst);
      return true;
    };
  }

  uint64_t count(Counter counter) const { return counters_.read(counter); }
  uint64_t dropped(DropReason reason) const { return counters_.read(reason); }
  // Every counter that is not zero, for a failing test to show.
  std::string figures() const {
    static constexpr const char* kNames[] = {
#define COUNTER(name, text) #name,
#define GAUGE(name, text)
#include "segment/counters.def"
#undef COUNTER
#undef GAUGE
#define COUNTER(name, text)
#define GAUGE(name, text) #name,
#include "segment/counters.def"
#undef COUNTER
#undef GAUGE
#define DROP_REASON(name, text) "drop " #name,
#include "packet/drop_reasons.def"
#undef DROP_REASON
    };
    std::string text;
    for (size_t i = 0; i < Counters::kSize; ++i) {
      if (counters_.read(i) == 0) continue;
      text += std::string(kNames[i]) + " " + std::to_string(counters_.read(i)) + "\n";
    }
    return text;
  }
  // Law 9: every packet received has one fate.
  bool balanced() const {
    return count(Counter::received) == count(Counter::forwarded) + count(Counter::delivered) +
                                           counters_.dropped() + count(Counter::waiting_packets) +
                                           count(Counter::neighbor_packets);
  }

 private:
  static constexpr uint64_t kWallStart = 1'700'000'000'000'000;

  std::unique_ptr<MemoryPort> join(const MacAddress& mac, bool internal) {
    MemoryPortOptions near{.name = "near", .mac = mac, .capabilities = options_.capabilities};
    MemoryPortOptions far{.name = "far", .mac = {}, .capabilities = options_.capabilities};
    auto [engine_side, host_side] = MemoryPort::make_pair(near, far);
    near_.push_back(engine_side.get());
    worker_->add_port(std::move(engine_side), internal);
    return std::move(host_side);
  }

  void introduce(PortId port, const MacAddress& mac, const IpAddress& address,
                 const MacAddress& engine_mac, const IpAddress& engine) {
    PacketBuilder builder;
    builder.eth(mac, engine_mac);
    if (address.is_v4()) {
      builder.arp(1, mac, address, MacAddress{}, engine);
    } else {
      Bytes body(engine.bytes.begin(), engine.bytes.end());  // target, then source link address
      body.insert(body.end(), {1, 1});
      body.insert(body.end(), mac.bytes.begin(), mac.bytes.end());
      builder.ip(address, engine).ttl(255).icmp(135).payload(body);
    }
    inject(port, builder.build());
  }

  void collect() {
    while (auto frame = outside_->take()) to_client.push_back(std::move(*frame));
    while (auto frame = inside_->take()) to_server.push_back(std::move(*frame));
    for (ByteSpan message = to_control_.front(); !message.empty(); message = to_control_.front()) {
      told.emplace_back(message.begin(), message.end());
      to_control_.pop();
      if (told.back()[0] == QueryView::kCode && decider_) answer(told.back());
    }
  }

  void answer(Bytes query_bytes) {
    const QueryView query(query_bytes.data());
    Bytes bytes(ReplyView::kSize);
    ReplyView reply(bytes.data());
    reply.set_msg_type(ReplyView::kCode);
    reply.set_serial(query.serial());
    store_signature(reply.sig(), load_signature(query.sig()));
    if (decider_(query, reply)) SLUICE_CHECK(from_control_.push(bytes));
  }

  TestEngineOptions options_;
  Instant now_ = Instant::from_nanoseconds(0);
  MessageRing from_control_;
  MessageRing to_control_;
  Counters counters_;
  PortFigures port_figures_;
  std::unique_ptr<Worker> worker_;
  std::vector<MemoryPort*> near_;                 // the engine's sides, which the worker owns
  std::unique_ptr<MemoryPort> outside_, inside_;  // the hosts' sides
  Decider decider_;
};

// A packet that the engine sent, parsed.
class Sent {
 public:
  explicit Sent(const MemoryFrame& frame) : frame_(frame.bytes, frame.offload) {
    packet_ = frame_.packet();
    parse(packet_);
  }
  Packet& packet() { return packet_; }
  const FlowKey& key() const { return packet_.key; }
  uint8_t flags() const { return packet_.headers.tcp_flags; }

 private:
  Frame frame_;
  Packet packet_;
};

}  // namespace sluice::test
