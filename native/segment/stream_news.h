#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "bus/message_ring.h"
#include "bus/streams.h"
#include "packet/flow_key.h"
#include "segment/socket_table.h"

namespace sluice {

// What speaks to sockets is derived from this: it writes messages where they will be read.
class StreamNews {
 public:
  // Whether anything was told since the last call.
  bool take_news() { return std::exchange(told_, false); }

 protected:
  explicit StreamNews(MessageRing& to_sockets) : to_sockets_(to_sockets) {}
  ~StreamNews() = default;

  // A zeroed message in the ring, its header set, to be committed; there is room for it.
  template <class View>
  View begin(uint32_t socket, size_t tail = 0) {
    const size_t length = View::kSize + tail;
    View view(to_sockets_.reserve(stream_stride(length)).data());
    std::memset(view.data(), 0, View::kSize);
    view.set_msg_type(View::kCode);
    view.set_socket(socket);
    view.set_length(static_cast<uint32_t>(length));
    return view;
  }
  // Puts a message into the ring, which fill(view) completes; false where there is no room.
  template <class View, class Fill>
  bool say(uint32_t socket, Fill&& fill) {
    if (!to_sockets_.has_room(View::kSize)) return false;
    fill(begin<View>(socket));
    commit();
    return true;
  }
  void commit() {
    to_sockets_.commit();
    told_ = true;
  }
  // What is told of any socket that was opened; `key` is that of what it receives. Accepted and
  // Connected differ in their code alone.
  static void describe(AcceptedView opened, const Socket& socket, const FlowKey& key) {
    if (!socket.passive) opened.set_msg_type(ConnectedView::kCode);
    opened.set_serial(socket.serial);
    opened.set_remote_ipaddr(key.src);
    opened.set_local_ipaddr(key.dst);
    opened.set_remote_port(key.src_port);
    opened.set_local_port(key.dst_port);
    opened.set_vs_id(socket.vs);
  }
  // The end of a socket, as say() does.
  bool say_closed(uint32_t id, const Socket& socket) {
    return say<ClosedView>(id, [&socket](ClosedView closed) {
      closed.set_reason(socket.end);
      closed.set_bytes_received(socket.received);
      closed.set_bytes_sent(socket.sent);
    });
  }

  MessageRing& to_sockets_;

 private:
  bool told_ = false;
};

}  // namespace sluice
