#include "tcp/tcp.h"

#include <algorithm>

#include "base/hash.h"

namespace sluice {

namespace {

constexpr uint64_t kForSequence = 0x9e3779b97f4a7c15;
constexpr uint64_t kForTimestamp = 0xc2b2ae3d27d4eb4f;

}  // namespace

Tcp::Tcp(const TcpLimits& limits, const TcpConfig& configured, uint64_t seed)
    : config(configured),
      connections(limits.connections),
      handshakes(limits.handshakes),
      senders(limits.connections),
      undos(limits.connections),
      sent(limits.segments_in_flight),
      runs(limits.received_runs),
      buffers(static_cast<uint32_t>(limits.buffer_bytes / BufferPool::kChunk),
              static_cast<uint32_t>(limits.reserved_bytes / BufferPool::kChunk)),
      challenges(seed ^ kForSequence),
      seed_(seed) {}

uint64_t Tcp::hash(const FlowKey& key, uint64_t purpose) const {
  uint64_t state = mix64(seed_ ^ purpose, purpose | 1);
  const auto add = [&state, this](uint64_t word) { state = mix64(state ^ word, seed_ | 1); };
  add(load_be64(key.src.bytes.data()));
  add(load_be64(key.src.bytes.data() + 8));
  add(load_be64(key.dst.bytes.data()));
  add(load_be64(key.dst.bytes.data() + 8));
  add(uint64_t{key.src_port} << 16 | key.dst_port);
  return state;
}

Seq Tcp::initial_sequence(const FlowKey& key, Instant now) const {
  const auto clock = static_cast<uint32_t>(now.nanoseconds() / 4'000);
  return Seq(static_cast<uint32_t>(hash(key, kForSequence)) + clock);
}

uint32_t Tcp::timestamp_offset(const FlowKey& key) const {
  return static_cast<uint32_t>(hash(key, kForTimestamp));
}

uint32_t Tcp::share() const {
  const uint32_t among = config.windows_for > 0 ? config.windows_for : std::max(active, 1U);
  const uint64_t even = buffers.capacity() / 2 / among;
  return static_cast<uint32_t>(std::clamp<uint64_t>(even, config.least_share, config.most_share));
}

uint8_t Tcp::window_scale() const {
  const uint64_t most = std::min<uint64_t>(config.most_share, buffers.capacity() / 2);
  uint8_t scale = 0;
  while (scale < 14 && most >> scale > 65535) ++scale;
  return scale;
}

}  // namespace sluice
