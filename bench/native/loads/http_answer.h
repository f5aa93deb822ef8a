#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::bench {

// Reads one HTTP/1.1 answer of the servers that we measure with: status 200 and a Content-Length,
// written as nginx writes it. Anything else is `broken`.
class HttpAnswer {
 public:
  enum class State { incomplete, complete, broken };

  // `bytes` are the next that came. What comes after the end of the answer breaks it: nobody asked.
  State read(std::string_view bytes) {
    if (!in_body_) {
      head_.append(bytes);
      const size_t end = head_.find("\r\n\r\n");
      if (end == std::string::npos) return head_.size() > kLongestHead ? broken() : state_;
      const bool understood = read_head(std::string_view(head_).substr(0, end + 2));
      if (!understood) return broken();
      bytes.remove_prefix(bytes.size() - (head_.size() - end - 4));
      in_body_ = true;
    }
    if (bytes.size() > missing_) return broken();
    missing_ -= bytes.size();
    if (missing_ == 0) state_ = State::complete;
    return state_;
  }

  void clear() {
    head_.clear();
    missing_ = 0;
    in_body_ = false;
    state_ = State::incomplete;
  }

 private:
  static constexpr size_t kLongestHead = 4096;

  State broken() { return state_ = State::broken; }

  bool read_head(std::string_view head) {
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    if (!head.starts_with("HTTP/1.1 200 ")) return false;
    const size_t at = head.find(kLength);
    if (at == std::string_view::npos) return false;
    const std::string_view digits = head.substr(at + kLength.size());
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), missing_);
    return error == std::errc() && *end == '\r';
  }

  std::string head_;
  size_t missing_ = 0;
  bool in_body_ = false;
  State state_ = State::incomplete;
};

}  // namespace sluice::bench
