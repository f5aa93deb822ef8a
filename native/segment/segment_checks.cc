#include "segment/segment_checks.h"

#include <bit>
#include <cerrno>
#include <vector>

#include "base/mapped_array.h"
#include "flow/flow_entry.h"
#include "flow/offset_switch.h"
#include "fragment/datagram_table.h"
#include "packet/packet_pool.h"
#include "port/address_text.h"
#include "port/port_factory.h"
#include "rewrite/tcp_offsets.h"
#include "segment/hand_over.h"
#include "segment/live_capture.h"
#include "stack/ip_prefix.h"

namespace sluice {

namespace {

Status check_address(const InterfaceAddress& own) {
  const std::string operation = "give a port the address " + to_text(own.address);
  if (own.prefix_length > (own.address.is_v4() ? 32 : 128)) {
    return Error{operation, EINVAL, "A prefix has up to 32 bits for IPv4, 128 for IPv6."};
  }
  if (!own.address.is_host() ||
      IpPrefix(own.address, own.prefix_length).is_broadcast(own.address)) {
    return Error{operation, EINVAL, "Give it an address that one host may have."};
  }
  return Done{};
}

Status check_addresses(const SegmentOptions& options) {
  std::vector<IpAddress> seen;
  for (const SegmentPort& port : options.ports) {
    for (const InterfaceAddress& own : port.options.addresses) {
      Status usable = check_address(own);
      if (!usable.ok()) return usable;
      for (const IpAddress& other : seen) {
        if (other != own.address) continue;
        return Error{"give a port the address " + to_text(own.address), EEXIST,
                     "Use each address once."};
      }
      seen.push_back(own.address);
    }
  }
  return Done{};
}

Status check_routes(const SegmentOptions& options) {
  for (const SegmentRoute& route : options.routes) {
    const bool v4 = route.to.address.is_v4();
    if (route.via.is_host() && route.via.is_v4() == v4 &&
        route.to.prefix_length <= (v4 ? 32 : 128)) {
      continue;
    }
    return Error{"add route via " + to_text(route.via), EINVAL,
                 "Name a router of the destination's IP family, by the address of one host."};
  }
  return Done{};
}

// An upper bound of what a segment reserves, all of which MappedArray and `new` take for granted.
size_t memory_of(const SegmentOptions& options) {
  constexpr size_t kMebibyte = 1 << 20;
  constexpr size_t kFlow = 2 * (sizeof(FlowEntry) + sizeof(FlowAddresses)) + sizeof(FlowPair) +
                           sizeof(TcpOffsets) + sizeof(OffsetSwitch) +
                           32;  // its share of index and timers
  constexpr size_t kSmall = PacketPool::kSmallBuffer + sizeof(PooledPacket);
  constexpr size_t kLarge = PacketPool::kLargeBuffer + sizeof(PooledPacket);
  constexpr size_t kWaitingFlow = 64;
  constexpr size_t kDatagram = sizeof(Datagram) + 16;  // and its bucket
  constexpr size_t kConnection = 1280;      // its blocks, its sockets and those of UDP, its timers
  constexpr size_t kTimeWait = 96;          // and its addresses, its timer, its bucket
  constexpr size_t kInFlight = 64;          // records of a KiB of buffer
  constexpr size_t kRest = 26 * kMebibyte;  // the stack, the worker's thread
  const SegmentLimits& limits = options.limits;
  const size_t buffers = limits.packet_buffers;
  size_t ports = 0;
  for (const SegmentPort& port : options.ports) ports += memory_of_port(port.options.kind);
  return (size_t{limits.all_flows()} + options.workers) * kFlow + buffers * kSmall +
         (buffers / 100 + 1) * kLarge + limits.waiting_flows * kWaitingFlow +
         limits.fragmented_datagrams * kDatagram + limits.connections * kConnection +
         size_t{limits.all_time_waits()} * kTimeWait + limits.buffer_bytes +
         limits.buffer_bytes / 1024 * kInFlight +
         options.workers *
             (2 * std::bit_ceil(limits.bus_bytes) + 2 * std::bit_ceil(limits.stream_bytes) + ports +
              LiveCapture::kRing + kRest + (options.workers - 1) * WorkerTeam::kRingBytes);
}

}  // namespace

Status check_options(const SegmentOptions& options) {
  if (options.ports.size() > kMaxPorts) {
    return Error{"open " + std::to_string(options.ports.size()) + " ports", EINVAL,
                 "A segment has up to " + std::to_string(kMaxPorts) + "."};
  }
  Status addresses = check_addresses(options);
  if (!addresses.ok()) return addresses;
  Status routes = check_routes(options);
  if (!routes.ok()) return routes;
  const size_t bytes = memory_of(options);
  if (can_reserve(bytes)) return Done{};
  return Error{"reserve " + std::to_string(bytes >> 20) + " MiB of memory", ENOMEM,
               "Lower `limits`, or let the process have more memory (ulimit -v, "
               "vm.overcommit_memory)."};
}

}  // namespace sluice
