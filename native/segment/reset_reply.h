#pragma once

#include "base/instant.h"
#include "packet/packet.h"
#include "stack/frame_sink.h"

namespace sluice {

// Answers a TCP segment of a refused flow with RST (RFC 9293 3.10.7.1), back the way it came; never
// answers a RST. Other protocols get nothing. Whether anything was sent.
bool send_reset(const Packet& refused, FrameSink& sink);

}  // namespace sluice
