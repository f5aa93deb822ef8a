#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/mapped_array.h"
#include "bus/message_ring.h"
#include "bus/streams.h"
#include "packet/icmp_quote.h"
#include "segment/counters.h"
#include "segment/datagrams.h"
#include "segment/flows.h"
#include "segment/half_open.h"
#include "segment/hand_over.h"
#include "segment/inspection_table.h"
#include "segment/pair.h"
#include "segment/segment_frames.h"
#include "segment/segment_options.h"
#include "segment/socket_table.h"
#include "segment/source_choice.h"
#include "segment/stream_news.h"
#include "segment/time_base.h"
#include "segment/write_room.h"
#include "stack/stack.h"
#include "tcp/listener.h"
#include "tcp/syn_cookie.h"
#include "tcp/tcp.h"
#include "tcp/time_wait.h"
#include "timer/timer_wheel.h"

namespace sluice {

struct Likeness;
struct Resumption;

// The connections that the engine ends itself, of one worker: packets in, segments out, bytes and
// news to the sockets of TypeScript and orders from them (bus/streams.def), bytes from one
// connection to another where both are relayed. TypeScript that stalls stops no ACK, no timer and
// no relayed byte (law 8): its ring fills, windows close.
class Connections final : public Flows::OwnPairs, public StreamNews {
 public:
  struct Options {
    uint32_t connections = 0;
    size_t buffer_bytes = 0;
    uint32_t windows_for = 0;  // as TcpConfig has it
    Duration time_wait;
    uint32_t worker = 0;
    uint64_t seed = 0;
    SynCookiePolicy syn_cookies = SynCookiePolicy::never;
    SipKey cookie_secret;
  };
  struct Parts {
    Flows& flows;
    Stack& stack;
    SegmentFrames& frames;
    MessageRing& from_sockets;
    MessageRing& to_sockets;
    Counters& counters;
    const HandOver& hand_over;
    const TimeBase& time;
    Datagrams& datagrams;
  };

  Connections(const Options& options, const Parts& parts, Instant now);

  // -- packets; each sets the verdict

  // A SYN to a virtual server whose connections end here, of no flow. `beyond` as syn_arrives() has
  // it.
  void accept(Instant now, Packet& packet, const VirtualServer& server,
              std::optional<Seq> beyond = std::nullopt);
  // A segment without SYN or RST to such a server, of no flow. False where it has no cookie of
  // ours.
  bool cookie_arrives(Instant now, Packet& packet, const VirtualServer& server);
  // A packet of a leg of a proxied pair.
  void arrives(Instant now, LegIndex leg, Packet& packet);
  // A packet of no flow. False where it is not of a connection that is over and has still to
  // answer, or where it begins anew and is for somebody else.
  bool time_wait_arrives(Instant now, Packet& packet);
  // A packet of a spliced pair: whether it is to be followed and sent on as it is now. Then what
  // was followed: whether it is not to be sent on after all, since the pair is over.
  bool passes(Instant now, LegIndex leg, Packet& packet);
  bool settles(Instant now, LegIndex leg);
  // Behind a batch: pairs that have come back are proxied.
  void end_batch(Instant now);
  // Whether an ICMP error is about a segment of ours, of a spliced pair; and one that is.
  bool is_about_ours(LegIndex leg, const IcmpQuote& quote, const Packet& error);
  void error_arrives(Instant now, LegIndex leg, const IcmpQuote& quote, Packet& error);
  // A segment of ours waited for a next hop that does not answer.
  void unreachable(Instant now, const FlowKey& sent);

  // Carries out what sockets ask for, a bounded amount of it. False if there was nothing.
  bool handle_messages(Instant now);
  // Timers.
  void poll(Instant now);
  // Tells sockets what is new to them, as far as there is room.
  void tell(Instant now);
  Instant deadline(Instant now) const;
  // Of a socket that there is; from any thread.
  const RelayProgress* relay_progress(uint32_t socket) const {
    return sockets_.progress_of(socket);
  }

  // Flows::OwnPairs
  void abort_pair(Instant now, PairIndex pair, uint8_t reason) override;
  void decided(Instant now, PairIndex pair, const ReplyView& reply) override;
  Tick last_active(Instant now, PairIndex pair) const override;

 private:
  static TcpLimits limits_of(const Options& options);
  static TcpConfig config_of(const Options& options);
  TcpTurn at(Instant now) {
    frames_.begin(now);
    return {tcp_, frames_, now};
  }

  // connections.cc
  static Listener listener_of(const VirtualServer& server) {
    return {server.proxy.window_kib, server.learned.options, server.learned.mss};
  }
  bool has_block() const { return tcp_.connections.used() < tcp_.connections.capacity(); }
  TcpPath path_of(LegIndex leg) const;
  LegIndex open_client(Instant now, Packet& packet, uint16_t vs, uint32_t& place);
  // What a client has begun.
  struct Begun {
    Connection* connection;  // nullptr: there was no room
    LegIndex leg;
    uint32_t place;
    Seq irs;
  };
  bool adopt_client(Instant now, Packet& packet, const VirtualServer& server, const Begun& begun);
  Connection* adopt(Instant now, Connection* c, LegIndex leg, uint32_t place);
  void after(TcpTurn& turn, uint32_t place, TcpEvents events);
  void note_end(Socket& socket, TcpEvents events);
  void released(Instant now, uint32_t place);
  void arm(const Connection& c);
  void note_unanswered(Socket& socket);
  void fire(Instant now, ConnectionPool::Handle handle);
  void publish();
  uint32_t place_of(ConnectionPool::Handle handle) const { return places_[handle - 1]; }
  Connection* connection_of(const Socket& socket) {
    return socket.connection == ConnectionPool::kNone ? nullptr
                                                      : &tcp_.connections[socket.connection];
  }

  // connection_cookies.cc
  bool wants_cookie(Instant now);
  void answer_with_cookie(Instant now, Packet& packet, const VirtualServer& server);

  // pair.cc: from one stage to another
  PairStage stage_of(PairIndex pair) const;
  bool is_spliced(PairIndex pair) const { return sluice::is_spliced(stage_of(pair)); }
  bool has_both_ways(PairIndex pair) const;
  bool is_returning(const Socket& socket) const {
    return socket.spliced && stage_of(pair_of(socket.leg)) == PairStage::returning;
  }
  bool is_let_go(const Socket& socket) const { return socket.spliced && !is_returning(socket); }
  Transition& transition_of(PairIndex pair) { return transitions_[spliced_[pair].transition]; }
  const Transition& transition_of(PairIndex pair) const {
    return transitions_[spliced_[pair].transition];
  }
  void relay(TcpTurn& turn, uint32_t place, const RelaySocketView& order);
  void begin_relay(TcpTurn& turn, uint32_t place, uint32_t target);
  void unrelay(TcpTurn& turn, uint32_t place);
  void leave_relay(TcpTurn& turn, uint32_t place);
  void try_splice(TcpTurn& turn, uint32_t place);
  uint8_t splice_block(const Socket& client, const Socket& server);
  bool has_ended(const Socket& socket);
  void stay_relayed(TcpTurn& turn, uint32_t place, uint8_t block);
  void begin_splice(TcpTurn& turn, uint32_t client_place, uint32_t server_place);
  void settle(TcpTurn& turn, PairIndex pair);
  void finish_splice(TcpTurn& turn, PairIndex pair);
  void let_go(Socket& socket);
  void come_back(TcpTurn& turn, uint32_t place);
  bool begin_return(TcpTurn& turn, PairIndex pair);
  void leave_returned(TcpTurn& turn, PairIndex pair);
  void look_again(PairIndex pair);
  void finish_due(Instant now);
  void finish_return(TcpTurn& turn, PairIndex pair);
  void take_up(LegIndex leg);
  void speak(TcpTurn& turn, uint32_t place);
  void carry_out(TcpTurn& turn, uint32_t place);
  void end_spliced(Instant now, PairIndex pair, uint8_t reason);
  void stay_spliced(uint32_t place);

  // pair_relay.cc
  void relay_from(TcpTurn& turn, uint32_t place);
  Connection* relay_bytes(TcpTurn& turn, uint32_t place);
  void relay_end(TcpTurn& turn, uint32_t place, Connection* sender);

  // pair_promises.cc
  void hold_promises(TcpTurn& turn, Connection& client, Connection& server);
  void set_frozen(TcpTurn& turn, Connection& c, bool frozen);
  void thaw(TcpTurn& turn, uint32_t place);
  void say_all(TcpTurn& turn, Connection& c, Seq edge);

  // pair_packets.cc
  bool drains(TcpTurn& turn, LegIndex leg, Packet& packet);
  void cut_late_reports(LegIndex leg, Packet& packet);
  void echo_theirs(LegIndex leg, Packet& packet);
  bool note_told(LegIndex leg, const Packet& packet, const Connection& c, Connection& other);
  bool passes_back(TcpTurn& turn, LegIndex leg, Packet& packet);
  bool reset_passes_back(LegIndex leg, Packet& packet, const TcpSegment& reset);

  // pair_waiting.cc
  bool has_room_to_return() const;
  bool may_take_back() const { return first_waiting_ != 0 && has_room_to_return(); }
  bool wants_back(PairIndex pair);
  void wait_to_return(PairIndex pair);
  PairIndex take_first_waiting();
  void take_back_waiting(Instant now);

  // pair_count.cc
  Socket* counter_of(Socket& from);
  bool is_worth_while(Socket& client, Socket& server);
  bool is_believable(LegIndex leg, const TcpSegment& segment);
  void stop_at_count(TcpTurn& turn, LegIndex leg, Packet& packet);
  void count_spliced(Instant now, LegIndex leg);
  static void cut_behind(Packet& packet, const TcpSegment& segment, Seq boundary);

  // pair_numbers.cc
  uint32_t sent_shift(LegIndex leg) const;
  uint32_t received_shift(LegIndex leg) const;
  Seq sent_to(LegIndex leg) const;
  Seq acked_by(LegIndex leg);
  Resumption resumption_of(LegIndex leg, Instant now) const;
  void resume(TcpTurn& turn, LegIndex leg);
  void renew(Instant now, LegIndex leg);
  void reset_ends(Instant now, PairIndex pair);
  void reset_end(LegIndex leg, Seq acked, Seq sent);
  void follow_reset(PairIndex pair);

  // connection_orders.cc: what sockets ask for
  bool handle(Instant now, ByteSpan message);
  void handle_order(TcpTurn& turn, ByteSpan message, uint32_t place);
  void open(TcpTurn& turn, const OpenSocketView& message);
  uint8_t try_open(TcpTurn& turn, const OpenSocketView& message, uint32_t& place);
  uint32_t begin_opening(TcpTurn& turn, const FlowKey& key, PairIndex beside, Socket* like,
                         DropReason& why, const IpAddress& via = {});
  std::optional<Likeness> likeness_to(Socket& inbound, const FlowKey& key);
  void write(TcpTurn& turn, uint32_t place, ConstByteSpan bytes);
  void break_promise(TcpTurn& turn, uint32_t place);
  void close_socket(TcpTurn& turn, uint32_t place, bool abort);
  void set_option(TcpTurn& turn, Socket& socket, const SetSocketView& message);
  bool keep_option(Socket& socket, const SetSocketView& message);

  // connection_inspection.cc: clients whose server is chosen by what they send first
  void begin_inspection(uint32_t place, const VirtualServer& server, PortId in_port);
  void inspect(TcpTurn& turn, uint32_t place, TcpEvents events);
  void read_more(TcpTurn& turn, uint32_t inspection);
  void read_on(TcpTurn& turn, uint32_t inspection, uint32_t seen);
  void give_up_reading(TcpTurn& turn, uint32_t inspection, Counter why);
  void ask(Instant now, uint32_t inspection, const AppData& data);
  void ask_again(TcpTurn& turn, uint32_t inspection);
  AppData data_of(const Inspection& one);
  void put_question(Instant now, uint32_t inspection, const AppData& data);
  bool open_server(TcpTurn& turn, uint32_t inspection, const ReplyView& reply, DropReason& why);
  void not_opened(TcpTurn& turn, uint32_t inspection, DropReason why);
  void server_failed(TcpTurn& turn, uint32_t inspection);
  void join(TcpTurn& turn, uint32_t inspection);
  uint32_t end_inspection(uint32_t inspection);
  void end_client(TcpTurn& turn, uint32_t inspection, Counter why);
  void fire_inspection(Instant now, uint32_t inspection);

  // connection_learning.cc: what their servers say first
  void begin_learning(TcpTurn& turn, uint32_t inspection);
  void learn(TcpTurn& turn, uint32_t inspection);
  void end_learning(TcpTurn& turn, uint32_t inspection);
  bool tell_session(uint32_t inspection, const Connection& server);
  Connection& client_of(const Inspection& one) { return *connection_of(sockets_[one.client]); }

  // connection_time_wait.cc
  TimeWaitAnswer answer_past(Instant now, TcpFlow& flow, const FlowKey& key,
                             const TcpSegment& segment, SegmentSink& sink, LegIndex leg) const;
  bool begin_anew(Instant now, Packet& packet, TimeWaitTable::Index index,
                  const VirtualServer& server);
  void leave_to_time_wait(Instant now, const Socket& socket, LegIndex leg);
  std::optional<Seq> end_of_earlier(const FlowKey& key) const;
  void keep_time_wait(Instant now, const KeepTimeWaitView& message);

  // connection_news.cc: what sockets are told
  void list(uint32_t place) { sockets_.list(place); }
  bool tell_socket(TcpTurn& turn, uint32_t place);
  bool tell_bytes(TcpTurn& turn, uint32_t place);
  bool tell_opened(uint32_t place);
  bool grant(uint32_t place);
  bool tell_room();
  void answer_state(Instant now, const Socket& socket, const AskSocketView& message);

  Options options_;
  Flows& flows_;
  Stack& stack_;
  SegmentFrames& frames_;
  MessageRing& from_sockets_;
  Counters& counters_;
  const TimeBase& time_;
  Datagrams& datagrams_;
  SourceChoice source_;
  Tcp tcp_;
  WriteRoom write_room_;
  InspectionTable inspections_;
  SocketTable sockets_;
  MappedArray<uint32_t> places_;  // the socket of each connection
  MappedArray<PairSockets> spliced_;
  TransitionPool transitions_;
  std::array<PairIndex, 2 * kBatchCapacity> due_;  // that may have come back
  size_t due_count_ = 0;
  // The list of pairs that wait for connections to come back to, the first come first; one may be
  // over by now. As index + 1; 0: nobody waits.
  uint32_t first_waiting_ = 0;
  uint32_t last_waiting_ = 0;
  TimerLinks links_;
  TimerWheel wheel_;
  SynCookies cookies_;
  HalfOpen half_open_;
  bool full_ = false;  // the ring to the sockets was, when something was to be told
};

}  // namespace sluice
