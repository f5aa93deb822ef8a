#pragma once

#include <functional>

namespace sluice {

// Ends the process when SIGTERM or SIGINT has asked for it and nothing has come of it in time: a
// thread that runs JavaScript without end never gets to the handler. From now on and for good; a
// second call changes nothing. To be called when other handlers of these signals are in place: they
// are called, too.
//
// `before_end` runs on a thread of its own, and must not wait for the one that is stuck. The exit
// status is 128 + the signal's number.
void guard_end(int grace_ms, std::function<void()> before_end);

}  // namespace sluice
