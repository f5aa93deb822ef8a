#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "port/memory_port.h"
#include "port/port.h"
#include "port/port_options.h"
#include "port/steering_program.h"

namespace sluice {

// Opens one port on the device for each of `count` workers, in their order, with its capture around
// it if one is asked for; the files of further workers have their number behind the name. `program`
// steers, where there is one. Of kind xdp there is one only. Of kind memory pairs are made, whose
// far sides go to `far`; without `far`, what is sent is refused and nothing ever arrives.
Result<std::vector<std::unique_ptr<Port>>> open_ports(
    const PortOptions& options, size_t count = 1, const SteeringProgram* program = nullptr,
    std::vector<std::unique_ptr<MemoryPort>>* far = nullptr);

// An upper bound of the memory that open_ports() reserves for each port, its capture included.
size_t memory_of_port(PortKind kind);

}  // namespace sluice
