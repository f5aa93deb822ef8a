{
  "variables": {
    "core_sources": [
      "native/packet/packet_pool.cc",
      "native/packet/parse.cc",
      "native/port/address_text.cc",
      "native/port/capture_port.cc",
      "native/port/fault_port.cc",
      "native/port/fault_queue.cc",
      "native/port/host_addresses.cc",
      "native/port/host_error.cc",
      "native/port/kernel_silence.cc",
      "native/port/memory_port.cc",
      "native/port/netlink.cc",
      "native/port/netns.cc",
      "native/port/packet_port.cc",
      "native/port/packet_ring.cc",
      "native/port/packet_socket.cc",
      "native/port/pcapng_writer.cc",
      "native/port/port_factory.cc",
      "native/port/sysctl.cc",
      "native/port/tap_port.cc",
      "native/port/virtio_header.cc",
      "native/rewrite/rewrite.cc",
      "native/rewrite/tcp_offsets.cc",
      "native/stack/arp.cc",
      "native/stack/echo.cc",
      "native/stack/local_addresses.cc",
      "native/stack/neighbor_discovery.cc",
      "native/stack/neighbor_table.cc",
      "native/stack/route_table.cc",
      "native/stack/stack.cc",
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
