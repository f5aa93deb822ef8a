// Plays packet scripts:  packet_scripts SCRIPT...  Each is played for IPv4 and for IPv6; a line
// `ok FAMILY SCRIPT` or `not ok FAMILY SCRIPT` for each, the latter with what went wrong on
// indented lines behind it. Exits with 1 if any failed.
#include <cstdio>

#include "support/player.h"

int main(int argc, char** argv) {
  using namespace sluice::test;
  bool failed = false;
  for (int i = 1; i < argc; ++i) {
    const Script script = Script::read(argv[i]);
    for (const int family : {4, 6}) {
      if (!script.is_for(family)) continue;
      const std::string problem = Player(script, family).play();
      std::printf("%s %d %s\n", problem.empty() ? "ok" : "not ok", family, argv[i]);
      if (!problem.empty()) std::printf("    %s\n", problem.c_str());
      failed = failed || !problem.empty();
    }
  }
  return failed ? 1 : 0;
}
