// What programs that use ports of the engine have in common: the first error ends them.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "port/address_text.h"

namespace sluice::bench {

[[noreturn]] inline void fail(const Error& error) {
  std::fprintf(stderr, "%s: %s: errno %d. %s\n", program_invocation_short_name,
               error.operation.c_str(), error.error_number, error.remedy.c_str());
  std::exit(1);
}

template <class T>
T taken(Result<T> result) {
  if (!result.ok()) fail(result.error());
  return std::move(result.value());
}

inline MacAddress mac_of(const char* text) {
  const std::optional<MacAddress> mac = parse_mac(text);
  if (!mac) fail({std::string("read ") + text, 0, "A MAC address is six bytes with colons."});
  return *mac;
}

}  // namespace sluice::bench
