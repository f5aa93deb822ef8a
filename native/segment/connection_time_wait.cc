// The part of Connections for those that are over and have still to answer (MEM-08, MEM-11): they
// have neither connection, nor socket, nor leg any more.

#include "segment/connections.h"
#include "segment/whole_packet.h"
#include "tcp/closed.h"

namespace sluice {

namespace {

// Sends for one that has no leg. It refers to no next hop either: few of them ever say anything.
class AnswerSink final : public SegmentSink {
 public:
  AnswerSink(const FlowKey& key, Instant now, Stack& stack, SegmentFrames& frames,
             Counters& counters)
      : key_(key), now_(now), stack_(stack), frames_(frames), counters_(counters) {}

  void send(LegIndex, const OutgoingSegment& segment) override {
    DropReason why;
    const NextHop hop = stack_.acquire_next_hop(now_, key_.src, why);
    if (hop == kNoNextHop) return counters_.raise(Counter::originated_lost);
    frames_.send_answer(key_, hop, segment);
    stack_.release_next_hop(hop);
  }

 private:
  const FlowKey& key_;  // of what arrives
  Instant now_;
  Stack& stack_;
  SegmentFrames& frames_;
  Counters& counters_;
};

}  // namespace

bool Connections::time_wait_arrives(Instant now, Packet& packet) {
  const TimeWaitTable::Index index = flows_.time_waits().find(packet.key);
  if (index == TimeWaitTable::kNone) return false;
  const bool outbound = flows_.time_waits()[index].outbound;
  const VirtualServer* server = outbound ? nullptr : flows_.virtual_servers().find(packet.key);
  if (!outbound && (server == nullptr || !server->ends_connections())) {
    flows_.time_waits().remove(index);  // it has gone, and so has what there was to answer for
    return false;
  }
  if (!is_whole(packet)) return true;
  packet.verdict = Verdict::deliver;
  frames_.begin(now);
  AnswerSink sink(packet.key, now, stack_, frames_, counters_);
  TcpFlow& flow = tcp_flow_in(flows_.time_waits()[index].tcp);
  const TcpSegment segment = read_segment(packet);
  if (flow.state != ConnectionState::time_wait) {
    // It was given up before it was established (RFC 9293 3.10.7.1).
    const std::optional<SegmentHeader> reset = answer_in_closed(segment);
    if (reset) send_alone(sink, kNoLeg, *reset, 0);
    return true;
  }
  switch (answer_past(now, flow, packet.key, segment, sink, kNoLeg)) {
    case TimeWaitAnswer::restart: flows_.time_waits().restart(index, time_.tick(now)); break;
    case TimeWaitAnswer::reuse: return outbound || begin_anew(now, packet, index, *server);
    case TimeWaitAnswer::none:
    case TimeWaitAnswer::answered: break;
  }
  return true;
}

// `key` is that of what arrives.
TimeWaitAnswer Connections::answer_past(Instant now, TcpFlow& flow, const FlowKey& key,
                                        const TcpSegment& segment, SegmentSink& sink,
                                        LegIndex leg) const {
  const uint32_t timestamp = Tcp::timestamp(tcp_.timestamp_offset(key.reversed()), now);
  return answer_in_time_wait(flow, leg, segment, Tcp::tick(now), timestamp, sink);
}

// A SYN for a server that may take no more (VS-24). Nobody listens where we were the client.
bool Connections::begin_anew(Instant now, Packet& packet, TimeWaitTable::Index index,
                             const VirtualServer& server) {
  packet.verdict = Verdict::none;
  if (server.maintenance) {
    flows_.time_waits().remove(index);
    return false;
  }
  accept(now, packet, server, tcp_flow_in(flows_.time_waits()[index].tcp).snd_nxt);
  return true;
}

// In batches, as they come; where there is no room our own 2MSL holds.
void Connections::leave_to_time_wait(Instant now, const Socket& socket, LegIndex leg) {
  const TimeWaitTable::Index kept =
      flows_.keep_in_time_wait(now, leg, options_.time_wait, EndReason::fin);
  say<TimeWaitView>(sockets_.id_of(0), [&](TimeWaitView message) {
    message.set_entry(kept);
    message.set_serial(flows_.time_waits()[kept].serial);
    message.set_vs_id(socket.vs);
    message.set_bytes_freed(sizeof(Connection));
    message.set_in_time_wait(flows_.time_waits().count());
  });
}

// Of a connection with the same signature, which is over.
std::optional<Seq> Connections::end_of_earlier(const FlowKey& key) const {
  const TimeWaitTable::Index index = flows_.time_waits().find(key);
  if (index == TimeWaitTable::kNone) return std::nullopt;
  return tcp_flow_in(flows_.time_waits()[index].tcp).snd_nxt;
}

void Connections::keep_time_wait(Instant now, const KeepTimeWaitView& message) {
  TimeWaitTable& table = flows_.time_waits();
  if (!table.knows(message.entry(), message.serial())) {
    return counters_.raise(Counter::messages_stale);
  }
  if (message.keep_ms() == 0) return table.remove(message.entry());
  table.keep(message.entry(), time_.tick(now), Duration::milliseconds(message.keep_ms()));
}

}  // namespace sluice
