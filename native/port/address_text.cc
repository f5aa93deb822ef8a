#include "port/address_text.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdio>

namespace sluice {

std::optional<IpAddress> parse_ip(const std::string& text) {
  uint8_t bytes[16];
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return IpAddress::load_v4(bytes);
  if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return IpAddress::load_v6(bytes);
  return std::nullopt;
}

std::optional<InterfaceAddress> parse_interface_address(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const std::optional<IpAddress> address = parse_ip(text.substr(0, slash));
  uint8_t prefix_length = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + slash + 1, end, prefix_length);
  if (!address || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  if (prefix_length > (address->is_v4() ? 32 : 128)) return std::nullopt;
  return InterfaceAddress{*address, prefix_length};
}

std::optional<MacAddress> parse_mac(const std::string& text) {
  MacAddress mac;
  if (text.size() != 17) return std::nullopt;
  for (size_t i = 0; i < 6; ++i) {
    const char* at = text.data() + 3 * i;
    const auto parsed = std::from_chars(at, at + 2, mac.bytes[i], 16);
    if (parsed.ec != std::errc() || parsed.ptr != at + 2) return std::nullopt;
    if (i < 5 && at[2] != ':') return std::nullopt;
  }
  return mac;
}

std::string to_text(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN];
  if (address.is_v4()) {
    inet_ntop(AF_INET, address.bytes.data() + 12, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, address.bytes.data(), text, sizeof text);
  }
  return text;
}

std::string to_text(const MacAddress& mac) {
  char text[18];
  const auto& b = mac.bytes;
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
                b[5]);
  return text;
}

}  // namespace sluice
