// The part of Connections that moves bytes between two connections: what one received the other
// sends, and no JavaScript in between. Each direction by itself; its end and its reset go on as
// well, or are left to TypeScript.

#include <algorithm>

#include "segment/connections.h"
#include "tcp/calls.h"

namespace sluice {

// Bytes that came go on as far as there is room, and then their end (BUF-01, BUF-03). Called
// whenever there may be more of either, in the pass that made it so.
void Connections::relay_from(TcpTurn& turn, uint32_t place) {
  Socket& from = sockets_[place];
  if (from.spliced) return;
  const uint32_t target = from.target;
  Connection* sender = connection_of(from);
  Connection* receiver = connection_of(sockets_[target]);
  if (sender != nullptr && receiver != nullptr) sender = relay_bytes(turn, place);
  if (const Socket* counter = counter_of(from); counter != nullptr && counter->left == 0) {
    // What is behind that byte, an end included, is TypeScript's.
    if (sender == nullptr || at_end(*sender)) from.held = false;
    return from.count == RelayCount::one ? unrelay(turn, place) : leave_relay(turn, place);
  }
  if (!from.ends_stay) return relay_end(turn, place, sender);
  const bool over = sender == nullptr || at_end(*sender);
  if (!over && receiver != nullptr) return;
  // Its end is all that a hold could keep back.
  if (over) from.held = false;
  unrelay(turn, place);
}

// The sender, or nullptr where it is over with that.
Connection* Connections::relay_bytes(TcpTurn& turn, uint32_t place) {
  Socket& from = sockets_[place];
  Socket& to = sockets_[from.target];
  Connection& sender = *connection_of(from);
  Connection& receiver = *connection_of(to);
  Socket* counter = counter_of(from);
  const uint64_t limit = counter == nullptr ? UINT32_MAX : counter->left;
  const Received pushed = push(turn, sender, receiver, from.headroom,
                               static_cast<uint32_t>(std::min<uint64_t>(limit, UINT32_MAX)));
  arm(receiver);
  if (pushed.bytes > 0) {
    counters_.raise(Counter::pushes);
    counters_.raise(Counter::pushed_bytes, pushed.bytes);
    from.received += pushed.bytes;
    from.relayed.add(turn.now, pushed.bytes);
    to.sent += pushed.bytes;
    if (counter != nullptr) counter->left -= pushed.bytes;
  }
  if (pushed.events.has(TcpEvents::kReleased)) {
    released(turn.now, place);
    list(place);
    return nullptr;
  }
  arm(sender);
  return &sender;
}

// An end goes on in its turn, anything else as a reset.
void Connections::relay_end(TcpTurn& turn, uint32_t place, Connection* sender) {
  Socket& from = sockets_[place];
  const uint32_t target = from.target;
  Socket& to = sockets_[target];
  Connection* receiver = connection_of(to);
  const bool over = sender == nullptr || at_end(*sender);
  const bool in_order = sender != nullptr || from.end == StreamEnd::finished;
  if (receiver != nullptr && over && (!to.shut || !in_order)) {
    to.shut = true;
    if (!in_order) to.end = StreamEnd::aborted;
    after(turn, target, in_order ? close_sending(turn, *receiver) : sluice::abort(turn, *receiver));
  }
  if (sender != nullptr && receiver != nullptr) return;
  leave_relay(turn, place);
  if (sender == nullptr) return;
  // Nobody is left to take what still comes; what there is to send goes first, if all was well.
  if (to.end != StreamEnd::finished) return close_socket(turn, place, true);
  if (from.shut) return;
  from.shut = true;
  after(turn, place, close_sending(turn, *sender));
}

}  // namespace sluice
