#include "segment/control_link.h"

#include <algorithm>

#include "wire/ip_protocol.h"

namespace sluice {

namespace {

// What a flag asks for that no segment does is refused, not taken in silence (VS-23).
constexpr uint16_t kProxyFlags =
    VsFlags::ssl_proxy | VsFlags::cookie_proxy | VsFlags::http_proxy | VsFlags::raw_proxy;
constexpr uint16_t kRefusalFlags = VsFlags::refuse_unreachable | VsFlags::refuse_silently;
constexpr uint16_t kKnownFlags =
    kProxyFlags | kRefusalFlags | VsFlags::ask_unread | VsFlags::translate_addr |
    VsFlags::translate_port | VsFlags::route_by_dst_ip | VsFlags::terminate |
    VsFlags::wildcard_addr | VsFlags::wildcard_port | VsFlags::noarp_mode | VsFlags::maintenance;

bool has_one_at_most(uint16_t flags) { return (flags & (flags - 1)) == 0; }

// What we can end ourselves.
bool is_ended(uint8_t protocol) { return protocol == kProtocolTcp || protocol == kProtocolUdp; }

// A proxy is one of TCP, and of one kind; of UDP, which has no handshake, raw_proxy asks for the
// data of the first datagram. What only a control segment carries is not told to us.
bool is_consistent(const AddVsView& message) {
  const uint16_t flags = message.flags();
  const uint16_t proxies = flags & kProxyFlags;
  return (flags & ~kKnownFlags) == 0 && has_one_at_most(proxies) &&
         has_one_at_most(flags & kRefusalFlags) &&
         (!(flags & VsFlags::terminate) || (proxies == 0 && is_ended(message.protocol()))) &&
         (proxies == 0 || message.protocol() == kProtocolTcp || proxies == VsFlags::raw_proxy) &&
         (message.vs_class() == VsClass::dfs_assist || message.vs_class() == VsClass::hybrid);
}

// A port where the protocol has any, and it is not to be any.
bool has_valid_port(const AddVsView& message) {
  const bool any = (message.flags() & VsFlags::wildcard_port) != 0;
  if (message.protocol() == kAnyProtocol) return any;
  return carries_ports(message.protocol()) ? any || message.virt_port() != 0
                                           : !any && message.virt_port() == 0;
}

bool is_proxy(const AddVsView& message) {
  return (message.flags() & kProxyFlags) != 0 && message.protocol() == kProtocolTcp;
}

// A proxy has its limits, and one that reads a cookie its name. A window is not scaled in a SYN.
bool has_valid_proxy(const AddVsView& message) {
  constexpr uint16_t kMostName = 255;
  const bool by_cookie = (message.flags() & VsFlags::cookie_proxy) != 0;
  if (!is_proxy(message)) return !by_cookie && !(message.flags() & VsFlags::ask_unread);
  return message.proxy_window() > 0 && message.proxy_window() < 64 && message.proxy_timeout() > 0 &&
         message.server_timeout() > 0 && by_cookie == (message.app_len() > 0) &&
         message.app_len() <= kMostName;
}

bool is_valid(const AddVsView& message) {
  const uint16_t flags = message.flags();
  return is_consistent(message) && has_valid_proxy(message) && message.vs_id() > 0 &&
         message.vs_id() <= 0xffff && has_valid_port(message) &&
         ((flags & VsFlags::wildcard_addr) || message.virt_ipaddr().is_host()) &&
         message.protocol() != icmp_of(!message.virt_ipaddr().is_v4());
}

// CSMB-27: this segment takes nothing over from a control segment.
bool is_possible(const AddVsView& message) { return message.vs_class() == VsClass::dfs_assist; }

HandshakeProxy proxy_of(const AddVsView& message) {
  HandshakeProxy proxy;
  if (!is_proxy(message)) return proxy;
  const uint16_t flags = message.flags();
  proxy.what = flags & VsFlags::http_proxy     ? Inspects::http
               : flags & VsFlags::cookie_proxy ? Inspects::cookie
               : flags & VsFlags::ssl_proxy    ? Inspects::tls
                                               : Inspects::raw;
  proxy.asks_unread = (flags & VsFlags::ask_unread) != 0;
  proxy.window_kib = static_cast<uint8_t>(message.proxy_window());
  proxy.timeout_s = message.proxy_timeout();
  proxy.server_timeout_ms = message.server_timeout();
  const ByteSpan name = message.app_data();
  proxy.cookie.assign(name.begin(), name.end());
  return proxy;
}

Refusal refusal_of(uint16_t flags) {
  if (flags & VsFlags::refuse_unreachable) return Refusal::unreachable;
  return flags & VsFlags::refuse_silently ? Refusal::silence : Refusal::reset;
}

VirtualServer server_of(const AddVsView& message) {
  VirtualServer server;
  server.id = static_cast<uint16_t>(message.vs_id());
  server.address = message.virt_ipaddr();
  server.port = message.virt_port();
  server.protocol = message.protocol();
  server.any_address = (message.flags() & VsFlags::wildcard_addr) != 0;
  server.any_port = (message.flags() & VsFlags::wildcard_port) != 0;
  server.silent = (message.flags() & VsFlags::noarp_mode) != 0;
  server.maintenance = (message.flags() & VsFlags::maintenance) != 0;
  server.terminates = (message.flags() & VsFlags::terminate) != 0;
  server.inspects = (message.flags() & VsFlags::raw_proxy) != 0;
  server.refusal = refusal_of(message.flags());
  server.proxy = proxy_of(message);
  return server;
}

}  // namespace

bool ControlLink::handle(Instant now, ByteSpan message) {
  if (message_length(message) != message.size()) {
    counters_.raise(Counter::messages_invalid);
  } else if (message[0] == 0) {
    if (!outbox_.has_room(AckView::kSize)) return false;
    handle_csmb(now, message);
  } else {
    const bool asks = message[0] == ReapView::kCode || message[0] == TimeoutView::kCode;
    if (asks && !outbox_.has_room(Flows::kMostAnswer)) return false;
    handle_ssmb(now, message);
  }
  return true;
}

void ControlLink::handle_ssmb(Instant now, ByteSpan message) {
  switch (message[0]) {
    case ReplyView::kCode: return flows_.decide(now, ReplyView(message.data()));
    case NewFlowView::kCode:
      // Up to the translation it is laid out as a REPLY.
      return flows_.enter(now, ReplyView(message.data()), NewFlowView(message.data()).tcps());
    case ReapView::kCode: return flows_.reap(now, ReapView(message.data()));
    case TimeoutView::kCode: return flows_.time_out(now, TimeoutView(message.data()));
    case ResetView::kCode: return flows_.reset(ResetView(message.data()).scope());
    case StateReqView::kCode: {
      const StateReqView request(message.data());
      return flows_.dump(now, request.cursor(), request.max_records());
    }
    default: counters_.raise(Counter::messages_invalid);
  }
}

void ControlLink::handle_csmb(Instant now, ByteSpan message) {
  const CsmbHeader header(message.data());
  const AddVsView add(message.data());
  uint8_t error = CsmbError::bad_msg;
  uint32_t vs_id = 0;
  if (header.msg_type() == AddVsView::kCode && message.size() >= AddVsView::kSize &&
      message.size() == AddVsView::kSize + add.app_len()) {
    vs_id = add.vs_id();
    error = add_virtual_server(add);
  } else if (header.msg_type() == DeleteVsView::kCode && message.size() == DeleteVsView::kSize) {
    const DeleteVsView remove(message.data());
    vs_id = remove.vs_id();
    error = delete_virtual_server(now, remove);
  } else if (header.msg_type() == AddSourceView::kCode && message.size() == AddSourceView::kSize) {
    error = add_source(AddSourceView(message.data()));
  } else if (header.msg_type() == DeleteSourceView::kCode &&
             message.size() == DeleteSourceView::kSize) {
    error = delete_source(DeleteSourceView(message.data()).source_ipaddr());
  } else {
    counters_.raise(Counter::messages_invalid);
  }
  outbox_.acknowledge(header, vs_id, error);
  poll(now);  // behind the ACK, for which there is room
}

uint8_t ControlLink::add_virtual_server(const AddVsView& message) {
  if (!is_valid(message)) return CsmbError::bad_vs;
  if (!is_possible(message)) return CsmbError::no_capability;
  const VirtualServer server = server_of(message);
  VirtualServer before;
  const bool replaces = flows_.virtual_servers().remove(server.id, &before);
  if (!flows_.virtual_servers().add(server)) {
    if (replaces) flows_.virtual_servers().add(before);
    return CsmbError::vs_exists;
  }
  add_address(server);
  if (replaces) remove_address(before);
  // One that comes back keeps the flows that it has.
  if (const auto drained = find_draining(server.id); drained != draining_.end()) {
    remove_address(drained->server);
    draining_.erase(drained);
  }
  return CsmbError::none;
}

void ControlLink::add_address(const VirtualServer& server) {
  if (server.any_address) return;
  stack_.add_virtual_address(server.address, server.silent);
  steer(server.address);
}

void ControlLink::remove_address(const VirtualServer& server) {
  if (server.any_address) return;
  stack_.remove_virtual_address(server.address, server.silent);
  steer(server.address);
}

uint8_t ControlLink::add_source(const AddSourceView& message) {
  const IpAddress address = message.source_ipaddr();
  if (!address.is_host() || (message.flags() & ~SourceFlags::outbound)) return CsmbError::bad_msg;
  stack_.add_source_address(address, (message.flags() & SourceFlags::outbound) != 0);
  steer(address);
  return CsmbError::none;
}

uint8_t ControlLink::delete_source(const IpAddress& address) {
  if (!stack_.is_source(address)) return CsmbError::bad_msg;
  stack_.remove_source_address(address);
  steer(address);
  return CsmbError::none;
}

// Every worker of a team says the same to the program; the last has the final word.
void ControlLink::steer(const IpAddress& address) {
  team_.set_own(address, stack_.is_addressed(address));
}

// VS-24: no new flows from now on; the old ones have drain_secs, which a second message may change.
uint8_t ControlLink::delete_virtual_server(Instant now, const DeleteVsView& message) {
  const Instant until = now + Duration::seconds(message.drain_secs());
  VirtualServer removed;
  const auto draining = find_draining(message.vs_id());
  if (draining != draining_.end()) {
    draining->until = until;
  } else if (message.vs_id() <= 0xffff &&
             flows_.virtual_servers().remove(static_cast<uint16_t>(message.vs_id()), &removed)) {
    draining_.push_back({removed, until, 0});
  } else {
    return CsmbError::no_such_vs;
  }
  return CsmbError::none;
}

std::vector<ControlLink::Draining>::iterator ControlLink::find_draining(uint32_t id) {
  return std::find_if(draining_.begin(), draining_.end(),
                      [id](const Draining& each) { return each.server.id == id; });
}

void ControlLink::poll(Instant now) {
  const auto over = [&](Draining& each) {
    if (now < each.until || !flows_.end_flows_of(now, each.server.id, each.next)) {
      return false;
    }
    remove_address(each.server);
    return true;
  };
  draining_.erase(std::remove_if(draining_.begin(), draining_.end(), over), draining_.end());
}

Instant ControlLink::deadline() const {
  Instant earliest = Instant::never();
  for (const Draining& each : draining_) earliest = std::min(earliest, each.until);
  return earliest;
}

}  // namespace sluice
