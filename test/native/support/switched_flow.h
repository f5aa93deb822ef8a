// A flow whose TCP offsets a NEWFLOW has changed while bytes of both sides were on their way.
#pragma once

#include <doctest/doctest.h>

#include <vector>

#include "bus/signature.h"
#include "packet/l4_checksum.h"
#include "support/dialogue.h"
#include "support/sent.h"

namespace sluice::test {

// Of the client's packets.
struct Added {
  uint32_t seq, ack;
};

inline TestEngine::Bytes new_flow(const Hosts& hosts, const IpAddress& server, Added added) {
  TestEngine::Bytes bytes(NewFlowView::kSize);
  NewFlowView message(bytes.data());
  message.set_msg_type(NewFlowView::kCode);
  message.set_serial(0x01000002);
  message.set_flags(SsmbFlags::route_by_dst | SsmbFlags::add_tcp_offsets);
  store_signature(message.sig(),
                  {hosts.client, hosts.virtual_server, 40000, kServicePort, kProtocolTcp, 0});
  XlatView xlat = message.xlat();
  xlat.set_xlat_dst_ipaddr(server);
  xlat.set_xlat_dst_port(kNodePort);
  xlat.set_xlat_mask(XlatMask::dst_addr | XlatMask::dst_port | XlatMask::dec_ttl);
  xlat.set_seq_offset(added.seq);
  xlat.set_ack_offset(added.ack);
  xlat.set_vs_id(kService);
  xlat.set_node_id(1);
  return bytes;
}

// A connection of which 100 bytes of the client's, from 1001 on, and 200 of the server's, from 5001
// on in the client's numbers, are on their way when its offsets change.
struct Switched {
  Switched(const Hosts& its_hosts, Added earlier, Added present)
      : hosts(its_hosts), before(earlier), engine(engine_for(its_hosts)), tcp(*engine, its_hosts) {
    const auto decide = TestEngine::to_endpoint(hosts.server, kNodePort);
    engine->decide_with([=](const QueryView& query, ReplyView reply) {
      if (!decide(query, reply)) return false;
      reply.set_flags(reply.flags() | SsmbFlags::add_tcp_offsets);
      reply.xlat().set_seq_offset(earlier.seq);
      reply.xlat().set_ack_offset(earlier.ack);
      return true;
    });
    engine->from_client(tcp.client(kTcpSyn).seq(1000));
    engine->from_server(
        tcp.server(kTcpSyn | kTcpAck).seq(5000 + before.ack).ack(1001 + before.seq));
    from_client(1001, 5001, 0);
    from_client(1001, 5001, 100);
    from_server(5001, 1001, 200);
    engine->tell(new_flow(hosts, hosts.server, present));
  }

  // As the client counts, and as the server counted until the switch.
  struct Got {
    uint32_t seq, ack;
    size_t size;
    std::vector<uint32_t> sack;
    bool fin;
  };
  PacketBuilder of_client(uint32_t seq, uint32_t ack, size_t payload, uint8_t flags = kTcpAck) {
    return tcp.client(flags).seq(seq).ack(ack).payload(payload).dscp(client_dscp);
  }
  PacketBuilder of_server(uint32_t seq, uint32_t ack, size_t payload) {
    return tcp.server(kTcpAck).seq(seq + before.ack).ack(ack + before.seq).payload(payload);
  }
  Got from_client(uint32_t seq, uint32_t ack, size_t payload,
                  std::initializer_list<uint32_t> sack = {}, uint8_t flags = kTcpAck) {
    engine->clear_sent();
    PacketBuilder builder = of_client(seq, ack, payload, flags);
    if (sack.size() > 0) builder.sack(sack);
    engine->from_client(builder);
    REQUIRE(engine->to_server.size() == 1);
    return got(engine->to_server[0], before.seq, before.ack, sack.size());
  }
  Got from_server(uint32_t seq, uint32_t ack, size_t payload,
                  std::initializer_list<uint32_t> sack = {}) {
    engine->clear_sent();
    PacketBuilder builder = of_server(seq, ack, payload);
    std::vector<uint32_t> edges;
    for (const uint32_t edge : sack) edges.push_back(edge + before.seq);
    if (edges.size() == 4) builder.sack({edges[0], edges[1], edges[2], edges[3]});
    engine->from_server(builder);
    REQUIRE(engine->to_client.size() == 1);
    return got(engine->to_client[0], 0, 0, sack.size());
  }

  const Hosts& hosts;
  Added before;
  std::unique_ptr<TestEngine> engine;
  Dialogue tcp;
  uint8_t client_dscp = 0;

 private:
  static Got got(const MemoryFrame& frame, uint32_t seq, uint32_t ack, size_t edges) {
    Sent sent(frame);
    CHECK(l4_checksum_is_right(sent.packet()));
    const Headers& headers = sent.packet().headers;
    Got got{sent.tcp().seq().raw() - seq,
            sent.tcp().ack().raw() - ack,
            size_t{headers.end} - headers.payload,
            {},
            sent.tcp().has(kTcpFin)};
    for (size_t i = 0; i < edges; ++i) got.sack.push_back(sent.sack_edge(i) - ack);
    return got;
  }
};

// None, some, and such that the numbers of what comes go through zero.
inline constexpr Added kEarlier[] = {{0, 0}, {7, 0xfffffff0}, {0u - 1050, 0u - 5100}};
// Beside the earlier ones: 50 bytes come to the server that the client did not send, and 30 to the
// client.
inline Added moved(Added earlier) { return {earlier.seq + 50, earlier.ack - 30}; }

template <class Check>
void for_each_case(Check&& check) {
  for (const Hosts& hosts : both_families()) {
    for (const Added earlier : kEarlier) {
      CAPTURE(hosts.family);
      CAPTURE(earlier.seq);
      Switched flow(hosts, earlier, moved(earlier));
      check(flow);
      CHECK(flow.engine->settle() == "");
    }
  }
}

}  // namespace sluice::test
