// The part of Connections for what the ends of a pair are promised before it is let go: windows
// that the receiver at the other end will keep (requirements 3.3 rule 4).

#include <algorithm>

#include "segment/connections.h"
#include "segment/splice_offsets.h"
#include "tcp/output.h"
#include "tcp/window.h"

namespace sluice {

// Until it may begin, nobody is promised more than he was: so it comes to pass (rule 4). One that
// was promised too much has to use it up first. Where it may never do so the other one, which waits
// for that alone, is not to be held up.
void Connections::hold_promises(TcpTurn& turn, Connection& client, Connection& server) {
  const bool client_has = edge_across(server, client) < client.rcv_adv;
  const bool server_has = edge_across(client, server) < server.rcv_adv;
  const bool client_less = client.rcv_wnd() <= server.rcv_wnd();
  set_frozen(turn, client, !server_has || (client_has && client_less));
  set_frozen(turn, server, !client_has || (server_has && !client_less));
}

void Connections::set_frozen(TcpTurn& turn, Connection& c, bool frozen) {
  if (c.frozen == frozen) return;
  c.frozen = frozen;
  if (!frozen && may_receive(c.state()) && window_update_is_due(tcp_, c)) send_ack(turn, c);
}

void Connections::thaw(TcpTurn& turn, uint32_t place) {
  Socket& socket = sockets_[place];
  socket.depth = RelayDepth::relay;
  Connection* c = connection_of(socket);
  if (c != nullptr && !socket.spliced) set_frozen(turn, *c, false);
}

// The last word of ours, but for what has to be repeated: what we have, and how far the other
// side's receiver lets the peer go.
void Connections::say_all(TcpTurn& turn, Connection& c, Seq edge) {
  const bool news = edge > c.rcv_adv || c.last_ack_sent != c.flow->rcv_nxt || c.ack_now;
  c.rcv_adv = std::max(c.rcv_adv, edge);
  c.frozen = true;
  if (news) send_ack(turn, c);
  c.idle_at = Instant::never();
}

}  // namespace sluice
