// A whole data flow segment in a test: a worker over memory ports, on virtual time, with a scripted
// control segment. The client's side is port 0, the servers' side port 1:
//
//   client --- [0 outside: 192.0.2.1/24, 2001:db8::1/64] worker [1 inside: 10.1.0.1/24,
//   fd00:1::1/64] --- server
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bus/message_ring.h"
#include "bus/messages.h"
#include "bus/signature.h"
#include "port/fault_port.h"
#include "port/memory_port.h"
#include "segment/worker.h"
#include "support/frame.h"
#include "support/limits.h"
#include "support/neighbors.h"
#include "support/packet_balance.h"
#include "support/packet_builder.h"
#include "support/sent.h"

namespace sluice::test {

inline constexpr MacAddress kOutsideMac{{2, 0, 0, 0, 0, 0xa0}};
inline constexpr MacAddress kInsideMac{{2, 0, 0, 0, 0, 0xa1}};
inline constexpr MacAddress kClientMac{{0x02, 0, 0, 0, 0, 0xc1}};
inline constexpr MacAddress kServerMac{{0x02, 0, 0, 0, 0, 0x51}};

struct TestEngineOptions {
  FlowTimeouts timeouts = kTimeouts;
  SegmentLimits limits = kSmallLimits;
  StackLimits stack{.neighbors = 64, .packets_per_neighbor = 4, .held_packets = 16};
  PortCapabilities outside{.checksum = true, .tso4 = true, .tso6 = true, .uso = true};
  PortCapabilities inside{.checksum = true, .tso4 = true, .tso6 = true, .uso = true};
  size_t largest_frame = kMaxFrame;
  FaultOptions receiving;  // faults on both links, as the engine sees them
  FaultOptions transmitting;
  Forwarding forwarding = Forwarding::route;
  bool internal_inside = true;
  SynCookiePolicy syn_cookies = SynCookiePolicy::never;
  uint64_t seed = 1;
};

class TestEngine {
 public:
  using Bytes = std::vector<uint8_t>;
  // Fills a REPLY for a QUERY; false to leave it unanswered.
  using Decider = std::function<bool(const QueryView&, ReplyView)>;

  explicit TestEngine(const TestEngineOptions& options = {})
      : options_(options),
        team_(Steering(options.seed, 1)),
        from_control_(options.limits.bus_bytes),
        to_control_(options.limits.bus_bytes),
        from_sockets_(options.limits.stream_bytes),
        to_sockets_(options.limits.stream_bytes) {
    Worker::Options worker_options;
    worker_options.flows = {options.limits, options.timeouts, 1, options.seed};
    worker_options.stack = options.stack;
    worker_options.forwarding = options.forwarding;
    worker_options.flows.bridges = options.forwarding == Forwarding::bridge;
    worker_options.seed = options.seed;
    worker_options.syn_cookies = options.syn_cookies;
    worker_options.cookie_secret = {options.seed, ~options.seed};
    worker_ = std::make_unique<Worker>(worker_options,
                                       Worker::Shared{from_control_, to_control_, from_sockets_,
                                                      to_sockets_, counters_, port_figures_, team_},
                                       now_, kWallClockOffset);
    outside_ = join(kOutsideMac, options.outside, false);
    inside_ = join(kInsideMac, options.inside, options.internal_inside);
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
    return static_cast<uint64_t>((now_ + kWallClockOffset).nanoseconds() / 1000);
  }
  // One poll now, and more while there is something to do; collects what was sent and told.
  void poll() {
    bool worked;
    do {
      fed_ = false;
      worked = worker_->poll(now_);
      collect();
    } while (worked || fed_);
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
    SLUICE_CHECK(feed(port, frame));
    poll();
  }
  // The steps of the above one by one, for whoever measures.
  bool feed(PortId port, Frame& frame) {
    const Packet packet = frame.packet();
    return near_[port]->inject({packet.data, packet.length}, packet.offload);
  }
  void poll_once() { worker_->poll(now_); }
  void discard_sent() {
    outside_->discard();
    inside_->discard();
  }
  // Makes the hosts' MAC addresses known to the engine, as their first ARP or NS does, and answers
  // for them from then on.
  void introduce(const Hosts& hosts) {
    introduce({0, kClientMac, hosts.client}, kOutsideMac, engine_outside(hosts));
    introduce({1, kServerMac, hosts.server}, kInsideMac, hosts.engine);
    clear_sent();
  }
  Stack& stack() { return worker_->stack(); }
  // A host that answers neighbour requests from now on, or silence for all of them.
  void add_host(const LinkHost& host) { hosts_.push_back(host); }
  void silence_hosts() { hosts_.clear(); }
  static IpAddress engine_outside(const Hosts& hosts) {
    return ip(hosts.client.is_v4() ? "192.0.2.1" : "2001:db8::1");
  }

  std::vector<MemoryFrame> to_client;          // what the engine sent by port 0, since clear_sent()
  std::vector<MemoryFrame> to_server;          // and by port 1
  std::vector<MemoryFrame> neighbor_messages;  // ARP and neighbour discovery, by either
  void clear_sent() {
    to_client.clear();
    to_server.clear();
    neighbor_messages.clear();
  }

  // -- control segment

  void decide_with(Decider decider) { decider_ = std::move(decider); }
  // Whether it reads what it is told; if not, the ring fills.
  void read_messages(bool reads) { reads_ = reads; }
  bool has_room_to_tell(size_t size) const { return to_control_.has_room(size); }
  std::vector<Bytes> told;  // every message of the engine, answered or not
  template <class View>
  std::vector<Bytes> told_of() const {
    std::vector<Bytes> found;
    for (const Bytes& message : told) {
      if (message[0] == View::kCode) found.push_back(message);
    }
    return found;
  }
  // Whether tell() may be called; not while messages wait for room for their answers.
  bool takes_messages() const { return from_control_.has_room(2 * ReplyView::kSize); }
  void tell(ConstByteSpan message) {
    SLUICE_CHECK(from_control_.push(message));
    poll();
  }
  // The REPLY that `decider` makes of a QUERY; empty if it makes none.
  static Bytes reply_to(Bytes query_bytes, const Decider& decider) {
    const QueryView query(query_bytes.data());
    Bytes bytes(ReplyView::kSize);
    ReplyView reply(bytes.data());
    reply.set_msg_type(ReplyView::kCode);
    reply.set_serial(query.serial());
    store_signature(reply.sig(), load_signature(query.sig()));
    reply.set_flags(query.flags() & (SsmbFlags::outbound | SsmbFlags::another));
    return decider(query, reply) ? bytes : Bytes();
  }
  // Answers each QUERY in `told`, oldest first, and forgets them.
  void answer_all(const Decider& decider) {
    const std::vector<Bytes> queries = told_of<QueryView>();
    told.clear();
    for (const Bytes& query : queries) tell(reply_to(query, decider));
  }
  void add_virtual_server(uint16_t id, const IpAddress& address, L4Port port,
                          uint8_t protocol = kProtocolTcp, uint16_t flags = 0) {
    Bytes message(AddVsView::kSize);
    AddVsView add(message.data());
    add.set_flags(flags);
    add.set_msg_type(AddVsView::kCode);
    add.set_msg_length(AddVsView::kSize);
    add.set_vs_id(id);
    add.set_virt_ipaddr(address);
    add.set_virt_port(port);
    add.set_protocol(protocol);
    tell(message);
  }
  void delete_virtual_server(uint16_t id, uint32_t drain_seconds = 0) {
    Bytes message(DeleteVsView::kSize);
    DeleteVsView remove(message.data());
    remove.set_msg_type(DeleteVsView::kCode);
    remove.set_msg_length(DeleteVsView::kSize);
    remove.set_vs_id(id);
    remove.set_drain_secs(drain_seconds);
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
      reply.set_flags(reply.flags() | SsmbFlags::route_by_dst);
      return true;
    };
  }

  // -- sockets: the rings to and from them
  MessageRing& from_sockets() { return from_sockets_; }
  MessageRing& to_sockets() { return to_sockets_; }

  // -- accounts

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
    return every_packet_has_one_fate([this](Counter counter) { return count(counter); },
                                     counters_.dropped());
  }
  // Lets every flow end by silence. What is left behind then, or does not add up; "" if all is
  // well.
  std::string settle() {
    reads_ = true;
    Duration longest = options_.timeouts.established;
    for (const Duration each :
         {options_.timeouts.opening, options_.timeouts.closing, options_.timeouts.udp,
          options_.timeouts.icmp, options_.timeouts.other, options_.timeouts.linger}) {
      longest = std::max(longest, each);
    }
    run(longest + options_.timeouts.linger + Duration::seconds(10));
    std::string left;
    for (const Counter gauge :
         {Counter::flows, Counter::lingering, Counter::waiting_flows, Counter::waiting_packets,
          Counter::waiting_fragments, Counter::fragmented_datagrams, Counter::neighbor_packets,
          Counter::flow_entries, Counter::pool_buffers}) {
      if (count(gauge) != 0) left += "gauge " + std::to_string(static_cast<int>(gauge)) + "; ";
    }
    if (!balanced()) left += "unbalanced; ";
    if (count(Counter::flows_opened) != flows_ended()) left += "opened and ended differ; ";
    if (!no_next_hop_is_held()) left += "a next hop is held; ";
    return left.empty() ? left : left + "\n" + figures();
  }
  uint64_t flows_ended() const {
    return count(Counter::flows_closed_fin) + count(Counter::flows_closed_rst) +
           count(Counter::flows_expired) + count(Counter::flows_evicted) +
           count(Counter::flows_removed);
  }

  // Takes every slot of the neighbour table that can be had.
  std::vector<NextHop> hold_next_hops() {
    std::vector<NextHop> taken;
    for (size_t i = 0; i < options_.stack.neighbors; ++i) {
      IpAddress address = ip("2001:db8::ff00:0");
      address.bytes[15] = static_cast<uint8_t>(i);
      DropReason why;
      const NextHop hop = worker_->stack().acquire_neighbor(now_, 0, address, why);
      if (hop != kNoNextHop) taken.push_back(hop);
    }
    return taken;
  }

 private:
  static constexpr Duration kWallClockOffset = Duration::seconds(1'700'000'000);

  std::unique_ptr<MemoryPort> join(const MacAddress& mac, const PortCapabilities& capabilities,
                                   bool internal) {
    MemoryPortOptions near{.name = "near", .mac = mac, .capabilities = capabilities};
    near.largest_frame = options_.largest_frame;
    MemoryPortOptions far{.name = "far", .mac = {}, .capabilities = capabilities};
    auto [engine_side, host_side] = MemoryPort::make_pair(near, far);
    near_.push_back(engine_side.get());
    std::unique_ptr<Port> port = std::move(engine_side);
    if (options_.receiving.any() || options_.transmitting.any()) {
      port = std::make_unique<FaultPort>(std::move(port), options_.seed + near_.size(),
                                         options_.receiving, options_.transmitting);
    }
    worker_->add_port(std::move(port), internal);
    return std::move(host_side);
  }

  // Every slot of the neighbour table can be had, so no flow refers to one.
  bool no_next_hop_is_held() {
    const std::vector<NextHop> taken = hold_next_hops();
    for (const NextHop hop : taken) worker_->stack().release_next_hop(hop);
    return taken.size() == options_.stack.neighbors;
  }

  void introduce(const LinkHost& host, const MacAddress& engine_mac, const IpAddress& engine) {
    hosts_.push_back(host);
    inject(host.port, neighbor_request(host, engine_mac, engine));
  }

  void sort(PortId port, MemoryFrame frame, std::vector<MemoryFrame>& packets) {
    if (!is_neighbor_message(frame.bytes)) return packets.push_back(std::move(frame));
    for (const LinkHost& host : hosts_) {
      if (host.port != port) continue;
      std::optional<Frame> answer = neighbor_answer(host, frame.bytes);
      if (answer) fed_ |= feed(port, *answer);
    }
    neighbor_messages.push_back(std::move(frame));
  }

  void collect() {
    while (auto frame = outside_->take()) sort(0, std::move(*frame), to_client);
    while (auto frame = inside_->take()) sort(1, std::move(*frame), to_server);
    while (reads_ && !to_control_.empty() && from_control_.has_room(ReplyView::kSize)) {
      const ByteSpan message = to_control_.front();
      told.emplace_back(message.begin(), message.end());
      to_control_.pop();
      const uint8_t code = told.back()[0];
      const bool asks = code == QueryView::kCode || code == AppQueryView::kCode;
      if (!asks || !decider_) continue;
      const Bytes reply = reply_to(told.back(), decider_);
      if (!reply.empty()) SLUICE_CHECK(fed_ = from_control_.push(reply));
    }
  }

  TestEngineOptions options_;
  Instant now_ = Instant::from_nanoseconds(0);
  WorkerTeam team_;
  MessageRing from_control_;
  MessageRing to_control_;
  MessageRing from_sockets_;
  MessageRing to_sockets_;
  Counters counters_;
  PortFigures port_figures_;
  std::unique_ptr<Worker> worker_;
  std::vector<MemoryPort*> near_;                 // the engine's sides, which the worker owns
  std::unique_ptr<MemoryPort> outside_, inside_;  // the hosts' sides
  std::vector<LinkHost> hosts_;
  bool fed_ = false;  // by collect(): there is more to do
  Decider decider_;
  bool reads_ = true;
};

}  // namespace sluice::test
