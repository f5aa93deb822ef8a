// port/: packet I/O, and the only folder with Linux network headers. A port moves whole frames and
// their offload state; it does not parse them. Wrappers (fault, capture) are ports around a port.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/instant.h"
#include "base/result.h"
#include "packet/packet.h"
#include "wire/address.h"

namespace sluice {

// What the far side of the port can take. The engine segments or completes checksums in software
// only towards a port that cannot (law 6).
struct PortCapabilities {
  bool checksum = false;  // takes packets with Offload::needs_checksum
  bool tso4 = false;      // takes GsoType::tcp4
  bool tso6 = false;      // takes GsoType::tcp6
  bool uso = false;       // takes GsoType::udp
  uint16_t mtu = 1500;    // largest IP packet on the wire; GSO segments count singly
};

// Cumulative, written by the worker that owns the port.
struct PortCounters {
  uint64_t rx_frames = 0;  // handed out by receive()
  uint64_t rx_bytes = 0;
  uint64_t rx_truncated = 0;  // arrived longer than the buffer; counted, never handed out (TCPX-35)
  uint64_t rx_missed = 0;     // lost before us for lack of room, as told by the kernel
  uint64_t tx_frames = 0;     // accepted by transmit()
  uint64_t tx_bytes = 0;
  uint64_t tx_refused = 0;  // offered to transmit() and not accepted
};

// A packet I/O endpoint of the engine. One worker owns it and calls it; no call blocks.
class Port {
 public:
  virtual ~Port() = default;

  // Appends received frames to `batch` (at most its free room) and returns how many. Of each packet
  // it sets data, length and offload and resets the rest; one that is none of the port's business
  // is dropped already. in_port is the caller's. The bytes, and kHeadroom bytes before them, belong
  // to the port and may be changed in place by the engine until release(). Not called again before
  // release().
  virtual size_t receive(Instant now, Batch& batch) = 0;

  // Gives back every packet of the last receive(). Afterwards their bytes are the port's again.
  virtual void release() = 0;

  // Sends frames in order. Returns how many were accepted: always a prefix, the rest is the
  // caller's to drop and count. The bytes are read before it returns; the kHeadroom bytes before
  // each frame may be overwritten. Every packet satisfies capabilities().
  virtual size_t transmit(Instant now, std::span<Packet* const> packets) = 0;

  // Descriptor that polls readable when receive() may have frames; -1 where there is none.
  virtual int wait_fd() const { return -1; }

  // When receive() has something to do without anything becoming readable (a delayed frame of the
  // fault wrapper, frames that a device had no room for); Instant::never() otherwise.
  virtual Instant deadline() const { return Instant::never(); }

  virtual const PortCapabilities& capabilities() const = 0;
  virtual const PortCounters& counters() const = 0;
  virtual MacAddress mac() const = 0;
  virtual const std::string& name() const = 0;
  // The addresses of the host, where it uses the device, or one that works through it (a bridge, a
  // VLAN): what is for them it gets by itself. Those that it had when the port was opened.
  virtual std::span<const IpAddress> host_addresses() const = 0;
  // How the port works on this machine, in words for the user; does not change.
  virtual const std::string& description() const = 0;
  // Whether its end writes settings of the device back, for which the kernel asks CAP_NET_ADMIN.
  virtual bool restores_settings() const = 0;
};

}  // namespace sluice
