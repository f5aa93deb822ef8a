#pragma once

#include "bus/messages.h"
#include "packet/flow_key.h"

namespace sluice {

// The signature block of a flow (requirements 2.3). Untagged: the segment keeps no VLAN per flow.
void store_signature(SigView sig, const FlowKey& key);
FlowKey load_signature(const SigView& sig);

}  // namespace sluice
