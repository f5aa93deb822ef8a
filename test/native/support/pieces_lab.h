// Clients of a protocol that the engine does not know, whose first message comes in pieces.
#pragma once

#include <string_view>

#include "support/inspect_lab.h"

namespace sluice::test {

inline const ProxyOptions kRaw{.flags = VsFlags::raw_proxy};

inline std::string_view data_of(const QueryView& query) {
  const ByteSpan data = AppQueryView(query.data()).app_data();
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

inline void want_more(ReplyView reply, size_t seen) {
  reply.set_flags(reply.flags() | SsmbFlags::more);
  reply.xlat().set_seq_offset(static_cast<uint32_t>(seen));
}

// Waits for the end of a line, and sends its client to the server then.
inline TestEngine::Decider by_line(const Hosts& hosts) {
  return [&hosts](const QueryView& query, ReplyView reply) {
    const std::string_view data = data_of(query);
    if (data.find('\n') != std::string_view::npos) {
      return TestEngine::to_endpoint(hosts.server, kChosenPort)(query, reply);
    }
    want_more(reply, data.size());
    return true;
  };
}

struct PiecesLab : InspectLab {
  explicit PiecesLab(const Hosts& hosts, const ProxyOptions& options = kRaw,
                     const TestEngineOptions& engine_options = {})
      : InspectLab(hosts, options, engine_options) {
    client.call(engine.now(), [](TcpTurn& turn, Connection& c) { set_no_delay(turn, c, true); });
    engine.decide_with(by_line(hosts));
  }
  // The answer to a question of before.
  void answer(size_t index, const TestEngine::Decider& decider) {
    engine.tell(TestEngine::reply_to(engine.told_of<AppQueryView>()[index], decider));
    settle();
  }
  // What is decided of a question, told of its own accord.
  void tell_newflow(size_t index, const TestEngine::Decider& decider) {
    TestEngine::Bytes told = TestEngine::reply_to(engine.told_of<AppQueryView>()[index], decider);
    told.resize(NewFlowView::kSize);
    NewFlowView(told.data()).set_msg_type(NewFlowView::kCode);
    engine.tell(told);
    settle();
  }
  void answer_more(size_t index, size_t seen) {
    answer(index, [&](const QueryView&, ReplyView reply) {
      want_more(reply, seen);
      return true;
    });
  }
  void reset_by_client() {
    client.call(engine.now(),
                [&](TcpTurn& turn, Connection& c) { client.note(engine.now(), abort(turn, c)); });
  }
};

}  // namespace sluice::test
