#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"
#include "wire/address.h"

namespace sluice {

enum class PortKind : uint8_t { tap, packet, xdp, memory };

// How to open a port: NativePortOptions of src/native.ts as far as a port is concerned, parsed.
struct PortOptions {
  std::string name;
  PortKind kind = PortKind::memory;
  std::string device;  // tap: made; packet, xdp: must exist
  std::string netns;   // see Netns::open
  std::optional<MacAddress>
      mac;              // none: the device's own (packet, xdp), or one made up (tap, memory)
  uint16_t mtu = 1500;  // packet, xdp: the device's own counts instead
  std::vector<uint16_t> vlans;  // tags of all frames, from the outermost: none, one or two
  std::vector<InterfaceAddress> addresses;       // the engine's: the kernel may not have them
  std::vector<InterfaceAddress> host_addresses;  // tap: what the kernel's side gets
  bool offloads = true;
  std::string capture;         // path of a pcapng file; none where empty
  Duration wall_clock_offset;  // wall clock minus monotonic clock, for the times in the capture
};

}  // namespace sluice
