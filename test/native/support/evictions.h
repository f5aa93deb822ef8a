// Tables that are soon full, and who gave way in them.
#pragma once

#include <vector>

#include "support/test_engine.h"

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

}  // namespace sluice::test
