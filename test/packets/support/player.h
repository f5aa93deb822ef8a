// Plays a script against a TCP: hands it the frames and calls of the script at their times, and
// holds what it sends against what the script expects. Everything that is sent must be expected.
#pragma once

#include <memory>
#include <string>

#include "support/script.h"
#include "support/segment_text.h"

namespace sluice::test {

class Player {
 public:
  // `family` is 4 or 6.
  Player(const Script& script, int family);

  // Empty where all went as written; else the place, what was expected, and what came.
  std::string play();

 private:
  std::string step(const ScriptStep& step);
  std::string expect(const ScriptStep& step);
  std::string deliver(const ScriptStep& step);
  std::string call(const ScriptStep& step);
  std::string do_call(const std::vector<std::string>& words);
  std::string check(const std::vector<std::string>& words);
  std::string check_pools(const std::vector<std::string>& words);
  std::string write(uint32_t count);
  std::string read(uint32_t count, bool compare);
  // Runs timers up to `until`, or until something was sent.
  void run(Instant until, bool until_sent);
  std::string nothing_sent();
  std::string describe_first();
  void learn_base(Frame& frame);

  const Script& script_;
  uint16_t keep_alive_ = 0;  // idle seconds
  Instant now_ = Instant::from_nanoseconds(1'000'000'000);
  std::unique_ptr<TcpHost> host_;
  NumberBase base_;
  bool know_ours_ = false;
  bool know_clock_ = false;
  uint32_t written_ = 1;  // stream offset of the next byte to write, as in sequence numbers
  uint32_t to_read_ = 1;
  TcpEvents seen_;
};

}  // namespace sluice::test
