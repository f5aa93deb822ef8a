#include "addon/options.h"

#include "port/address_text.h"

namespace sluice {

namespace {

std::string text(const Napi::Object& from, const char* key) {
  return from.Get(key).ToString().Utf8Value();
}

int64_t number(const Napi::Object& from, const char* key) {
  return from.Get(key).ToNumber().Int64Value();
}

bool flag(const Napi::Object& from, const char* key) { return from.Get(key).ToBoolean().Value(); }

Duration milliseconds(const Napi::Object& from, const char* key) {
  return Duration::milliseconds(number(from, key));
}

Error not_an_address(const std::string& what) {
  return {"read options", 0, "'" + what + "' is no address with a prefix length"};
}

Result<std::vector<InterfaceAddress>> addresses(const Napi::Object& from, const char* key) {
  const auto list = from.Get(key).As<Napi::Array>();
  std::vector<InterfaceAddress> parsed;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const std::string each = list.Get(i).ToString().Utf8Value();
    const std::optional<InterfaceAddress> address = parse_interface_address(each);
    if (!address) return not_an_address(each);
    parsed.push_back(*address);
  }
  return parsed;
}

PortKind kind_of(const std::string& name) {
  if (name == "tap") return PortKind::tap;
  if (name == "xdp") return PortKind::xdp;
  return name == "packet" ? PortKind::packet : PortKind::memory;
}

Forwarding forwarding_of(const std::string& name) {
  if (name == "bridge") return Forwarding::bridge;
  return name == "route" ? Forwarding::route : Forwarding::none;
}

SynCookiePolicy syn_cookies_of(const std::string& name) {
  if (name == "always") return SynCookiePolicy::always;
  return name == "never" ? SynCookiePolicy::never : SynCookiePolicy::automatic;
}

Result<SegmentPort> read_port(const Napi::Object& from) {
  SegmentPort port;
  port.options.name = text(from, "name");
  port.options.kind = kind_of(text(from, "kind"));
  port.options.device = text(from, "device");
  port.options.netns = text(from, "netns");
  port.options.mac = parse_mac(text(from, "mac"));
  port.options.mtu = static_cast<uint16_t>(number(from, "mtu"));
  const auto vlans = from.Get("vlans").As<Napi::Array>();
  for (uint32_t i = 0; i < vlans.Length(); ++i) {
    port.options.vlans.push_back(static_cast<uint16_t>(vlans.Get(i).ToNumber().Uint32Value()));
  }
  port.options.offloads = flag(from, "offloads");
  port.options.capture = text(from, "capture");
  port.internal = flag(from, "internal");
  auto own = addresses(from, "addresses");
  if (!own.ok()) return own.error();
  auto host = addresses(from, "hostAddresses");
  if (!host.ok()) return host.error();
  port.options.addresses = std::move(own.value());
  port.options.host_addresses = std::move(host.value());
  return port;
}

Result<SegmentRoute> read_route(const Napi::Object& from) {
  const auto to = parse_interface_address(text(from, "to"));
  const auto via = parse_ip(text(from, "via"));
  if (!to) return not_an_address(text(from, "to"));
  if (!via) return not_an_address(text(from, "via"));
  return SegmentRoute{*to, *via};
}

SegmentLimits read_limits(const Napi::Object& from) {
  SegmentLimits limits;
  limits.flows = static_cast<uint32_t>(number(from, "flows"));
  limits.waiting_flows = static_cast<uint32_t>(number(from, "waitingFlows"));
  limits.waiting_packets = static_cast<uint32_t>(number(from, "waitingPackets"));
  limits.packet_buffers = static_cast<uint32_t>(number(from, "packetBuffers"));
  limits.fragmented_datagrams = static_cast<uint32_t>(number(from, "fragmentedDatagrams"));
  limits.waiting_fragments = static_cast<uint32_t>(number(from, "waitingFragments"));
  limits.neighbors = static_cast<uint32_t>(number(from, "neighbors"));
  limits.bus_bytes = static_cast<size_t>(number(from, "busBytes"));
  limits.connections = static_cast<uint32_t>(number(from, "connections"));
  limits.time_waits = static_cast<uint32_t>(number(from, "timeWaits"));
  limits.buffer_bytes = static_cast<size_t>(number(from, "bufferBytes"));
  limits.windows_for = static_cast<uint32_t>(number(from, "windowsFor"));
  limits.stream_bytes = static_cast<size_t>(number(from, "streamBytes"));
  return limits;
}

FlowTimeouts read_timeouts(const Napi::Object& from) {
  FlowTimeouts timeouts;
  timeouts.established = milliseconds(from, "tcpEstablished");
  timeouts.opening = milliseconds(from, "tcpOpening");
  timeouts.closing = milliseconds(from, "tcpClosing");
  timeouts.udp = milliseconds(from, "udp");
  timeouts.icmp = milliseconds(from, "icmp");
  timeouts.other = milliseconds(from, "other");
  timeouts.linger = milliseconds(from, "linger");
  timeouts.refused = milliseconds(from, "refused");
  timeouts.stats_interval = milliseconds(from, "statsInterval");
  timeouts.time_wait = milliseconds(from, "timeWait");
  return timeouts;
}

}  // namespace

Result<SegmentOptions> read_options(const Napi::Object& from) {
  SegmentOptions options;
  options.node = static_cast<uint8_t>(number(from, "node"));
  options.workers = static_cast<uint32_t>(number(from, "workers"));
  const auto cpus = from.Get("cpus").As<Napi::Array>();
  for (uint32_t i = 0; i < cpus.Length(); ++i) {
    options.cpus.push_back(cpus.Get(i).ToNumber().Uint32Value());
  }
  options.forwarding = forwarding_of(text(from, "forwarding"));
  options.syn_cookies = syn_cookies_of(text(from, "synCookies"));
  options.limits = read_limits(from.Get("limits").As<Napi::Object>());
  options.timeouts = read_timeouts(from.Get("timeouts").As<Napi::Object>());
  const auto ports = from.Get("ports").As<Napi::Array>();
  for (uint32_t i = 0; i < ports.Length(); ++i) {
    Result<SegmentPort> port = read_port(ports.Get(i).As<Napi::Object>());
    if (!port.ok()) return port.error();
    options.ports.push_back(std::move(port.value()));
  }
  const auto routes = from.Get("routes").As<Napi::Array>();
  for (uint32_t i = 0; i < routes.Length(); ++i) {
    Result<SegmentRoute> route = read_route(routes.Get(i).As<Napi::Object>());
    if (!route.ok()) return route.error();
    options.routes.push_back(route.value());
  }
  return options;
}

CaptureOrder read_capture_order(const Napi::Object& from) {
  CaptureOrder order;
  order.ports = from.Get("ports").ToNumber().Uint32Value();
  order.most_bytes = from.Get("mostBytes").ToNumber().Uint32Value();
  order.host = parse_ip(text(from, "host"));
  const std::optional<IpAddress> address = parse_ip(text(from, "address"));
  if (address) {
    order.endpoint = {*address, static_cast<L4Port>(number(from, "l4Port")),
                      static_cast<uint8_t>(number(from, "protocol"))};
  }
  return order;
}

}  // namespace sluice
