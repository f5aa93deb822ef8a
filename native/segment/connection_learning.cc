// The part of Connections that reads what a server of TLS says first: until TLS 1.2 it gives a
// session its id there, by which the client comes back (LB-16). Its bytes wait for that, as it is
// told before the client can have it; they pass whatever it is.

#include "segment/connections.h"

namespace sluice {

namespace {

// Until there may be room in the ring.
constexpr Tick kTellRetry = 50;

}  // namespace

void Connections::begin_learning(TcpTurn& turn, uint32_t handle) {
  Inspection& one = inspections_.pool[handle];
  const Tick now = time_.tick(turn.now);
  one.stage = Inspection::Stage::learning;
  one.reader = AppReader::of_server();
  one.until = now + one.timeout_s * 1000u;
  inspections_.wheel.arm(handle - 1, one.until);
  // May be the end of either side, and so of this.
  begin_relay(turn, one.client, one.server);
}

// Something happened to either connection, or it is time to tell again.
void Connections::learn(TcpTurn& turn, uint32_t handle) {
  Inspection& one = inspections_.pool[handle];
  const Connection* client = connection_of(sockets_[one.client]);
  const Connection* server = connection_of(sockets_[one.server]);
  if (client == nullptr || server == nullptr) return end_learning(turn, handle);
  const Reading reading = one.reader.take(tcp_.buffers, server->receive_queue);
  if (reading == Reading::more && !server->fin_received) return;
  if (reading != Reading::complete || tell_session(handle, *server)) {
    return end_learning(turn, handle);
  }
  inspections_.wheel.arm(handle - 1, time_.tick(turn.now) + kTellRetry);
}

// False where the ring has no room for it now.
bool Connections::tell_session(uint32_t handle, const Connection& server) {
  const Inspection& one = inspections_.pool[handle];
  ServerHello hello;
  if (!one.reader.tell(tcp_.buffers, server.receive_queue, *inspections_.scratch, hello)) {
    return true;
  }
  if (!hello.names_session()) {
    counters_.raise(Counter::sslid_unusable);
    return true;
  }
  if (!flows_.tell_session(pair_of(sockets_[one.client].leg), hello.session_id)) return false;
  counters_.raise(Counter::sslid_learned);
  return true;
}

void Connections::end_learning(TcpTurn& turn, uint32_t handle) {
  const uint32_t server = inspections_.pool[handle].server;
  const uint32_t client = end_inspection(handle);
  begin_relay(turn, server, client);
}

}  // namespace sluice
