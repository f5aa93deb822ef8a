// Any frames, messages and time to a whole segment with virtual servers of both IP versions.
// Whatever comes: every packet has one fate, what the limits say holds, every flow that was opened
// ends once, and in the end nothing is left behind.
//
// Input: steps of an operation U8, a size U8 and that many bytes (fewer at the end). Operation
// modulo 8: 0 a HostilePacket for port (bit 3); 1 a TCP segment and 2 a datagram of one of a few
// endpoints; 3 the answer to a QUERY, as a REPLY or a NEWFLOW; 4 a message as it is; 5 time passes;
// 6 a virtual server comes or goes; 7 the control segment reads or not, or asks for the flows.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/dialogue.h"
#include "support/hostile_packet.h"
#include "support/input.h"

namespace {

using namespace sluice;
using namespace sluice::test;

TestEngineOptions small_engine() {
  TestEngineOptions options;
  options.timeouts.established = Duration::seconds(30);
  options.timeouts.closing = Duration::seconds(20);
  options.timeouts.udp = options.timeouts.other = Duration::seconds(10);
  options.timeouts.icmp = Duration::seconds(5);
  options.timeouts.stats_interval = Duration::seconds(5);
  options.limits = {.flows = 6,
                    .waiting_flows = 4,
                    .waiting_packets = 3,
                    .packet_buffers = 8,
                    .fragmented_datagrams = 3,
                    .waiting_fragments = 4,
                    .bus_bytes = 4096};
  options.stack.neighbors = 8;
  options.inside = {};
  options.largest_frame = 4096;
  return options;
}

class Campaign {
 public:
  Campaign() : engine_(small_engine()) {
    for (uint8_t service = 0; service < 4; ++service) add_service(service);
    for (const Hosts& hosts : both_families()) engine_.introduce(hosts);
    engine_.told.clear();
  }

  void step(uint8_t operation, Input input) {
    if (!engine_.takes_messages()) engine_.read_messages(true);
    engine_.poll();
    switch (operation % 8) {
      case 0: hostile(operation >> 3 & 1, input); break;
      case 1: segment(input); break;
      case 2: datagram(input); break;
      case 3: answer(input); break;
      case 4:
        if (input.size() > 0) engine_.tell(input.bytes());
        break;
      case 5:
        engine_.run(Duration::milliseconds(input.next() * (input.next() & 1 ? 100 : 1)));
        break;
      case 6: change_service(input.next()); break;
      case 7: read(input.next()); break;
    }
    SLUICE_CHECK(engine_.balanced());
    SLUICE_CHECK(engine_.count(Counter::flow_entries) <= 2 * small_engine().limits.all_flows());
    SLUICE_CHECK(engine_.count(Counter::waiting_flows) <= 4);
    SLUICE_CHECK(engine_.count(Counter::fragmented_datagrams) <= 3);
    SLUICE_CHECK(engine_.count(Counter::waiting_fragments) <= 4);
    SLUICE_CHECK(engine_.count(Counter::pool_buffers) <= 9);
    engine_.clear_sent();
    if (engine_.told.size() > 1000)
      engine_.told.erase(engine_.told.begin(), engine_.told.end() - 9);
  }

  void finish() {
    const std::string left = engine_.settle();
    if (!left.empty()) std::fprintf(stderr, "left behind: %s\n", left.c_str());
    SLUICE_CHECK(left.empty());
  }

 private:
  static const Hosts& family(uint8_t choice) { return both_families()[choice & 1]; }
  // Two addresses of each family: both may lead to one node, so that flows collide.
  static IpAddress address(uint8_t service) {
    IpAddress address = family(service).virtual_server;
    address.bytes[15] = static_cast<uint8_t>(address.bytes[15] + (service >> 1 & 1));
    return address;
  }
  void add_service(uint8_t service) {
    const auto id = static_cast<uint16_t>(1 + (service & 3));
    engine_.add_virtual_server(id, address(service), kServicePort);
    engine_.add_virtual_server(id + 4, address(service), kServicePort, kProtocolUdp);
  }

  void hostile(PortId port, const Input& input) {
    if (input.size() < HostilePacket::kPrefix) return;
    HostilePacket hostile(input.data(), input.size());
    std::vector<uint8_t> bytes = hostile.bytes();
    // Whoever it is for, else most of them end at once.
    const MacAddress mac = port == 0 ? kOutsideMac : kInsideMac;
    if (bytes.size() >= 6 && (bytes[0] & 1) == 0) mac.store(bytes.data());
    engine_.inject(port, Frame(bytes, hostile.packet().offload));
  }

  // From a client (even) or from the server.
  void send(uint8_t who, const PacketBuilder& packet) {
    (who & 1) == 0 ? engine_.from_client(packet) : engine_.from_server(packet);
  }
  PacketBuilder addressed(uint8_t who, Input& input) {
    const auto service = static_cast<uint8_t>(who >> 1 & 3);
    const Hosts& hosts = family(service);
    PacketBuilder packet;
    (who & 1) == 0 ? packet.ip(hosts.client, address(service))
                   : packet.ip(hosts.server, hosts.client);
    packet.dscp(input.next() & 3);
    return packet;
  }
  static L4Port client_port(uint8_t who) { return static_cast<L4Port>(1 + (who >> 3 & 7)); }

  void segment(Input& input) {
    const uint8_t who = input.next();
    PacketBuilder packet = addressed(who, input);
    const uint8_t flags = input.next();
    const L4Port port = client_port(who);
    (who & 1) == 0 ? packet.tcp(port, kServicePort, flags) : packet.tcp(kNodePort, port, flags);
    // Small numbers, so that they meet.
    packet.seq(input.next()).ack(input.next()).window(input.next16());
    if (input.next() & 1) packet.window_scale(input.next());
    const size_t payload = input.next();
    packet.payload(payload);
    if (payload > 100) packet.gso(60);
    send(who, packet);
  }

  void datagram(Input& input) {
    const uint8_t who = input.next();
    PacketBuilder packet = addressed(who, input);
    const L4Port port = client_port(who);
    (who & 1) == 0 ? packet.udp(port, kServicePort) : packet.udp(kNodePort, port);
    send(who, packet.payload(input.next()));
  }

  // Of those told and not forgotten, some older than their flow.
  void answer(Input& input) {
    const std::vector<TestEngine::Bytes> queries = engine_.told_of<QueryView>();
    if (queries.empty()) return;
    const size_t which = std::min<size_t>(input.next(), queries.size() - 1);
    TestEngine::Bytes message = TestEngine::reply_to(
        queries[queries.size() - 1 - which], [&](const QueryView& query, ReplyView reply) {
          reply.set_error_code(input.next() & 3);
          reply.set_flags(input.next16());
          XlatView xlat = reply.xlat();
          xlat.set_xlat_mask(input.next16());
          xlat.set_xlat_dst_ipaddr(node(input.next(), query.sig().dst_ipaddr().is_v4()));
          xlat.set_xlat_dst_port(kNodePort);
          xlat.set_xlat_src_ipaddr(query.sig().src_ipaddr());
          xlat.set_xlat_src_port(input.next());
          xlat.set_xlat_tos(input.next());
          xlat.set_next_hop_ipaddr(node(input.next(), query.sig().dst_ipaddr().is_v4()));
          xlat.set_idle_timeout(input.next() & 7);
          xlat.set_seq_offset(input.next32());
          xlat.set_ack_offset(input.next32());
          xlat.set_wshift_c2s(static_cast<int8_t>(input.next()));
          xlat.set_vs_id(query.vs_id());
          return true;
        });
    // About a flow that is decided it tells another node, or other offsets.
    if (input.next() & 1) {
      message.resize(NewFlowView::kSize);
      NewFlowView(message.data()).set_msg_type(NewFlowView::kCode);
    }
    engine_.tell(message);
  }
  static IpAddress node(uint8_t choice, bool v4) {
    const Hosts& hosts = both_families()[v4 ? 0 : 1];
    switch (choice % 6) {
      case 1: return hosts.engine;
      case 2: return hosts.virtual_server;
      case 3: return both_families()[v4 ? 1 : 0].server;
      case 4: return v4 ? ip("224.0.0.1") : ip("ff02::1");
      default: return hosts.server;
    }
  }

  void change_service(uint8_t choice) {
    const auto id = static_cast<uint16_t>(1 + (choice & 7));
    if (choice & 8) return add_service(choice & 3);
    engine_.delete_virtual_server(id, choice >> 4);
  }

  void read(uint8_t choice) {
    if (choice & 1) return engine_.read_messages((choice & 2) != 0);
    TestEngine::Bytes request(StateReqView::kSize);
    request[0] = StateReqView::kCode;
    StateReqView(request.data()).set_cursor(choice >> 4);
    StateReqView(request.data()).set_max_records(choice >> 1 & 7);
    engine_.tell(request);
  }

  TestEngine engine_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Campaign campaign;
  while (size > 2) {
    const size_t taken = std::min<size_t>(data[1], size - 2);
    campaign.step(data[0], Input(data + 2, taken));
    data += 2 + taken;
    size -= 2 + taken;
  }
  campaign.finish();
  return 0;
}
