// The keys of the `lookup` trial, the same for every table that is measured.
#pragma once

#include <cstdint>
#include <vector>

#include "loads/shuffled.h"
#include "wire/ip_protocol.h"

namespace sluice::bench {

// What a table is asked for at a time: rte_hash takes no more, a Batch holds no more.
inline constexpr size_t kBulk = 64;

// A five-tuple as a table in DPDK has it for a key: padded with zeroes to a whole number of words,
// so that keys are hashed and compared in the fewest steps.
struct Tuple {
  uint32_t src;
  uint32_t dst;
  uint16_t src_port;
  uint16_t dst_port;
  uint32_t protocol;
};
static_assert(sizeof(Tuple) == 16);

// Clients of 192.0.2.0/24 and their TCP connections to one virtual server.
inline Tuple tuple_of_client(uint32_t flow) {
  return {0xc0000200 + 16 + flow / 60000, 0xc0000264, static_cast<uint16_t>(1024 + flow % 60000),
          80, kProtocolTcp};
}
// What the server that such a connection was given to sends back.
inline Tuple tuple_of_server(uint32_t flow) {
  const Tuple client = tuple_of_client(flow);
  return {0x0a01000b, client.src, client.dst_port, client.src_port, client.protocol};
}

// Both tuples of flows `first` to `first + count / 2`: `count` keys, in random order.
inline std::vector<Tuple> tuples_of(uint32_t first, uint32_t count) {
  std::vector<Tuple> tuples;
  tuples.reserve(count);
  for (const uint32_t i : shuffled(count)) {
    const uint32_t flow = first + i / 2;
    tuples.push_back(i % 2 == 0 ? tuple_of_client(flow) : tuple_of_server(flow));
  }
  return tuples;
}

// Tuples by the batch, again and again.
class Bulks {
 public:
  // `tuples` outlives it and is a multiple of kBulk.
  explicit Bulks(const std::vector<Tuple>& tuples) : tuples_(tuples) {}

  const Tuple* next() {
    const Tuple* bulk = &tuples_[at_];
    at_ = at_ + kBulk == tuples_.size() ? 0 : at_ + kBulk;
    return bulk;
  }

 private:
  const std::vector<Tuple>& tuples_;
  size_t at_ = 0;
};

}  // namespace sluice::bench
