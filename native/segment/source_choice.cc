#include "segment/source_choice.h"

#include "segment/socket_table.h"

namespace sluice {

namespace {

// RFC 6056 2.1: the dynamic ports.
constexpr L4Port kFirstPort = 49152;
constexpr int kPortTries = 64;

}  // namespace

uint8_t stream_end_of(DropReason why) {
  switch (why) {
    case DropReason::tuple_in_use: return StreamEnd::tuple_in_use;
    case DropReason::no_route: return StreamEnd::no_route;
    case DropReason::own_address:
    case DropReason::multicast: return StreamEnd::bad_address;
    default: return StreamEnd::no_memory;
  }
}

bool SourceChoice::choose(Instant now, const OpenSocketView& message, FlowKey& key, uint8_t& why) {
  key.src = message.dst_ipaddr();
  key.src_port = message.dst_port();
  key.dst = message.src_ipaddr();
  key.dst_port = message.src_port();
  key.protocol = message.protocol();
  why = StreamEnd::bad_address;
  DropReason reason;
  if (!key.src.is_host() || key.src_port == 0) return false;
  if (!stack_.may_be_sent_to(key.src, reason)) return false;
  const bool told = !key.dst.is_zero();
  const bool associated = (message.socket() & SocketTable::kPlaceMask) != 0;
  if (told && (key.dst.is_v4() != key.src.is_v4() || !key.dst.is_host())) return false;
  if (told && !associated && !stack_.owns(key.dst)) return false;
  if (!told) {
    const NextHop hop = stack_.acquire_next_hop(now, key.src, reason);
    if (hop == kNoNextHop) {
      why = stream_end_of(reason);
      return false;
    }
    const IpAddress* own = stack_.speaker(stack_.next_hop(hop).port, key.src);
    if (own != nullptr) key.dst = *own;
    stack_.release_next_hop(hop);
    if (own == nullptr) return false;
  }
  if (key.dst_port != 0) return is_home(key);
  why = StreamEnd::tuple_in_use;
  return choose_port(key);
}

bool SourceChoice::choose_port(FlowKey& key) {
  for (int tries = 0; tries < kPortTries; ++tries) {
    key.dst_port = static_cast<L4Port>(kFirstPort + random_.below(65536 - kFirstPort));
    if (is_home(key) && is_free(key)) return true;
  }
  return false;
}

// What is over may be begun anew, but for a port that nobody asked for there are better ones.
bool SourceChoice::is_free(const FlowKey& key) const {
  return flows_.leg_of_any_dscp(key) == kNoLeg &&
         flows_.time_waits().find(key) == TimeWaitTable::kNone;
}

// What comes to an address of ours is steered by where it comes from, all else by where it goes.
bool SourceChoice::is_home(const FlowKey& key) const {
  const bool ours = stack_.owns(key.dst) && !stack_.is_source(key.dst);
  const SteerBy by = ours ? SteerBy::source : SteerBy::destination;
  return hand_over_.alone() || hand_over_.worker_of(key, by) == hand_over_.own();
}

}  // namespace sluice
