#include "segment/live_capture.h"

#include <algorithm>

#include "flow/virtual_server_table.h"
#include "packet/parse.h"

namespace sluice {

namespace {

const IpAddress kAnyV4 = IpAddress::v4(0);

bool concerns(const FlowKey& key, const IpAddress& host) {
  return key.src == host || key.dst == host;
}

bool is_of(const CaptureOrder::Endpoint& wanted, const IpAddress& address, L4Port port) {
  const bool any = wanted.address.is_zero() || wanted.address == kAnyV4;
  if (any ? wanted.address.is_v4() != address.is_v4() : wanted.address != address) return false;
  return wanted.port == 0 || wanted.port == port;
}

bool concerns(const Packet& packet, const CaptureOrder::Endpoint& endpoint) {
  const FlowKey& key = packet.key;
  CaptureOrder::Endpoint wanted = endpoint;
  if (!packet.headers.has_key) {
    wanted.port = 0;
  } else if (endpoint.protocol != kAnyProtocol && packet.headers.protocol != endpoint.protocol) {
    return false;
  }
  return is_of(wanted, key.src, key.src_port) || is_of(wanted, key.dst, key.dst_port);
}

// By its own headers: what the pipeline knows of it may be of before its rewrite, or nothing yet.
bool is_wanted(const CaptureOrder& order, const Packet& packet) {
  if (!order.host && !order.endpoint) return true;
  Packet view = packet;
  view.verdict = Verdict::none;
  view.headers = {};
  view.key = {};
  parse(view);
  if (view.verdict == Verdict::drop || view.headers.family == 0) return false;
  if (order.host && !concerns(view.key, *order.host)) return false;
  return !order.endpoint || concerns(view, *order.endpoint);
}

}  // namespace

bool LiveCapture::start(const CaptureOrder& order) {
  if (wanted_.load() != nullptr || seen_.load() != nullptr) return false;
  while (!ring_.front().empty()) ring_.pop();  // of the last one
  for (Figures& figures : figures_) {
    figures.taken.store(0);
    figures.lost.store(0);
    figures.lost_since = 0;
  }
  order_ = order;
  wanted_.store(&order_, std::memory_order_release);
  return true;
}

void LiveCapture::record(Instant now, PortId port, CaptureDirection direction,
                         const Packet& packet) {
  if ((active_->ports >> port & 1) == 0 || !is_wanted(*active_, packet)) return;
  Figures& figures = figures_[port];
  const auto wall_clock = static_cast<uint64_t>((now + wall_clock_offset_).nanoseconds());
  const uint32_t kept = std::min(packet.length, active_->most_bytes);
  const FrameRecord frame{port,          wall_clock,        direction, {packet.data, kept},
                          packet.length, figures.lost_since};
  const ByteSpan room = ring_.reserve(frame_block_size(frame));
  if (room.empty()) {
    ++figures.lost_since;
    figures.lost.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  write_frame_block(room, frame);
  ring_.commit();
  figures.lost_since = 0;
  figures.taken.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace sluice
