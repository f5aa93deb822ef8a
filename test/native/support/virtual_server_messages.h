// ADD_VS as a test writes it, and what the engine makes of it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "support/dialogue.h"

namespace sluice::test {

inline TestEngine::Bytes add_vs(uint32_t id, const IpAddress& address, L4Port port = 80,
                                uint8_t protocol = kProtocolTcp, const std::string& app_data = "",
                                uint16_t flags = 0) {
  TestEngine::Bytes bytes(AddVsView::kSize + app_data.size());
  std::copy(app_data.begin(), app_data.end(), bytes.begin() + AddVsView::kSize);
  AddVsView message(bytes.data());
  message.set_msg_type(AddVsView::kCode);
  message.set_msg_length(static_cast<uint16_t>(bytes.size()));
  message.set_serial_bytype(0x1234);
  message.set_vs_id(id);
  message.set_virt_ipaddr(address);
  message.set_virt_port(port);
  message.set_protocol(protocol);
  message.set_app_len(static_cast<uint16_t>(app_data.size()));
  message.set_flags(flags);
  return bytes;
}

// Sends a message and returns the error of its ACK.
inline int answered(TestEngine& engine, const TestEngine::Bytes& message) {
  engine.told.clear();
  engine.tell(message);
  REQUIRE(engine.told.size() == 1);
  REQUIRE(engine.told[0].size() == AckView::kSize);
  const AckView ack(engine.told[0].data());
  CHECK(ack.msg_type() == AckView::kCode);
  CHECK(ack.msg_length() == AckView::kSize);
  CHECK(ack.ref_type() == load_be16(message.data()));
  CHECK(ack.ref_serial() == load_be16(message.data() + 6));
  return ack.error_code();
}

// Whether the engine says that an address of the outside link is its own.
inline bool owns(TestEngine& engine, const Hosts& hosts, const IpAddress& address) {
  engine.neighbor_messages.clear();
  const MacAddress all = hosts.client.is_v4() ? MacAddress::broadcast() : kOutsideMac;
  engine.inject(0, neighbor_request({0, kClientMac, hosts.client}, all, address));
  return !engine.neighbor_messages.empty();
}

}  // namespace sluice::test
