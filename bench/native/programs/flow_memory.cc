// Memory of flows in a data flow segment over ports in memory:
//   flow_memory v4|v6|waiting FLOWS
// Opens so many flows, each by its first packet. With `waiting` nobody answers the QUERYs, so that
// each flow keeps its packet; else each is decided. Prints the flows that the segment then has, and
// the resident memory of this process in bytes before the first and after the last: what is
// reserved and not touched is not in it, what the C++ library and the ports take is.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "support/test_engine.h"

namespace {

using namespace sluice;
using namespace sluice::test;

constexpr uint32_t kPortsOfSource = 60'000;
constexpr L4Port kFirstPort = 2'000;
constexpr L4Port kHttp = 80;

uint64_t resident_bytes() {
  // Unlike /proc/self/statm this is exact.
  std::FILE* file = std::fopen("/proc/self/smaps_rollup", "r");
  SLUICE_CHECK(file != nullptr);
  char line[256];
  unsigned long kilobytes = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "Rss: %lu", &kilobytes) == 1) break;
  }
  std::fclose(file);
  SLUICE_CHECK(kilobytes != 0);
  return uint64_t{kilobytes} * 1024;
}

// Limits that so many flows just fit into: a larger index would be touched all over and stand on
// too few flows' account.
TestEngineOptions options_for(uint32_t flows, bool waiting) {
  TestEngineOptions options;
  options.limits = {.flows = flows,
                    .waiting_flows = waiting ? flows : 64,
                    .waiting_packets = 8,
                    .packet_buffers = waiting ? flows : 1024,
                    .fragmented_datagrams = 64,
                    .waiting_fragments = 32,
                    .neighbors = 64,
                    .bus_bytes = 1 << 20};
  return options;
}

IpAddress client_of(const Hosts& hosts, uint32_t flow) {
  IpAddress client = hosts.client;
  client.bytes[15] = static_cast<uint8_t>(client.bytes[15] + flow / kPortsOfSource);
  return client;
}

// Takes every buffer of the ports once, so that none is first touched on a flow's account. Echoes
// open no flow.
void use_all_buffers(TestEngine& engine, const Hosts& hosts) {
  const uint8_t request = hosts.client.is_v4() ? kIcmpEchoRequest : kIcmpv6EchoRequest;
  for (size_t i = 0; i < MemoryPortOptions().queue_frames; ++i) {
    engine.from_client(
        PacketBuilder().ip(hosts.client, TestEngine::engine_outside(hosts)).icmp(request));
    engine.from_server(PacketBuilder().ip(hosts.server, hosts.engine).icmp(request));
    engine.clear_sent();
  }
  SLUICE_CHECK(engine.count(Counter::flow_entries) == 0);
}

void open_flows(TestEngine& engine, const Hosts& hosts, uint32_t flows) {
  const IpAddress virtual_server = hosts.virtual_server;
  for (uint32_t flow = 0; flow < flows; ++flow) {
    const auto port = static_cast<L4Port>(kFirstPort + flow % kPortsOfSource);
    engine.from_client(PacketBuilder()
                           .ip(client_of(hosts, flow), virtual_server)
                           .tcp(port, kHttp, kTcpSyn)
                           .seq(1));
    engine.told.clear();
    engine.clear_sent();
  }
}

}  // namespace

int main(int count, char** arguments) {
  const std::string kind = count == 3 ? arguments[1] : "";
  const auto flows = static_cast<uint32_t>(count == 3 ? std::atol(arguments[2]) : 0);
  if ((kind != "v4" && kind != "v6" && kind != "waiting") || flows == 0) {
    std::fprintf(stderr, "usage: flow_memory v4|v6|waiting FLOWS\n");
    return 2;
  }
  const bool waiting = kind == "waiting";
  TestEngine engine(options_for(flows, waiting));
  const Hosts& hosts = both_families()[kind == "v6" ? 1 : 0];
  engine.add_virtual_server(1, hosts.virtual_server, kHttp);
  engine.introduce(hosts);
  if (!waiting) engine.decide_with(TestEngine::to_endpoint(hosts.server, kHttp));
  use_all_buffers(engine, hosts);
  const uint64_t before = resident_bytes();
  open_flows(engine, hosts, flows);
  const uint64_t after = resident_bytes();
  const uint64_t held = engine.count(waiting ? Counter::waiting_flows : Counter::flows);
  std::printf("{\"flows\": %lu, \"before\": %lu, \"after\": %lu}\n",
              static_cast<unsigned long>(held), static_cast<unsigned long>(before),
              static_cast<unsigned long>(after));
  return 0;
}
