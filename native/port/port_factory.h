#pragma once

#include <memory>

#include "base/result.h"
#include "port/memory_port.h"
#include "port/port.h"
#include "port/port_options.h"

namespace sluice {

// Opens the port, with its capture around it if one is asked for. Of kind memory a pair is made,
// whose far side goes to `far`; without `far`, what is sent is refused and nothing ever arrives.
Result<std::unique_ptr<Port>> open_port(const PortOptions& options,
                                        std::unique_ptr<MemoryPort>* far = nullptr);

}  // namespace sluice
