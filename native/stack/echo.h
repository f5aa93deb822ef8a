#pragma once

#include "packet/packet.h"
#include "stack/frame_sink.h"
#include "stack/local_addresses.h"

namespace sluice {

// Answers an echo request to an address of ours in its own bytes, back to the MAC address that it
// came from, so that whoever reaches us is answered without a route (RFC 1122 3.2.2.6, RFC 4443
// 4.2); of one in fragments each of them, so that the reply has the same ones. Sets the verdict.
void answer_echo(const Link& link, Packet& packet, FrameSink& sink);

}  // namespace sluice
