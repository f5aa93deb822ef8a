// A packet script as data. docs/testing.md has its grammar.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.h"

namespace sluice::test {

struct ScriptSack {
  uint32_t start = 0;
  uint32_t end = 0;
};

// A segment as a script writes it. Numbers count from the initial sequence number of their side.
struct ScriptSegment {
  std::string flags;  // as tcpdump has them: "S.", "P.", "."
  uint32_t seq = 0;
  uint32_t length = 0;
  std::optional<uint32_t> ack;
  std::optional<uint16_t> window;
  std::optional<uint16_t> urgent;
  std::string ecn;  // "", "ect0", "ect1", "ce"
  std::optional<uint8_t> fill;  // payload of this byte and not of the stream
  bool any_options = false;
  bool bad_checksum = false;
  uint16_t merged = 0;  // several segments of so much came, or went, as one

  std::optional<uint16_t> mss;
  std::optional<uint8_t> window_scale;
  bool sack_permitted = false;
  std::optional<std::pair<uint32_t, uint32_t>> timestamps;
  std::vector<ScriptSack> sack;
  std::vector<uint8_t> unknown_option;
};

struct ScriptStep {
  enum class Kind { in, out, call };

  Kind kind = Kind::call;
  Duration after;     // of the step before
  std::string text;   // the line
  std::string place;  // file:line
  ScriptSegment segment;
  std::vector<std::string> words;  // of a call
};

struct Script {
  std::map<std::string, std::string> settings;
  std::vector<ScriptStep> steps;
  std::string error;  // why it could not be read

  // `set family` says so where sizes of headers make a difference; else it is for both.
  bool is_for(int family) const {
    const auto only = settings.find("family");
    return only == settings.end() || only->second == std::to_string(family);
  }
  static Script read(const std::string& path);
};

}  // namespace sluice::test
