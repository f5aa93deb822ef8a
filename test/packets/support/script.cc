#include "support/script.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace sluice::test {

namespace {

struct Complaint : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

uint32_t number(const std::string& text) {
  char* end = nullptr;
  const unsigned long value = std::strtoul(text.c_str(), &end, 0);
  if (text.empty() || *end != '\0') throw Complaint("not a number: " + text);
  return static_cast<uint32_t>(value);
}

Duration seconds(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') throw Complaint("not a time: " + text);
  return Duration::microseconds(static_cast<int64_t>(value * 1e6 + 0.5));
}

// "sack 1:2 3:4" and the like, up to the comma.
void read_option(const std::string& text, ScriptSegment& segment) {
  const std::vector<std::string> words = words_of(text);
  const std::string& name = words.at(0);
  if (name == "mss") {
    segment.mss = static_cast<uint16_t>(number(words.at(1)));
  } else if (name == "wscale") {
    segment.window_scale = static_cast<uint8_t>(number(words.at(1)));
  } else if (name == "sackOK") {
    segment.sack_permitted = true;
  } else if (name == "TS") {
    segment.timestamps = {number(words.at(2)), number(words.at(4))};
  } else if (name == "sack") {
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t colon = words[i].find(':');
      segment.sack.push_back({number(words[i].substr(0, colon)), number(words[i].substr(colon + 1))});
    }
  } else if (name == "unknown") {
    for (size_t i = 1; i < words.size(); ++i) {
      segment.unknown_option.push_back(static_cast<uint8_t>(number(words[i])));
    }
  } else if (name == "*") {
    segment.any_options = true;
  } else if (name != "nop") {
    throw Complaint("no such option: " + name);
  }
}

void read_options(const std::string& text, ScriptSegment& segment) {
  std::istringstream in(text);
  for (std::string option; std::getline(in, option, ',');) read_option(option, segment);
}

// "1:1001(1000)", or "1" for nothing at 1.
void read_range(const std::string& text, ScriptSegment& segment) {
  const size_t colon = text.find(':');
  segment.seq = number(text.substr(0, colon));
  if (colon == std::string::npos) return;
  const size_t open = text.find('(');
  if (open == std::string::npos || text.back() != ')') throw Complaint("no length: " + text);
  segment.length = number(text.substr(open + 1, text.size() - open - 2));
  const uint32_t end = number(text.substr(colon + 1, open - colon - 1));
  if (end != segment.seq + segment.length) throw Complaint("length and end differ: " + text);
}

ScriptSegment read_segment_line(std::string text) {
  ScriptSegment segment;
  const size_t open = text.find('<');
  if (open != std::string::npos) {
    const size_t close = text.find('>', open);
    if (close == std::string::npos) throw Complaint("options without an end");
    read_options(text.substr(open + 1, close - open - 1), segment);
    text.erase(open, close - open + 1);
  }
  std::vector<std::string> words = words_of(text);
  size_t i = 0;
  if (words.at(0).front() == '[') segment.ecn = words[i++].substr(1, words[0].size() - 2);
  segment.flags = words.at(i++);
  read_range(words.at(i++), segment);
  for (; i < words.size(); i += 2) {
    if (words[i] == "bad-checksum") {
      segment.bad_checksum = true;
      --i;
      continue;
    }
    const uint32_t value = number(words.at(i + 1));
    if (words[i] == "ack") segment.ack = value;
    else if (words[i] == "win") segment.window = static_cast<uint16_t>(value);
    else if (words[i] == "urg") segment.urgent = static_cast<uint16_t>(value);
    else if (words[i] == "fill") segment.fill = static_cast<uint8_t>(value);
    else if (words[i] == "merged") segment.merged = static_cast<uint16_t>(value);
    else throw Complaint("no such field: " + words[i]);
  }
  return segment;
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

class Reader {
 public:
  explicit Reader(Script& script) : script_(script) {}

  void read(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw Complaint("cannot read " + path);
    int number = 0;
    for (std::string line; std::getline(file, line);) {
      ++number;
      const std::string place = path + ":" + std::to_string(number);
      try {
        read_line(path, place, line);
      } catch (const std::exception& problem) {
        const std::string what = problem.what();
        if (what.find(".pkt") != std::string::npos) throw;
        throw Complaint(place + ": " + what + ": " + line);
      }
    }
  }

 private:
  void read_line(const std::string& path, const std::string& place, std::string line) {
    const size_t comment = line.find('#');
    if (comment != std::string::npos) line.erase(comment);
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) return;
    if (words[0] == "set") {
      script_.settings[words.at(1)] = words.at(2);
    } else if (words[0] == "include") {
      read(folder_of(path) + words.at(1));
    } else if (words[0].front() == '+') {
      read_step(place, line, words);
    } else {
      throw Complaint("neither set, include nor a step");
    }
  }

  void read_step(const std::string& place, const std::string& line,
                 const std::vector<std::string>& words) {
    ScriptStep step;
    step.after = seconds(words[0].substr(1));
    step.text = line;
    step.place = place;
    const std::string& what = words.at(1);
    if (what == "<" || what == ">") {
      step.kind = what == "<" ? ScriptStep::Kind::in : ScriptStep::Kind::out;
      step.segment = read_segment_line(line.substr(line.find(what) + 1));
    } else {
      step.words.assign(words.begin() + 1, words.end());
    }
    script_.steps.push_back(step);
  }

  Script& script_;
};

}  // namespace

Script Script::read(const std::string& path) {
  Script script;
  try {
    Reader(script).read(path);
  } catch (const std::exception& problem) {
    script.error = problem.what();
  }
  return script;
}

}  // namespace sluice::test
