#include "port/port_factory.h"

#include <utility>

#include "port/capture_port.h"
#include "port/packet_port.h"
#include "port/pcapng_writer.h"
#include "port/tap_port.h"
#include "port/xdp_port.h"

namespace sluice {
namespace {

using OpenedPort = Result<std::unique_ptr<Port>>;

// The same for every kind of port: Result<unique_ptr<TapPort>> does not turn into it by itself.
template <class Kind>
OpenedPort as_port(Result<std::unique_ptr<Kind>> opened) {
  if (!opened.ok()) return opened.error();
  return std::unique_ptr<Port>(std::move(opened.value()));
}

OpenedPort open_memory(const PortOptions& options, std::unique_ptr<MemoryPort>* far) {
  MemoryPortOptions near_side;
  near_side.name = options.name;
  near_side.mac = options.mac.value_or(MacAddress{{0x02, 0, 0, 0, 0, 0x01}});
  near_side.capabilities = {options.offloads, options.offloads, options.offloads, options.offloads,
                            options.mtu};
  MemoryPortOptions far_side = near_side;
  far_side.name += "-far";
  far_side.mac.bytes[5] ^= 1;
  MemoryPort::Pair pair = MemoryPort::make_pair(near_side, far_side);
  if (far != nullptr) *far = std::move(pair.second);
  return std::unique_ptr<Port>(std::move(pair.first));
}

OpenedPort open_kind(const PortOptions& options, std::unique_ptr<MemoryPort>* far) {
  switch (options.kind) {
    case PortKind::tap: return as_port(TapPort::open(options));
    case PortKind::packet: return as_port(PacketPort::open(options));
    case PortKind::xdp: return as_port(XdpPort::open(options));
    case PortKind::memory: break;
  }
  return open_memory(options, far);
}

}  // namespace

OpenedPort open_port(const PortOptions& options, std::unique_ptr<MemoryPort>* far) {
  OpenedPort opened = open_kind(options, far);
  if (!opened.ok() || options.capture.empty()) return opened;
  Result<std::unique_ptr<PcapngWriter>> writer = PcapngWriter::create(options.capture);
  if (!writer.ok()) return writer.error();
  return std::unique_ptr<Port>(std::make_unique<CapturePort>(
      std::move(opened.value()), std::move(writer.value()), options.wall_clock_offset));
}

}  // namespace sluice
