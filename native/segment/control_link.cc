#include "segment/control_link.h"

#include "wire/ip_protocol.h"

namespace sluice {

void ControlLink::handle(Instant now, ByteSpan message) {
  if (message_length(message) != message.size()) {
    return counters_.raise(Counter::messages_invalid);
  }
  message[0] == 0 ? handle_csmb(now, message) : handle_ssmb(now, message);
}

void ControlLink::handle_ssmb(Instant now, ByteSpan message) {
  switch (message[0]) {
    case ReplyView::kCode: return flows_.decide(now, ReplyView(message.data()));
    case StateReqView::kCode: {
      const StateReqView request(message.data());
      return flows_.dump(now, request.cursor(), request.max_records());
    }
    default: counters_.raise(Counter::messages_invalid);
  }
}

void ControlLink::handle_csmb(Instant now, ByteSpan message) {
  const CsmbHeader header(message.data());
  uint8_t error = CsmbError::bad_msg;
  uint32_t vs_id = 0;
  if (header.msg_type() == AddVsView::kCode && message.size() >= AddVsView::kSize) {
    const AddVsView add(message.data());
    vs_id = add.vs_id();
    error = add_virtual_server(now, add);
  } else if (header.msg_type() == DeleteVsView::kCode && message.size() == DeleteVsView::kSize) {
    const DeleteVsView remove(message.data());
    vs_id = remove.vs_id();
    error = delete_virtual_server(now, remove);
  } else {
    counters_.raise(Counter::messages_invalid);
  }
  outbox_.acknowledge(header, vs_id, error);
}

uint8_t ControlLink::add_virtual_server(Instant, const AddVsView& message) {
  VirtualServer server;
  server.id = static_cast<uint16_t>(message.vs_id());
  server.address = message.virt_ipaddr();
  server.port = message.virt_port();
  server.protocol = message.protocol();
  const bool known_protocol = server.protocol == kProtocolTcp || server.protocol == kProtocolUdp;
  const bool valid = message.vs_id() > 0 && message.vs_id() <= 0xffff && server.port != 0 &&
                     !server.address.is_zero() && known_protocol;
  if (!valid) return CsmbError::bad_vs;
  VirtualServer before;
  const bool replaces = flows_.virtual_servers().remove(server.id, &before);
  if (!flows_.virtual_servers().add(server)) {
    if (replaces) flows_.virtual_servers().add(before);
    return CsmbError::vs_exists;
  }
  stack_.add_virtual_address(server.address);
  if (replaces) stack_.remove_virtual_address(before.address);
  return CsmbError::none;
}

// The flows that exist live on where time is given to drain; else they end here.
uint8_t ControlLink::delete_virtual_server(Instant now, const DeleteVsView& message) {
  VirtualServer removed;
  const auto id = static_cast<uint16_t>(message.vs_id());
  if (message.vs_id() > 0xffff || !flows_.virtual_servers().remove(id, &removed)) {
    return CsmbError::no_such_vs;
  }
  stack_.remove_virtual_address(removed.address);
  if (message.drain_secs() == 0) flows_.remove_virtual_server(now, id);
  return CsmbError::none;
}

}  // namespace sluice
