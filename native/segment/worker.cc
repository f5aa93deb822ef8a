#include "segment/worker.h"

#include <algorithm>

#include "base/clock.h"

namespace sluice {

namespace {

// Messages carried out between two looks at the ports.
constexpr int kMessagesPerPoll = 256;

}  // namespace

void PortFigures::publish(PortId port, const PortCounters& c) {
  const uint64_t figures[kFigures] = {c.rx_frames, c.rx_bytes, c.rx_truncated, c.rx_missed,
                                      c.tx_frames, c.tx_bytes, c.tx_refused};
  for (size_t i = 0; i < kFigures; ++i) {
    values_[port][i].store(figures[i], std::memory_order_relaxed);
  }
}

Worker::Worker(const Options& options, const Shared& shared, Instant now,
               Duration wall_clock_offset)
    : shared_(shared),
      counters_(shared.counters),
      time_(now, wall_clock_offset),
      now_(now),
      pool_(options.flows.limits.packet_buffers, options.flows.limits.packet_buffers / 100 + 1),
      outbox_(shared.to_control, shared.counters),
      capture_(wall_clock_offset),
      transmitter_(shared.counters, capture_),
      stack_(options.stack, options.seed ^ 1, pool_, *this),
      flows_(options.flows, {stack_, pool_, outbox_, shared.counters, time_}, now),
      fragments_(
          {options.flows.limits.fragmented_datagrams, options.flows.limits.waiting_fragments},
          options.seed ^ 2, pool_, shared.counters),
      hand_over_(shared.team, options.index, shared.counters),
      bridge_(options.forwarding == Forwarding::bridge
                  ? new Bridge(options.seed, transmitter_, shared.counters, hand_over_)
                  : nullptr),
      frames_(flows_, stack_, transmitter_, bridge_.get(), shared.counters, options.seed ^ 6),
      datagrams_({options.flows.limits.connections, options.index, options.seed},
                 {flows_, stack_, frames_, shared.to_sockets, shared.counters, hand_over_}),
      connections_({options.flows.limits.connections, options.flows.limits.buffer_bytes,
                    options.flows.limits.windows_for, options.flows.timeouts.time_wait,
                    options.index, options.seed, options.syn_cookies, options.cookie_secret},
                   {flows_, stack_, frames_, shared.from_sockets, shared.to_sockets,
                    shared.counters, hand_over_, time_, datagrams_},
                   now),
      pipeline_(options.forwarding == Forwarding::route,
                {flows_, fragments_, stack_, transmitter_, shared.counters, hand_over_, *this,
                 options.seed ^ 3, connections_, datagrams_, bridge_.get()}),
      control_link_({flows_, stack_, outbox_, shared.counters, shared.team}),
      sleeper_(shared.team.sleeper(options.index)) {
  if (options.index > 0) stack_.leave_announcements_to_others();
}

PortId Worker::add_port(std::unique_ptr<Port> port, bool internal) {
  SLUICE_CHECK(ports_.size() < kMaxPorts);
  const auto id = static_cast<PortId>(ports_.size());
  const uint16_t mtu = port->capabilities().mtu;
  if (bridge_) bridge_->add_port(id, port->mac(), mtu);
  if (bridge_ && id > 0) {
    stack_.join_port(id, 0, mtu);
  } else {
    stack_.add_port(id, port->mac(), mtu);
  }
  pipeline_.add_port(id, port->mac(), mtu, internal);
  transmitter_.add_port(id, port.get());
  ports_.push_back(std::move(port));
  truncated_.push_back(0);
  return id;
}

bool Worker::poll(Instant now) {
  now_ = now;
  frames_.begin(now);
  capture_.poll();
  bool worked = handle_messages(now);
  worked |= connections_.handle_messages(now);
  for (PortId id = 0; id < ports_.size(); ++id) worked |= receive(now, id);
  for (uint32_t from = 0; from < hand_over_.team_size(); ++from) worked |= take_over(now, from);
  fragments_.poll(now);
  flows_.poll(now);
  connections_.poll(now);
  stack_.poll(now);
  if (bridge_) bridge_->poll(now);
  control_link_.poll(now);
  datagrams_.tell();
  connections_.tell(now);  // what any of these has ended, too
  publish_figures();
  hand_over_.wake();
  return worked;
}

// A batch from each of the others, as from each port: what a poll of theirs may give.
bool Worker::take_over(Instant now, uint32_t from) {
  if (from == hand_over_.own() || !hand_over_.take(from, batch_)) return false;
  pipeline_.take_over(now, batch_);
  frames_.flush();
  hand_over_.release(from);
  resume_fragments(now);
  return true;
}

bool Worker::receive(Instant now, PortId id) {
  Port& port = *ports_[id];
  batch_.count = 0;
  const bool some = port.receive(now, batch_) > 0;
  if (some) {
    for (Packet& packet : batch_.all()) packet.in_port = id;
    capture_.received(now, id, batch_.all());
    pipeline_.process(now, batch_);
    frames_.flush();
  }
  port.release();
  resume_fragments(now);
  const uint64_t truncated = port.counters().rx_truncated - truncated_[id];
  if (truncated > 0) {
    truncated_[id] += truncated;
    counters_.raise(Counter::received, truncated);
    counters_.raise(DropReason::truncated, truncated);
  }
  return some;
}

bool Worker::handle_messages(Instant now) {
  int handled = 0;
  for (; handled < kMessagesPerPoll; ++handled) {
    const ByteSpan message = shared_.from_control.front();
    if (message.empty()) break;
    if (!control_link_.handle(now, message)) break;
    shared_.from_control.pop();
  }
  resume_waiting(now, flows_.released(), [this](PooledPacket* packet) { flows_.done(packet); });
  return handled > 0;
}

// What came before the first fragment of its datagram follows it.
void Worker::resume_fragments(Instant now) {
  resume_waiting(now, fragments_.released(),
                 [this](PooledPacket* packet) { fragments_.done(packet); });
}

template <class Done>
void Worker::resume_waiting(Instant now, PacketQueue& packets, Done done) {
  while (!packets.empty()) {
    std::array<PooledPacket*, kBatchCapacity> held;
    batch_.count = 0;
    while (!packets.empty() && batch_.count < kBatchCapacity) {
      held[batch_.count] = packets.pop();
      batch_.packets[batch_.count] = held[batch_.count]->packet;
      ++batch_.count;
    }
    pipeline_.resume(now, batch_);
    frames_.flush();
    for (size_t i = 0; i < batch_.count; ++i) done(held[i]);
  }
}

void Worker::publish_figures() {
  const StackCounters stack = stack_.counters();
  counters_.set(Counter::neighbor_packets, stack.held_packets);
  counters_.set(Counter::address_conflicts, stack.address_conflicts);
  counters_.set(Counter::duplicate_addresses, stack.duplicate_addresses);
  counters_.set(Counter::icmp_errors, stack.icmp_errors);
  counters_.set(Counter::icmp_errors_limited, stack.icmp_errors_limited);
  counters_.set(Counter::pool_buffers, pool_.used());
  datagrams_.publish();
  for (PortId id = 0; id < ports_.size(); ++id) shared_.ports.publish(id, ports_[id]->counters());
}

Instant Worker::deadline(Instant now) const {
  Instant earliest = std::min(flows_.deadline(now), stack_.deadline());
  earliest = std::min(
      {earliest, control_link_.deadline(), fragments_.deadline(), connections_.deadline(now)});
  // A message waits until the control segment has read what was told to it, and so does news.
  if (!shared_.from_control.empty() || datagrams_.has_news()) {
    earliest = std::min(earliest, now + Duration::milliseconds(1));
  }
  for (const auto& port : ports_) {
    if (port->deadline() < earliest) earliest = port->deadline();
  }
  return earliest;
}

void Worker::originate(PortId port, Packet& frame) {
  const bool sent = bridge_ ? bridge_->send(now_, frame) : transmitter_.send(now_, port, frame);
  counters_.raise(sent ? Counter::originated : Counter::originated_lost);
}

void Worker::resume(PortId port, std::span<Packet* const> packets) {
  if (!bridge_) return transmitter_.forward(now_, port, packets);
  for (Packet* packet : packets) bridge_->forward(now_, *packet);
  transmitter_.flush(now_);
}

void Worker::give_up(const Packet& packet) {
  if (packet.origin == PacketOrigin::own) {
    counters_.raise(Counter::originated_lost);
  } else {
    counters_.raise(packet.drop_reason);
  }
  pipeline_.give_up(now_, packet);
}

// -- the loop

void Worker::run(const std::atomic<bool>& stop, const std::function<void()>& notify) {
  while (!stop.load(std::memory_order_relaxed)) {
    const uint32_t wakes = sleeper_.wakes();
    const Instant now = monotonic_now();
    const bool worked = poll(now);
    const bool stream_news = connections_.take_news();
    const bool datagram_news = datagrams_.take_news();
    if (outbox_.take_news() || stream_news || datagram_news) notify();
    if (!worked) sleep(now, wakes);
  }
}

void Worker::sleep(Instant now, uint32_t wakes) {
  const Instant until = deadline(now);
  if (until <= now) return;
  pollfd descriptors[1 + kMaxPorts];
  size_t count = 1;
  for (const auto& port : ports_) {
    if (port->wait_fd() >= 0) descriptors[count++] = {port->wait_fd(), POLLIN, 0};
  }
  sleeper_.sleep(wakes, {descriptors, count}, until - now);
}

}  // namespace sluice
