#include "port/port_factory.h"

#include <cerrno>
#include <utility>

#include "port/capture_port.h"
#include "port/packet_port.h"
#include "port/pcapng_writer.h"
#include "port/tap_port.h"
#include "port/vlan_port.h"
#include "port/xdp_port.h"

namespace sluice {
namespace {

using OpenedPorts = Result<std::vector<std::unique_ptr<Port>>>;

// The same for every kind of port: a vector of TapPorts does not turn into it by itself.
template <class Kind>
OpenedPorts as_ports(Result<std::vector<std::unique_ptr<Kind>>> opened) {
  if (!opened.ok()) return opened.error();
  std::vector<std::unique_ptr<Port>> ports;
  for (auto& port : opened.value()) ports.push_back(std::move(port));
  return ports;
}

OpenedPorts open_xdp(const PortOptions& options, size_t count) {
  if (count > 1) {
    return Error{"open " + options.device + " by AF_XDP for " + std::to_string(count) + " workers",
                 EINVAL, "Use one worker, or a port of kind packet."};
  }
  Result<std::unique_ptr<XdpPort>> port = XdpPort::open(options);
  if (!port.ok()) return port.error();
  std::vector<std::unique_ptr<Port>> ports;
  ports.push_back(std::move(port.value()));
  return ports;
}

OpenedPorts open_memory(const PortOptions& options, size_t count,
                        std::vector<std::unique_ptr<MemoryPort>>* far) {
  MemoryPortOptions near_side;
  near_side.name = options.name;
  near_side.mac = options.mac.value_or(MacAddress{{0x02, 0, 0, 0, 0, 0x01}});
  near_side.capabilities = {options.offloads, options.offloads, options.offloads, options.offloads,
                            options.mtu};
  MemoryPortOptions far_side = near_side;
  far_side.name += "-far";
  far_side.mac.bytes[5] ^= 1;
  std::vector<std::unique_ptr<Port>> ports;
  for (size_t i = 0; i < count; ++i) {
    MemoryPort::Pair pair = MemoryPort::make_pair(near_side, far_side);
    if (far != nullptr) far->push_back(std::move(pair.second));
    ports.push_back(std::move(pair.first));
  }
  return ports;
}

Status add_capture(const PortOptions& options, size_t index, std::unique_ptr<Port>& port) {
  std::string path = options.capture;
  if (index > 0) path.append(1, '.').append(std::to_string(index));
  Result<std::unique_ptr<PcapngWriter>> writer = PcapngWriter::create(path);
  if (!writer.ok()) return writer.error();
  port = std::make_unique<CapturePort>(std::move(port), std::move(writer.value()),
                                       options.wall_clock_offset);
  return Done{};
}

OpenedPorts open_kind(const PortOptions& options, size_t count, const SteeringProgram* program,
                      std::vector<std::unique_ptr<MemoryPort>>* far) {
  switch (options.kind) {
    case PortKind::tap: return as_ports(TapPort::open_several(options, count, program));
    case PortKind::packet: return as_ports(PacketPort::open_several(options, count, program));
    case PortKind::xdp: return open_xdp(options, count);
    case PortKind::memory: break;
  }
  return open_memory(options, count, far);
}

// What the kind of port maps.
constexpr size_t mapped_by(PortKind kind) {
  switch (kind) {
    case PortKind::tap: return TapPort::kMemory;
    case PortKind::packet: return PacketPort::kMemory;
    case PortKind::xdp: return XdpPort::kMemory;
    case PortKind::memory: break;
  }
  return MemoryPort::kPairMemory;
}

}  // namespace

size_t memory_of_port(PortKind kind) {
  constexpr size_t kRest = size_t{1} << 20;  // objects, heads of rings, the buffer of a capture
  return mapped_by(kind) + kRest;
}

OpenedPorts open_ports(const PortOptions& options, size_t count, const SteeringProgram* program,
                       std::vector<std::unique_ptr<MemoryPort>>* far) {
  OpenedPorts opened = open_kind(options, count, program, far);
  if (!opened.ok()) return opened;
  for (size_t i = 0; i < count; ++i) {
    std::unique_ptr<Port>& port = opened.value()[i];
    // A capture has the frames as they are on the link.
    if (!options.capture.empty()) {
      Status captured = add_capture(options, i, port);
      if (!captured.ok()) return captured.error();
    }
    if (!options.vlans.empty()) port = std::make_unique<VlanPort>(std::move(port), options.vlans);
  }
  return opened;
}

}  // namespace sluice
