#include "segment/segment.h"

#include <algorithm>

#include "base/clock.h"
#include "base/entropy.h"
#include "port/port_factory.h"
#include "segment/segment_checks.h"

namespace sluice {

namespace {

Worker::Options worker_options(const SegmentOptions& options) {
  Worker::Options worker;
  worker.seed = draw_seed();
  worker.forward = options.forward;
  worker.flows = {options.limits, options.timeouts, options.node, worker.seed};
  worker.stack.neighbors = options.limits.neighbors;
  // What waits for a decision has the larger part of the pool.
  worker.stack.held_packets = std::max<size_t>(options.limits.packet_buffers / 4, 1);
  return worker;
}

}  // namespace

Segment::Segment(const SegmentOptions& options, std::function<void()> notify)
    : from_control_(options.limits.bus_bytes),
      to_control_(options.limits.bus_bytes),
      notify_(std::move(notify)) {
  const Worker::Shared shared{from_control_, to_control_, counters_, port_figures_};
  worker_ =
      std::make_unique<Worker>(worker_options(options), shared, monotonic_now(), wall_clock_us());
}

Result<std::unique_ptr<Segment>> Segment::start(const SegmentOptions& options,
                                                std::function<void()> notify) {
  Status sound = check_options(options);
  if (!sound.ok()) return sound.error();
  std::unique_ptr<Segment> segment(new Segment(options, std::move(notify)));
  Status configured = segment->configure(options);
  if (!configured.ok()) return configured.error();
  segment->thread_ = std::thread([raw = segment.get()] { raw->run(); });
  return segment;
}

Status Segment::configure(const SegmentOptions& options) {
  for (const SegmentPort& wanted : options.ports) {
    PortOptions port_options = wanted.options;
    port_options.wall_clock_offset = Duration::microseconds(static_cast<int64_t>(wall_clock_us())) -
                                     Duration::nanoseconds(monotonic_now().nanoseconds());
    Result<std::unique_ptr<Port>> port = open_port(port_options);
    if (!port.ok()) return port.error();
    port_descriptions_.push_back(port.value()->description());
    const PortId id = worker_->add_port(std::move(port.value()), wanted.internal);
    for (const InterfaceAddress& own : wanted.options.addresses) {
      worker_->stack().add_address(id, own.address, own.prefix_length);
    }
  }
  port_count_ = options.ports.size();
  for (const SegmentRoute& route : options.routes) {
    Status added = worker_->stack().add_route(route.to.address, route.to.prefix_length, route.via);
    if (!added.ok()) return added;
  }
  return Done{};
}

Segment::~Segment() {
  stop_.store(true);
  worker_->wake();
  if (thread_.joinable()) thread_.join();
}

void Segment::run() {
  worker_->run(stop_, [this] {
    if (!notified_.exchange(true)) notify_();
  });
}

size_t Segment::submit(ConstByteSpan messages) {
  size_t taken = 0;
  while (taken < messages.size()) {
    const ConstByteSpan rest = messages.subspan(taken);
    const size_t length = message_length(rest);
    const size_t record = length != 0 ? length : rest.size();
    // Too long for any message: the worker counts what it can see of it.
    const size_t shown = length != 0 ? length : std::min(rest.size(), size_t{64});
    if (!from_control_.push(rest.first(shown))) break;
    taken += record;
  }
  if (taken > 0) worker_->wake();
  return taken;
}

size_t Segment::drain(ByteSpan into) {
  notified_.store(false);
  return to_control_.drain(into);
}

size_t Segment::read_counters(std::span<uint64_t> into) const {
  size_t filled = 0;
  const auto add = [&](uint64_t value) {
    if (filled < into.size()) into[filled] = value;
    ++filled;
  };
  for (size_t i = 0; i < Counters::kSize; ++i) add(counters_.read(i));
  for (size_t port = 0; port < port_count_; ++port) {
    for (size_t i = 0; i < PortFigures::kFigures; ++i) {
      add(port_figures_.read(static_cast<PortId>(port), i));
    }
  }
  return filled;
}

}  // namespace sluice
