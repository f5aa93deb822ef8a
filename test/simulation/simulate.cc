// Random transfers between two TCPs over an impaired link, on virtual time:
//
//   simulate --runs N --seed S      N runs with the seeds S, S+1, ...; each failing one is named
//   simulate --splice --runs N --seed S      the same through an engine that lets them go and takes them back
//   simulate [--splice] --trace S   the run of one seed, every segment on a line
//   simulate --throughput           the table of throughput by loss, as test/simulation/throughput.txt
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support/splice_walk.h"
#include "support/transfer.h"

namespace {

using namespace sluice;
using namespace sluice::test;

int run_many(uint64_t runs, uint64_t seed) {
  uint64_t failed = 0;
  for (uint64_t i = 0; i < runs; ++i) {
    const TransferResult result = run_transfer(Transfer::random(seed + i));
    if (result.problem.empty()) continue;
    ++failed;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed + i),
                result.problem.c_str());
  }
  std::printf("%llu runs, %llu failed\n", static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}

int splice_many(uint64_t runs, uint64_t seed) {
  uint64_t failed = 0, splices = 0, returns = 0, packets = 0, wrapped = 0;
  for (uint64_t i = 0; i < runs; ++i) {
    SpliceWalk walk(seed + i);
    const std::string problem = walk.run();
    splices += walk.splices();
    returns += walk.returns();
    packets += walk.packets();
    wrapped += walk.wrapped();
    if (problem.empty()) continue;
    ++failed;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed + i), problem.c_str());
    std::fflush(stdout);
  }
  std::printf("%llu runs, %llu failed; let go %llu times, taken back %llu, %llu packets, %llu wrapped\n",
              static_cast<unsigned long long>(runs), static_cast<unsigned long long>(failed),
              static_cast<unsigned long long>(splices), static_cast<unsigned long long>(returns),
              static_cast<unsigned long long>(packets), static_cast<unsigned long long>(wrapped));
  return failed == 0 ? 0 : 1;
}

int trace_splice(uint64_t seed) {
  SpliceWalk walk(seed, true);
  const std::string problem = walk.run();
  std::printf("%s\n", problem.empty() ? "ok" : problem.c_str());
  return problem.empty() ? 0 : 1;
}

int trace(uint64_t seed) {
  const TransferResult result = run_transfer(Transfer::random(seed), true);
  std::printf("%s\n", result.problem.empty() ? "ok" : result.problem.c_str());
  return result.problem.empty() ? 0 : 1;
}

double throughput(CongestionAlgorithm algorithm, double loss, uint32_t gso, int64_t round_trip_ms) {
  Transfer transfer;
  transfer.link.faults.loss = loss;
  transfer.link.faults.delay = Duration::microseconds(round_trip_ms * 500);
  transfer.link.faults.capacity = 4096;
  for (SimulatedHost& host : transfer.link.hosts) {
    host.config.congestion = algorithm;
    host.path.gso_limit = gso;
    host.limits.connections = host.limits.handshakes = 1;
  }
  transfer.users[1].bytes = 20'000'000;
  transfer.users[0].piece = transfer.users[1].piece = 65536;
  const TransferResult result = run_transfer(transfer);
  if (!result.problem.empty()) std::printf("%s\n", result.problem.c_str());
  return 8.0 * 20'000'000 / static_cast<double>(result.took.microseconds());
}

int print_throughput() {
  std::printf("Mbit/s of 20 MB, one way, 4 MB buffers, no limit but loss and window\n");
  std::printf("%-9s %5s %7s | %8s %8s %8s %8s\n", "algorithm", "rtt", "packets", "loss 0", "0.1 %",
              "1 %", "5 %");
  for (const CongestionAlgorithm algorithm :
       {CongestionAlgorithm::cubic, CongestionAlgorithm::new_reno}) {
    for (const int64_t round_trip : {10, 40}) {
      for (const uint32_t gso : {0U, 65535U - 120U}) {
        std::printf("%-9s %2d ms %7s |",
                    algorithm == CongestionAlgorithm::cubic ? "cubic" : "new reno",
                    static_cast<int>(round_trip), gso == 0 ? "single" : "super");
        for (const double loss : {0.0, 0.001, 0.01, 0.05}) {
          std::printf(" %8.1f", throughput(algorithm, loss, gso, round_trip));
        }
        std::printf("\n");
      }
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t runs = 100;
  uint64_t seed = 1;
  bool splices = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--throughput") == 0) return print_throughput();
    splices = splices || std::strcmp(argv[i], "--splice") == 0;
    if (i + 1 == argc) continue;
    if (std::strcmp(argv[i], "--runs") == 0) runs = std::strtoull(argv[++i], nullptr, 0);
    else if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoull(argv[++i], nullptr, 0);
    else if (std::strcmp(argv[i], "--trace") == 0) {
      const uint64_t traced = std::strtoull(argv[++i], nullptr, 0);
      return splices ? trace_splice(traced) : trace(traced);
    }
  }
  return splices ? splice_many(runs, seed) : run_many(runs, seed);
}
