#pragma once

#include <cstdint>
#include <utility>

#include "packet/icmp_quote.h"
#include "segment/counters.h"
#include "segment/flows.h"
#include "segment/segment_frames.h"
#include "segment/socket_table.h"
#include "segment/source_choice.h"
#include "segment/stream_news.h"
#include "stack/stack.h"

namespace sluice {

// The flows of UDP that the engine ends itself, of one worker: datagrams to the sockets of
// TypeScript and from them (bus/streams.def). A socket is one leg, and nothing is kept of a
// datagram: it goes up or out at once, or is lost, as on any path. Two sockets of a pair can be
// spliced: their datagrams are translated in the pipeline then, and the pair is as any other until
// it ends.
class Datagrams final : public Flows::OwnPairs, public StreamNews {
 public:
  struct Options {
    uint32_t sockets = 0;  // at a time
    uint32_t worker = 0;
    uint64_t seed = 0;
  };
  struct Parts {
    Flows& flows;
    Stack& stack;
    SegmentFrames& frames;
    MessageRing& to_sockets;
    Counters& counters;
    const HandOver& hand_over;
  };

  Datagrams(const Options& options, const Parts& parts);

  // -- packets; each sets the verdict

  // A datagram to a virtual server that terminates, of no flow.
  void accept(Instant now, Packet& packet, uint16_t vs);
  // One of a leg of a proxied pair.
  void arrives(Instant now, LegIndex leg, Packet& packet);
  // An ICMP error about a datagram of ours.
  void error_arrives(Instant now, LegIndex leg, const IcmpQuote& quote, Packet& error);
  // A datagram of ours waited for a next hop that does not answer.
  void unreachable(Instant now, const FlowKey& sent);

  // -- what sockets ask for

  static bool is_of_datagrams(uint32_t socket) { return (socket & SocketTable::kDatagrams) != 0; }
  // There is room for an answer.
  void open(Instant now, const OpenSocketView& message);
  void handle_order(Instant now, ByteSpan message);

  // Tells sockets what is new to them, as far as there is room.
  void tell();
  // Whether something is still to be told.
  bool has_news() const { return sockets_.first_listed() != 0; }
  void publish();
  // Of a socket that there is, up to the end of its last splice; from any thread.
  const RelayProgress* relay_progress(uint32_t socket) const {
    return sockets_.progress_of(socket);
  }

  // Flows::OwnPairs
  void abort_pair(Instant now, PairIndex pair, uint8_t reason) override;

 private:
  // Bytes that a socket may be handed before it has spoken.
  static constexpr uint32_t kFirstCredit = 16 * 1024;

  uint32_t take_place(Instant now);
  Socket& adopt(LegIndex leg, uint32_t place);
  void let_go(Socket& socket, uint32_t place, uint8_t end);
  void end_leg(Instant now, uint32_t place, uint8_t end);
  uint32_t place_at(LegIndex leg) const { return flows_.table().leg(leg).detail; }
  bool is_spliced(const Socket& socket) const;
  void note_moved(Instant now, PairIndex pair);
  void take_in(Instant now, LegIndex leg, Packet& packet);
  bool has_room(size_t size) const;
  bool hand_up(const Packet& packet, uint32_t place);
  bool hand_up_one(uint32_t place, ConstByteSpan datagram);
  uint8_t try_open(Instant now, const OpenSocketView& message, uint32_t& place);
  void send(Instant now, Socket& socket, ConstByteSpan datagram);
  void splice(uint32_t place, uint32_t target);
  void unsplice(Instant now, const Socket& socket);
  bool tell_socket(uint32_t place);
  bool tell_opened(uint32_t place);

  Options options_;
  Flows& flows_;
  Stack& stack_;
  SegmentFrames& frames_;
  Counters& counters_;
  SourceChoice source_;
  SocketTable sockets_;
  uint32_t live_ = 0;  // sockets that have a leg
};

}  // namespace sluice
