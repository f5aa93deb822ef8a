{
  "variables": {
    "core_sources": [
      "native/packet/packet_pool.cc",
      "native/packet/parse.cc",
      "native/rewrite/rewrite.cc",
      "native/rewrite/tcp_offsets.cc",
      "native/timer/timer_wheel.cc",
      "native/wire/checksum.cc",
      "native/wire/ipv6.cc"
    ],
    "addon_sources": [
    ],
    "native_includes": ["native"],
    "native_defines": ["_GNU_SOURCE"],
    "native_flags": ["-std=c++20", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-Wall", "-Wextra"],
    "addon_defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"]
  }
}
