#include "segment/segment.h"

#include <pthread.h>

#include <algorithm>

#include "base/clock.h"
#include "base/entropy.h"
#include "bus/signature.h"
#include "port/port_factory.h"
#include "segment/segment_checks.h"

namespace sluice {

namespace {

// STATE cursors: the worker in the upper bits, the place in its flow table in the lower.
constexpr int kCursorBits = 56;

uint64_t first_cursor(uint32_t worker) { return uint64_t{worker} << kCursorBits; }

// Each worker's part of what they share, rounded up. Smaller tables than this serve nobody.
SegmentLimits share_of(const SegmentLimits& all, uint32_t workers) {
  constexpr uint32_t kFewest = 16;
  const auto part = [&](uint32_t limit) {
    return std::max((limit + workers - 1) / workers, std::min(limit, kFewest));
  };
  SegmentLimits own = all;
  own.flows = part(all.flows);
  own.waiting_flows = part(all.waiting_flows);
  own.packet_buffers = part(all.packet_buffers);
  own.connections = part(all.connections);
  own.time_waits = part(all.time_waits);
  own.buffer_bytes = all.buffer_bytes / workers;
  own.windows_for = (all.windows_for + workers - 1) / workers;
  own.fragmented_datagrams = part(all.fragmented_datagrams);
  own.waiting_fragments = part(all.waiting_fragments);
  return own;
}

Worker::Options worker_options(const SegmentOptions& options, uint32_t index, uint64_t seed) {
  Worker::Options worker;
  worker.index = index;
  worker.seed = seed + index;
  worker.forwarding = options.forwarding;
  worker.syn_cookies = options.syn_cookies;
  // Nothing that peers see is made of it but cookies: no other hash of ours gives it away.
  worker.cookie_secret = {draw_seed(), draw_seed()};
  worker.flows = {share_of(options.limits, options.workers), options.timeouts,
                  static_cast<uint8_t>(options.node + index), worker.seed};
  worker.flows.first_cursor = first_cursor(index);
  worker.flows.cursor_after = index + 1 < options.workers ? first_cursor(index + 1) : 0;
  worker.flows.bridges = options.forwarding == Forwarding::bridge;
  worker.stack.neighbors = options.limits.neighbors;
  // What waits for a decision has the larger part of the pool.
  worker.stack.held_packets = std::max<size_t>(worker.flows.limits.packet_buffers / 4, 1);
  return worker;
}

Status pin(std::thread& thread, uint32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
  const int error_number = pthread_setaffinity_np(thread.native_handle(), sizeof set, &set);
  if (error_number == 0) return Done{};
  return Error{
      "run a worker on CPU " + std::to_string(cpu), error_number,
      "Name CPUs that this process may use (`taskset -p` and /proc/cpuinfo tell), or leave "
      "`cpus` out."};
}

}  // namespace

Segment::Member::Member(const SegmentOptions& options, uint32_t index, uint64_t seed,
                        WorkerTeam& team)
    : from_control(options.limits.bus_bytes),
      to_control(options.limits.bus_bytes),
      from_sockets(options.limits.stream_bytes),
      to_sockets(options.limits.stream_bytes),
      worker(worker_options(options, index, seed),
             {from_control, to_control, from_sockets, to_sockets, counters, port_figures, team},
             monotonic_now(), wall_clock_offset()) {}

Segment::Segment(const SegmentOptions& options, std::function<void()> notify)
    : node_(options.node),
      team_(Steering(draw_seed(), options.workers)),
      notify_(std::move(notify)) {
  const uint64_t seed = draw_seed();
  // Where the kernel takes no program, what it steers to the wrong worker is handed over.
  if (options.workers > 1) {
    Result<SteeringPrograms> programs = SteeringPrograms::load(team_.steering());
    team_.steer_by(programs.ok() ? std::move(programs.value())
                                 : SteeringPrograms::refused(programs.error().error_number));
  }
  for (uint32_t index = 0; index < options.workers; ++index) {
    members_.push_back(std::make_unique<Member>(options, index, seed, team_));
  }
}

Result<std::unique_ptr<Segment>> Segment::start(const SegmentOptions& options,
                                                std::function<void()> notify) {
  Status sound = check_options(options);
  if (!sound.ok()) return sound.error();
  std::unique_ptr<Segment> segment(new Segment(options, std::move(notify)));
  Status configured = segment->configure(options);
  if (!configured.ok()) return configured.error();
  Status running = segment->run(options);
  if (!running.ok()) return running.error();
  return segment;
}

Status Segment::configure(const SegmentOptions& options) {
  const bool any_internal = std::any_of(options.ports.begin(), options.ports.end(),
                                        [](const SegmentPort& port) { return port.internal; });
  for (const SegmentPort& wanted : options.ports) {
    Status added = add_port(wanted, steering_of_port(wanted.internal, any_internal));
    if (!added.ok()) return added;
  }
  for (const SegmentRoute& route : options.routes) {
    for (const auto& member : members_) {
      Status added =
          member->worker.stack().add_route(route.to.address, route.to.prefix_length, route.via);
      if (!added.ok()) return added;
    }
  }
  return Done{};
}

// Each worker gets a port of its own on the device.
Status Segment::add_port(const SegmentPort& wanted, SteerBy others) {
  PortOptions options = wanted.options;
  options.wall_clock_offset = wall_clock_offset();
  Result<std::vector<std::unique_ptr<Port>>> ports =
      open_ports(options, team_.size(), team_.program(others));
  if (!ports.ok()) return ports.error();
  port_names_.push_back(options.name);
  port_descriptions_.push_back(ports.value().front()->description());
  restores_settings_ |= ports.value().front()->restores_settings();
  const std::span<const IpAddress> shared = ports.value().front()->host_addresses();
  const std::vector<IpAddress> hosts(shared.begin(), shared.end());
  for (size_t i = 0; i < members_.size(); ++i) {
    Worker& worker = members_[i]->worker;
    const PortId id = worker.add_port(std::move(ports.value()[i]), wanted.internal);
    for (const InterfaceAddress& own : wanted.options.addresses) {
      worker.stack().add_address(id, own.address, own.prefix_length);
    }
    worker.stack().leave_to_host(hosts);
  }
  for (const InterfaceAddress& own : wanted.options.addresses) team_.set_own(own.address, true);
  return Done{};
}

Status Segment::run(const SegmentOptions& options) {
  for (size_t i = 0; i < members_.size(); ++i) {
    Member& member = *members_[i];
    member.thread = std::thread([this, &member] {
      member.worker.run(stop_, [this] {
        if (!notified_.exchange(true)) notify_();
      });
    });
    if (i >= options.cpus.size()) continue;
    Status pinned = pin(member.thread, options.cpus[i]);
    if (!pinned.ok()) return pinned;
  }
  return Done{};
}

Segment::~Segment() {
  stop_.store(true);
  for (const auto& member : members_) {
    member->worker.wake();
    if (member->thread.joinable()) member->thread.join();
  }
}

size_t Segment::submit(ConstByteSpan messages) {
  size_t taken = 0;
  uint64_t reached = 0;
  while (taken < messages.size()) {
    const ConstByteSpan rest = messages.subspan(taken);
    const size_t length = message_length(rest);
    const size_t record = length != 0 ? length : rest.size();
    // Too long for any message: the worker counts what it can see of it.
    const size_t shown = length != 0 ? length : std::min(rest.size(), size_t{64});
    if (!deliver(rest.first(shown), reached)) break;
    taken += record;
  }
  wake(reached);
  return taken;
}

void Segment::wake(uint64_t workers) {
  for (size_t i = 0; i < members_.size(); ++i) {
    if (workers >> i & 1) members_[i]->worker.wake();
  }
}

size_t Segment::write_streams(ConstByteSpan messages) {
  size_t taken = 0;
  uint64_t reached = 0;
  while (taken < messages.size()) {
    const ConstByteSpan rest = messages.subspan(taken);
    const size_t length = stream_length(rest);
    // Where none begins, a worker counts what it can see of it, and the rest is passed over.
    const size_t shown = length != 0 ? length : std::min(rest.size(), size_t{64});
    const uint32_t worker = length != 0 ? worker_of_socket(rest.first(length)) : 0;
    if (!members_[worker]->from_sockets.push(rest.first(shown))) break;
    reached |= uint64_t{1} << worker;
    taken += length != 0 ? std::min(stream_stride(length), rest.size()) : rest.size();
  }
  wake(reached);
  return taken;
}

const RelayProgress* Segment::relay_progress(uint32_t socket) const {
  const uint32_t worker = SocketTable::worker_of(socket);
  return worker < members_.size() ? members_[worker]->worker.relay_progress(socket) : nullptr;
}

// A connection from an address of ours is at home where its answers come, whoever it belongs to.
uint32_t Segment::worker_of_socket(ConstByteSpan message) const {
  uint8_t* bytes = const_cast<uint8_t*>(message.data());  // views have setters, too
  const uint32_t socket = StreamHeader(bytes).socket();
  if (message[0] == OpenSocketView::kCode) {
    const OpenSocketView open(bytes);
    const bool belongs = (socket & SocketTable::kPlaceMask) != 0;
    if (!belongs || open.src_ipaddr().is_zero()) {
      return team_.steering().worker_of(open.dst_ipaddr(), open.dst_port());
    }
  }
  const uint32_t worker = SocketTable::worker_of(socket);
  return worker < members_.size() ? worker : 0;
}

// A CSMB message and a RESET go to all workers or to none. Adds the workers reached, a bit for
// each.
bool Segment::deliver(ConstByteSpan message, uint64_t& reached) {
  if (message[0] != 0 && message[0] != ResetView::kCode) {
    const uint32_t worker = worker_for(message);
    if (!members_[worker]->from_control.push(message)) return false;
    reached |= uint64_t{1} << worker;
    return true;
  }
  for (const auto& member : members_) {
    if (!member->from_control.has_room(message.size())) return false;
  }
  for (const auto& member : members_) member->from_control.push(message);
  reached = ~uint64_t{0};
  return true;
}

// The worker that asked, by the node in the serial; for a flow that nobody here asked for, the one
// to which its packets come. What cannot be read is counted by the first.
uint32_t Segment::worker_for(ConstByteSpan message) const {
  if (members_.size() == 1 || message_length(message) != message.size()) return 0;
  uint8_t* bytes = const_cast<uint8_t*>(message.data());  // views have setters, too
  if (message[0] == StateReqView::kCode) {
    const uint64_t worker = StateReqView(bytes).cursor() >> kCursorBits;
    return worker < members_.size() ? static_cast<uint32_t>(worker) : 0;
  }
  // All others begin with the signature of a flow, as a REPLY does.
  if (message.size() < ReapView::kSize) return 0;
  const ReplyView reply(bytes);
  const uint32_t index = (reply.serial() >> 24 & 0x7f) - node_;
  const bool ours = (reply.serial() >> 31) != 0;  // made by a data flow segment
  if (ours && index < members_.size()) return index;
  const FlowKey key = load_signature(reply.sig());
  if (reply.flags() & SsmbFlags::outbound) return team_.steering().worker_of(key.dst, key.dst_port);
  return team_.steering().worker_of(key.src, key.src_port);
}

void Segment::homes_of(const IpAddress& address, L4Port first, std::span<uint8_t> into) const {
  for (size_t i = 0; i < into.size() && first + i <= 0xffff; ++i) {
    const auto port = static_cast<L4Port>(first + i);
    into[i] = static_cast<uint8_t>(team_.steering().worker_of(address, port));
  }
}

size_t Segment::drain(ByteSpan into) { return drain(&Member::to_control, drain_first_, into); }

size_t Segment::read_streams(ByteSpan into) {
  return drain(&Member::to_sockets, read_first_, into);
}

size_t Segment::drain(MessageRing Member::*ring, uint32_t& first, ByteSpan into) {
  notified_.store(false);
  const auto workers = static_cast<uint32_t>(members_.size());
  size_t filled = 0;
  for (uint32_t i = 0; i < workers; ++i) {
    filled += ((*members_[(first + i) % workers]).*ring).drain(into.subspan(filled));
  }
  // Another one begins next time: none waits for ever behind a full ring.
  first = (first + 1) % workers;
  return filled;
}

bool Segment::start_capture(const CaptureOrder& order) {
  for (const auto& member : members_) {
    if (member->worker.capture().start(order)) continue;
    stop_capture();
    return false;
  }
  return true;
}

void Segment::stop_capture() {
  for (const auto& member : members_) {
    member->worker.capture().stop();
    member->worker.wake();
  }
}

std::vector<uint8_t> Segment::capture_head(uint32_t most_bytes) const {
  std::vector<uint8_t> head(kSectionBlock);
  write_section_block(head);
  for (const std::string& name : port_names_) {
    const size_t before = head.size();
    head.resize(before + interface_block_size(name));
    write_interface_block(ByteSpan(head).subspan(before), name, most_bytes);
  }
  return head;
}

size_t Segment::drain_capture(ByteSpan into) {
  size_t filled = 0;
  for (const auto& member : members_) {
    filled += member->worker.capture().drain(into.subspan(filled));
  }
  return filled;
}

std::vector<uint8_t> Segment::capture_tail() const {
  std::vector<uint8_t> tail(kStatisticsBlock * port_names_.size());
  const auto now = static_cast<uint64_t>((monotonic_now() + wall_clock_offset()).nanoseconds());
  size_t filled = 0;
  for (PortId port = 0; port < port_names_.size(); ++port) {
    uint64_t taken = 0;
    uint64_t lost = 0;
    for (const auto& member : members_) {
      taken += member->worker.capture().taken(port);
      lost += member->worker.capture().lost(port);
    }
    filled += write_statistics_block(ByteSpan(tail).subspan(filled), port, now, taken + lost, lost);
  }
  return tail;
}

size_t Segment::read_counters(std::span<uint64_t> into) const {
  size_t filled = 0;
  const auto add = [&](auto read) {
    uint64_t sum = 0;
    for (const auto& member : members_) sum += read(*member);
    // A packet on its way may have been counted by its receiver and not yet by its sender.
    if (static_cast<int64_t>(sum) < 0) sum = 0;
    if (filled < into.size()) into[filled] = sum;
    ++filled;
  };
  for (size_t i = 0; i < Counters::kSize; ++i) {
    add([i](const Member& member) { return member.counters.read(i); });
  }
  for (size_t port = 0; port < port_names_.size(); ++port) {
    for (size_t i = 0; i < PortFigures::kFigures; ++i) {
      add([&](const Member& member) {
        return member.port_figures.read(static_cast<PortId>(port), i);
      });
    }
  }
  return filled;
}

}  // namespace sluice
