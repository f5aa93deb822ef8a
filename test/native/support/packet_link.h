// AF_PACKET ports on veth devices between namespaces.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "port/packet_port.h"
#include "support/frame_bridge.h"
#include "support/packet_builder.h"
#include "support/test_namespace.h"
#include "support/transmit.h"

namespace sluice::test {

inline PortOptions packet_options(const TestNamespace& space, const std::string& device) {
  PortOptions options;
  options.name = device;
  options.kind = PortKind::packet;
  options.device = device;
  options.netns = space.path();
  return options;
}

inline std::unique_ptr<PacketPort> open_packet(const PortOptions& options,
                                               const RingShape& shape = {}) {
  auto opened = PacketPort::open(options, shape);
  if (!opened.ok()) {
    FAIL(opened.error().operation << ": " << opened.error().error_number << " "
                                  << opened.error().remedy);
  }
  return std::move(opened.value());
}

inline void add_address(const TestNamespace& space, const std::string& address,
                        const std::string& device) {
  const bool v6 = address.find(':') != std::string::npos;
  REQUIRE(space.ip("address add " + address + " dev " + device + (v6 ? " nodad" : "")));
}

// One host, and the engine behind a cable: host (h0) ---- (e0) engine.
struct OneHost {
  TestNamespace host, engine;

  OneHost() { host.join("h0", engine, "e0"); }
};

inline std::vector<Bytes> receive_all(Port& port) {
  std::vector<Bytes> frames;
  Batch batch;
  while (port.receive(now(), batch) > 0) {
    for (const Packet& packet : batch.all()) frames.push_back(bytes_of(packet));
    port.release();
    batch.count = 0;
  }
  return frames;
}

// Receives until `last` comes, and returns what came before it.
inline std::vector<Bytes> receive_until(Port& port, const Bytes& last) {
  std::vector<Bytes> frames;
  for (const Patience patience; patience.left();) {
    for (Bytes& frame : receive_all(port)) frames.push_back(std::move(frame));
    const auto found = std::find(frames.begin(), frames.end(), last);
    if (found != frames.end()) {
      frames.erase(found, frames.end());
      return frames;
    }
    wait_for_frames(port, port);
  }
  FAIL("the last frame did not come");
  return frames;
}

// A frame of our own that no kernel has an answer to (an EtherType for local experiments).
inline Bytes marker(uint8_t number, size_t payload = 46) {
  return PacketBuilder().ether_type(0x88b5).payload(Bytes(payload, number)).build().bytes();
}

// Without what kernels send of their own accord.
inline std::vector<Bytes> only_markers(std::vector<Bytes> frames) {
  std::erase_if(frames, [](const Bytes& frame) { return load_be16(&frame[12]) != 0x88b5; });
  return frames;
}

}  // namespace sluice::test
