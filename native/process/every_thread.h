#pragma once

#include <functional>

#include "base/result.h"

namespace sluice {

// Calls `work` once on each thread of the process, those of others' making included, one after the
// other, and returns when all have done it. What the kernel keeps for each thread singly
// (capabilities) is changed for the process so; a thread that is made meanwhile has it of the one
// that made it, or its turn comes too. `work` interrupts the threads where they are: only what
// signal-safety(7) allows.
//
// Fails with ETIMEDOUT where a thread does not get to it within seconds.
Status on_every_thread(const std::function<void()>& work);

}  // namespace sluice
