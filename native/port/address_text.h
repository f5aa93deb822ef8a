#pragma once

#include <optional>
#include <string>

#include "wire/address.h"

namespace sluice {

// Addresses as people write them. Nothing is returned for text that is no such address.
std::optional<IpAddress> parse_ip(const std::string& text);
std::optional<InterfaceAddress> parse_interface_address(const std::string& text);  // address/prefix
std::optional<MacAddress> parse_mac(const std::string& text);                      // aa:bb:...:ff

std::string to_text(const IpAddress& address);
std::string to_text(const MacAddress& mac);

}  // namespace sluice
