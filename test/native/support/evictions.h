// Tables that are soon full, and who gave way in them.
#pragma once

#include <vector>

#include "support/dialogue.h"

namespace sluice::test {

inline TestEngineOptions table_of(uint32_t flows) {
  TestEngineOptions options;
  options.limits = {.flows = flows,
                    .waiting_flows = flows,
                    .waiting_packets = 8,
                    .packet_buffers = 2048,
                    .fragmented_datagrams = 64,
                    .waiting_fragments = 32,
                    .bus_bytes = 1 << 20};
  return options;
}

// Client ports of the flows that were told as evicted, oldest message first: by a STATE where the
// session may go on, else by a DELETE.
inline std::vector<L4Port> evicted(const TestEngine& engine) {
  std::vector<L4Port> ports;
  for (TestEngine::Bytes message : engine.told) {
    const StateView state(message.data());
    const DeleteView end(message.data());
    const bool may_go_on = message[0] == StateView::kCode;
    if (may_go_on ? state.error_code() == SsmbError::evicted
                  : message[0] == DeleteView::kCode && end.reason() == EndReason::overflow) {
      ports.push_back(end.sig().src_port());
    }
  }
  return ports;
}

// What the control segment says of a session that it knows, asked from either side.
inline TestEngine::Decider go_on_at(const Hosts& hosts) {
  return [&hosts, forward = TestEngine::to_endpoint(hosts.server, kNodePort)](
             const QueryView& query, ReplyView reply) {
    if ((query.flags() & SsmbFlags::outbound) == 0) return forward(query, reply);
    XlatView xlat = reply.xlat();
    xlat.set_xlat_src_ipaddr(hosts.virtual_server);
    xlat.set_xlat_src_port(kServicePort);
    xlat.set_xlat_mask(XlatMask::src_addr | XlatMask::src_port | XlatMask::dec_ttl);
    reply.set_flags(reply.flags() | SsmbFlags::route_by_dst);
    return true;
  };
}

// And where its server asks by anything but the answer to a SYN.
inline TestEngine::Decider resume_at(const Hosts& hosts) {
  return [go_on = go_on_at(hosts)](const QueryView& query, ReplyView reply) {
    go_on(query, reply);
    if (query.flags() & SsmbFlags::outbound) reply.set_flags(reply.flags() | SsmbFlags::resumed);
    return true;
  };
}

}  // namespace sluice::test
