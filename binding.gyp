{
  "includes": ["native/sources.gypi"],
  "targets": [
    {
      "target_name": "sluice",
      "sources": ["<@(core_sources)", "<@(addon_sources)"],
      "include_dirs": ["<@(native_includes)", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["<@(native_defines)", "<@(addon_defines)"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-exceptions", "-fno-rtti"],
      "cflags_cc": ["<@(native_flags)"],
      "ldflags": ["-pthread"]
    }
  ]
}
