#pragma once

#include <napi.h>

#include "segment/segment.h"

namespace sluice {

// NativeSegmentOptions of src/native.ts, where every key is present. Fails on an address that is
// none: that is all TypeScript cannot promise by its types.
Result<SegmentOptions> read_options(const Napi::Object& options);
// NativeCaptureOrder.
CaptureOrder read_capture_order(const Napi::Object& options);

}  // namespace sluice
