#pragma once

#include <array>
#include <cstdint>

#include "bus/messages.h"
#include "flow/flow_table.h"
#include "flow/leg_rewrite.h"
#include "flow/tcp_track.h"
#include "flow/time_wait_table.h"
#include "flow/virtual_server_table.h"
#include "packet/packet_pool.h"
#include "segment/app_reader.h"
#include "segment/outbox.h"
#include "segment/segment_options.h"
#include "segment/serials.h"
#include "segment/time_base.h"
#include "segment/waiting_room.h"
#include "stack/stack.h"
#include "timer/timer_wheel.h"

namespace sluice {

// The life of flows: opened by a first packet, decided by a REPLY, followed while packets pass,
// ended by TCP, silence or want of room, reported to the control segment. Modes of a pair change
// here and nowhere else. One worker owns it.
class Flows {
 public:
  struct Options {
    SegmentLimits limits;
    FlowTimeouts timeouts;
    uint8_t node = 1;  // 7 bits of every serial
    uint64_t seed = 0;
    // The cursors of STATE: of our first record, and of the first one of the next worker's table, 0
    // for none.
    uint64_t first_cursor = 0;
    uint64_t cursor_after = 0;
    bool bridges = false;  // whether flows may be forwarded on layer 2
  };
  struct Parts {
    Stack& stack;
    PacketPool& pool;
    Outbox& outbox;
    Counters& counters;
    const TimeBase& time;
  };

  Flows(const Options& options, const Parts& parts, Instant now);

  const FlowTable& table() const { return table_; }
  VirtualServerTable& virtual_servers() { return virtual_servers_; }

  // -- packets

  // Between these two, a leg that was found may be read though its flow has ended meanwhile: an
  // earlier packet of the batch may still have to leave by it.
  void begin_batch() { batch_open_ = true; }
  void end_batch();

  // A packet that belongs to no flow opens one and waits for the decision, or is dropped.
  // `vs` is 0 for a flow that no virtual server takes; `flags` of FlowPair, kOutbound and kBridged.
  void open(Instant now, Packet& packet, uint16_t vs, uint16_t flags);
  // A packet of a flow that still waits joins its queue, or is dropped.
  void wait(LegIndex leg, Packet& packet);
  // A leg with this signature whatever its DSCP; kNoLeg if there is none.
  LegIndex leg_of_any_dscp(const FlowKey& key) const;
  // Whether a packet begins a new session with the signature of one that is over (DFS-20): it is
  // for open(), which forgets the other.
  bool begins_anew(LegIndex leg, const Packet& packet) const;
  // Whether a half-open flow has had to make room, so lately that its server may still answer.
  bool may_have_given_way(Instant now) const { return now < opening_until_; }
  // The leg of this one's session on the same side: itself, unless its pair is a variant.
  LegIndex session_leg(LegIndex leg) const {
    const PairIndex session = session_of(pair_of(leg));
    return is_client_leg(leg) ? client_leg(session) : server_leg(session);
  }
  // A packet that passes: counts it and follows its TCP. False where it may not, in a splice.
  bool follow(Instant now, LegIndex leg, const Packet& packet);
  // Whether a packet of this leg, which may be a fragment, stands across a switch of offsets.
  bool reaches_across(LegIndex leg, const Packet& packet) const {
    return packet.headers.fragment && (table_.leg(leg).flags & LegFlags::kSwitched) &&
           sluice::reaches_across(leg_earlier(table_, leg), packet);
  }
  // Makes of a packet of this leg what it becomes, all but its Ethernet addresses.
  void rewrite(LegIndex leg, Packet& packet) const { rewrite_for_leg(table_, leg, packet); }

  // -- decisions

  // Carries out a REPLY. The packets that waited are added to released().
  void decide(Instant now, const ReplyView& reply);
  // Carries out what the control segment asks of its own accord. A NEWFLOW enters a flow or changes
  // it (DFSMSG-03, 04); `told` is its part up to the translation, laid out as a REPLY.
  void enter(Instant now, const ReplyView& told, const TcpsView& tcp);
  // Ends a flow that has been silent so long, or says that it is alive: STATS with CONNALIVE, and
  // after a TIMEOUT its STATE (DFSMSG-01, 02). The outbox has room for kMostAnswer bytes.
  void reap(Instant now, const ReapView& message);
  void time_out(Instant now, const TimeoutView& message);
  static constexpr size_t kMostAnswer = 512;
  // Ends all flows that there are, or those of one virtual server: in parts, but none that begins
  // from now on (DFSMSG-05).
  void reset(uint32_t scope);

  // Packets whose flow was decided, to be put through the pipeline and given back by done().
  PacketQueue& released() { return released_; }
  void done(PooledPacket* packet) { waiting_.done(packet); }

  // Ends the flows of a virtual server, decided or not, from `next` on, which begins with 0, a part
  // of the table at each call. True when that was the last.
  bool end_flows_of(Instant now, uint16_t vs, PairIndex& next);
  // Begins to send the flow table as STATE messages, from `cursor` on, `max_records` of them or all
  // if 0; goes on in poll() where the ring is full.
  void dump(Instant now, uint64_t cursor, uint16_t max_records);

  // -- legs of the engine's own, which it runs TCP for (connections.h) or hands datagrams of up
  // (datagrams.h), of pairs in mode `proxied` or `splice`

  // Where a pair ends by another's will than that of its sockets.
  class OwnPairs {
   public:
    // What there is of a pair is to end now, for that EndReason. close_own() follows for each of
    // its legs, or end_datagrams(), in the same call.
    virtual void abort_pair(Instant now, PairIndex pair, uint8_t reason) = 0;
    // The answer about a pair that was asked about.
    virtual void decided(Instant, PairIndex, const ReplyView&) {}
    // When something was last sent or received by a pair of connections.
    virtual Tick last_active(Instant, PairIndex) const { return 0; }

   protected:
    ~OwnPairs() = default;
  };
  void set_own_pairs(FlowClass flow_class, OwnPairs* own) {
    (flow_class == FlowClass::own ? own_connections_ : own_datagrams_) = own;
  }
  // Enters the leg that takes the packets of `key`, on the client's side of a new pair, or on the
  // server's side of `beside`, or of a new one where that is kNoPair. Acquires the next hop towards
  // the peer. kNoLeg, and why.
  LegIndex open_own_client(Instant now, const FlowKey& key, uint16_t vs, DropReason& why);
  // By another next hop than routes say where `via` is one.
  LegIndex open_own_server(Instant now, const FlowKey& key, PairIndex beside, DropReason& why,
                           const IpAddress& via = {});
  // Translated flows that are over leave their signature to what opens a connection, whose server
  // may still have it in TIME-WAIT: our TCP knows what to do then (RFC 9293 3.5.1).
  void forget_past(Instant now, const FlowKey& key);
  // Counts a packet that the leg has received.
  void count_own(LegIndex leg, const Packet& packet);
  // The connection block is gone. So is the leg, and what it leaves answers for so long. It is no
  // flow: no RESET ends it.
  TimeWaitTable::Index keep_in_time_wait(Instant now, LegIndex leg, Duration span, uint8_t reason);
  TimeWaitTable& time_waits() { return time_waits_; }
  const TimeWaitTable& time_waits() const { return time_waits_; }
  // The leg is free. With its last leg the pair ends.
  void close_own(Instant now, LegIndex leg, uint8_t reason);
  // Both legs of a pair of UDP are free, spliced or not, and the pair ends.
  void end_datagrams(PairIndex index, uint8_t reason);
  // Something was sent or received: the pair of UDP lives on.
  void touch_own(Instant now, LegIndex leg);
  // How long it lives without; 0 for as long as usual.
  void set_idle(Instant now, PairIndex index, uint32_t seconds);
  // Packets of a proxied pair are translated from now on, until the other call: false where
  // its two legs are of two IP versions.
  bool splice(PairIndex index);
  void unsplice(PairIndex index);
  // What TCP has shown of the sender of a leg, in the client's sequence spaces.
  struct Shown {
    Seq seq_end;  // of what it sent
    Seq acked;
    Seq edge;  // the furthest that it offered
    uint8_t scale;
    uint32_t tsval;  // the highest that it sent, if it sends any
  };
  // The same for connections, whose numbers are shifted (`offsets`, of the client's packets). They
  // are followed as those of others are, until they end or come back.
  void splice(Instant now, PairIndex index, const TcpOffsets& offsets, const Shown& client,
              const Shown& server);
  Shown shown(LegIndex leg) const;
  // The legs are as open_own() had left them.
  void take_back(PairIndex index);
  // A spliced pair of TCP is over: nobody is told, and it stays to translate what is repeated.
  void end_spliced(Instant now, PairIndex index, uint8_t reason);
  // Sets flags of a pair, or takes them away.
  void mark(PairIndex index, uint16_t flags, bool on);
  // What is followed next begins so many bytes further on, whether they have been seen or not.
  void advance(LegIndex leg, uint32_t bytes);
  // The leg whose next hop leads to the peer of this one, which is an own one.
  LegIndex towards_peer(LegIndex leg) const {
    return table_.pair(pair_of(leg)).mode == PairMode::splice ? other_leg(leg) : leg;
  }
  // Ends the pair of UDP that was used least recently. False where there is none.
  bool evict_datagrams(Instant now);
  FlowEntry& own_leg(LegIndex leg) { return table_.leg(leg); }

  // -- own pairs that the control segment is asked about (inspected_pairs.cc)

  struct Asked {
    const AppData& data;
    PortId in_port;
    Seq irs;
    bool another;          // another flow has what its server would send
    uint16_t failed_node;  // the one that did not take the connection, if any
  };
  // Asks for the server of a client's connection. `question` remembers where it stands in the ring,
  // 0 where it found no room; while that lies there unread it is not repeated.
  void ask(Instant now, PairIndex index, const Asked& asked, uint64_t& question);
  // Tells what the server named the session that its client has with it. False: there was no room.
  bool tell_session(PairIndex index, ConstByteSpan id);
  // The decision is carried out: whose it is, and where it is to leave from.
  void assign(PairIndex index, const ReplyView& reply);
  static FlowKey translated(const FlowKey& key, const XlatView& xlat);
  // The control segment has refused it, and forgotten; or it could not be carried out.
  void forget_asked(PairIndex index);
  void note_unentered(PairIndex index) { pair(index).flags |= FlowPair::kNotEntered; }
  // It ends where nothing is sent or received for long.
  void watch_idle(Instant now, PairIndex index) { set_class(now, index, FlowClass::own); }
  static bool refuses(const ReplyView& reply);

  // Expiry, repeated queries, periodic statistics, what waits for room in the ring.
  void poll(Instant now);
  Instant deadline(Instant now) const;

 private:
  FlowPair& pair(PairIndex index) { return table_.pair(index); }
  OwnPairs& own_pairs_of(const FlowPair& pair) const {
    return *(pair.flow_class == FlowClass::datagrams ? own_datagrams_ : own_connections_);
  }
  TimerWheel& wheel(FlowClass flow_class) { return wheels_[static_cast<int>(flow_class)]; }
  const TimerWheel& wheel(FlowClass flow_class) const {
    return wheels_[static_cast<int>(flow_class)];
  }
  Duration idle_timeout_of(uint8_t protocol) const;
  Tick timeout_of(PairIndex index, FlowClass flow_class) const;
  Tick idle_until(Instant now, PairIndex index) const;
  Tick last_seen(Instant now, PairIndex index) const;
  bool is_over(LegIndex leg) const;
  bool gives_way(LegIndex leg, const Packet& syn) const;
  bool both_have_ended(LegIndex leg) const;
  bool is_past(LegIndex holder, const Packet* first) const;
  bool is_beyond(LegIndex sender, uint32_t offset, const Packet& syn) const;
  PairIndex session_of(PairIndex index) const { return table_.session_of(index); }
  template <class Visit>
  void for_each_variant_of(PairIndex session, Visit&& visit) {
    if (!(pair(session).flags & FlowPair::kHasVariants)) return;
    table_.for_each_variant(table_.key_of(client_leg(session)), [&](LegIndex leg) {
      const PairIndex index = pair_of(leg);
      if ((pair(index).flags & FlowPair::kVariant) && session_of(index) == session) visit(index);
    });
  }

  // flows.cc: opening and following
  static bool opens_session(const Packet& packet);
  PairIndex allocate(Instant now);
  bool evict_passing(Instant now);
  void make_place(Instant now);
  bool evict_for_next_hop(Instant now);
  bool evict_over(Instant now, FlowClass flow_class);
  bool evict_alive(Instant now, FlowClass flow_class);
  void forget_past(Instant now, const Packet& syn);
  template <class IsPast>
  void forget_where(Instant now, const FlowKey& key, IsPast&& is_past);
  PairIndex least_recently_used(Instant now, FlowClass flow_class);
  uint32_t pairs_in_place() const;
  uint32_t live_pairs() const { return table_.pairs_in_use() - static_cast<uint32_t>(over_count_); }
  void set_class(Instant now, PairIndex index, FlowClass flow_class);
  void move_class(Instant now, PairIndex index, FlowClass flow_class, Tick deadline);
  void apply_event(Instant now, PairIndex index, TrackEvent event);

  // decisions.cc: REPLY
  static bool bridges(const ReplyView& reply);
  bool take_over(Instant now, PairIndex index, const ReplyView& reply);
  LegIndex find_or_make(Instant now, const ReplyView& reply, const FlowKey& key);
  LegIndex make(Instant now, const ReplyView& reply, const FlowKey& key);
  void carry_out(Instant now, PairIndex index, const ReplyView& reply, bool resumes);
  void refuse(Instant now, PairIndex index, const ReplyView& reply);
  bool ask_again(Instant now, PairIndex index);
  void fail(Instant now, PairIndex index, DropReason why);
  FlowClass class_of_decided(PairIndex index, bool resumes) const;
  void release_waiting(Instant now, PairIndex index, FlowClass flow_class);
  void release_packets(PairIndex index);

  // decided_legs.cc: what a decision makes of both legs
  bool install(Instant now, PairIndex index, const ReplyView& reply, DropReason& why);
  bool may_bridge(const FlowKey& key, const FlowKey& target, const ReplyView& reply) const;
  bool enter_way_back(Instant now, PairIndex index, const FlowKey& key, DropReason& why);
  bool is_unanswered(LegIndex leg) const;
  void take_in(const FlowKey& way_back);
  bool makes_way(Instant now, LegIndex holder, PairIndex index);
  bool join_session(PairIndex index, LegIndex way_back);
  NextHop acquire_hop(Instant now, const IpAddress& destination, DropReason& why);
  bool acquire_hops(Instant now, PairIndex index, const XlatView& xlat, uint16_t flags,
                    const FlowKey& target, DropReason& why);
  void share_offsets(PairIndex variant, PairIndex session);
  void store_offsets(PairIndex index, const ReplyView& reply);

  // flow_requests.cc: NEWFLOW, REAP, TIMEOUT, RESET
  LegIndex find_to_enter(Instant now, const ReplyView& told, const FlowKey& key);
  bool change(Instant now, PairIndex index, const ReplyView& told);
  bool replace(Instant now, PairIndex index, const ReplyView& told, const TcpOffsets& before,
               bool was_switched, DropReason& why);
  void note_switch(PairIndex index, const TcpOffsets& before, bool was_switched);
  void renumber_switched(Instant now, LegIndex index, TrackedSegment& segment);
  void forget_switch(LegIndex leg);
  void seed_tracking(Instant now, PairIndex index, const TcpsView& tcp);
  template <class View>
  PairIndex find_asked(Instant now, const View& message);
  bool is_active(Instant now, PairIndex index, uint32_t idle_seconds) const;
  void continue_reset(Instant now);

  // flow_end.cc: ends and timers
  void end(Instant now, PairIndex index, uint8_t reason);
  void end_variants(Instant now, PairIndex index, uint8_t reason);
  void end_session(Instant now, PairIndex index, uint8_t reason);
  void conclude(Instant now, PairIndex index);
  bool forget(Instant now, PairIndex index);
  void remove(PairIndex index);
  void free_pair(PairIndex index);
  void conclude_own(Instant now, PairIndex index, uint8_t reason);
  void end_own_pair(Instant now, PairIndex index, uint8_t reason);
  void expire(Instant now, PairIndex index);
  void give_up(Instant now, PairIndex index);
  void expire_waiting(Instant now, PairIndex index);
  void fire(Instant now, FlowClass flow_class, PairIndex index);

  // own_legs.cc
  void forget_time_wait(const FlowKey& key);
  LegIndex open_own(Instant now, LegIndex leg, const FlowKey& key, const IpAddress& to,
                    DropReason& why);
  NextHop acquire_own_hop(Instant now, const FlowKey& key, const IpAddress& to, DropReason& why);
  PairIndex allocate_own(Instant now, uint16_t vs, uint8_t protocol);

  // reports.cc: what the control segment is told
  bool send_query(Instant now, PairIndex index);
  bool is_inspected(const FlowPair& flow, const Packet& packet) const;
  void fill_question(Instant now, PairIndex index, const Packet& packet, QueryView message) const;
  bool report_end(Instant now, PairIndex index);
  void report_unentered(const ReplyView& reply);
  void report_alive(Instant now, PairIndex index);
  bool report_state(Instant now, PairIndex index, uint8_t error_code);
  StateView state_of(Instant now, PairIndex index);
  template <class View>
  void report_no_flow(const View& asked);
  uint8_t tcp_state_of(PairIndex index) const;
  template <class View>
  void fill_totals(Instant now, PairIndex index, View message) const;
  void fill_counts(Instant now, PairIndex index, CntView cnt) const;
  void report_statistics(Instant now);
  void continue_dump(Instant now);
  bool dump_found(Instant now, uint64_t next_cursor);
  bool dump_one(Instant now, PairIndex index, uint64_t next_cursor);
  void store_translation(PairIndex index, StateView message) const;
  bool is_live(PairIndex index) const;

  // inspected_pairs.cc
  bool is_asked(PairIndex index) const;
  PairIndex asked_by(const ReplyView& reply, const FlowKey& key) const;

  // Pairs looked at between two looks at the ports, where a whole table is gone through.
  static constexpr PairIndex kPairsPerPoll = 2048;

  struct Dump {
    bool active = false;
    PairIndex found = kNoPair;  // to be told when the one after it is known
    PairIndex next = 0;         // to be looked at
    uint32_t remaining = 0;     // records
  };
  struct Statistics {
    uint32_t slice = 0;
    PairIndex next = 0;   // of this slice
    PairIndex end = 0;    // of this slice
    PairIndex share = 1;  // pairs in a slice
  };

  Options options_;
  Stack& stack_;
  Outbox& outbox_;
  Counters& counters_;
  const TimeBase& time_;
  FlowTable table_;
  TimeWaitTable time_waits_;
  VirtualServerTable virtual_servers_;
  WaitingRoom waiting_;
  TimerLinks links_;
  std::array<TimerWheel, kFlowClasses> wheels_;
  PacketQueue released_;
  Dump dump_;
  // Each packet of a batch ends two sessions at most: the one it replaces, and one evicted for it.
  static constexpr uint32_t kMostOver = 2 * FlowTable::kMostVariants * kBatchCapacity;
  std::array<PairIndex, kMostOver> over_;  // to be freed by end_batch()
  size_t over_count_ = 0;
  bool batch_open_ = false;
  PairIndex doomed_next_ = 0;  // what a RESET has still to look at
  PairIndex doomed_end_ = 0;
  Instant opening_until_;  // until then a half-open flow that gave way may go on
  OwnPairs* own_connections_ = nullptr;
  OwnPairs* own_datagrams_ = nullptr;
  uint32_t own_pairs_in_use_ = 0;
  Serials serials_;
  Statistics statistics_;
  Tick next_statistics_;
};

}  // namespace sluice
