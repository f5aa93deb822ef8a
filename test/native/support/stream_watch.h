// What holds of all that one host sends and gets, whoever speaks to it: the engine's TCP, the other
// end through the engine, or both in turns (TCPX-14, TCPX-21, TCPX-22, TCPX-24, TCPX-62).
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "support/tcp_host.h"

namespace sluice::test {

class StreamWatch {
 public:
  // `coming`: what this host is to get. `orderly`: nothing is lost, repeated or overtaken on its
  // way.
  StreamWatch(std::string name, const std::vector<uint8_t>& coming, bool orderly)
      : name_(std::move(name)), coming_(coming), orderly_(orderly) {}

  // The first thing that was wrong; "" if nothing was.
  const std::string& problem() const { return problem_; }
  uint64_t packets() const { return packets_; }
  // Whether the numbers of what this host sent, or got, have gone through zero.
  bool wrapped_out() const { return said_any_ && said_end_.raw() < iss_.raw(); }
  bool wrapped_in() const { return heard_any_ && heard_end_.raw() < irs_.raw(); }

  uint8_t scale() const { return own_scale_ == kNoWindowScale ? 0 : own_scale_; }
  // The host at the other end, and the least that a packet takes there and back.
  void set_far(const StreamWatch& far, Duration round_trip) {
    far_ = &far;
    round_trip_ = round_trip;
  }

  // A segment that this host sent, or gets, by offsets in the streams.
  std::string text(const TcpSegment& segment, bool is_sent) const {
    const Seq own = is_sent ? iss_ : irs_;
    const Seq peer = is_sent ? irs_ : iss_;
    std::string flags;
    for (const auto& [bit, name] : {std::pair{kTcpSyn, 'S'}, {kTcpFin, 'F'}, {kTcpRst, 'R'}}) {
      if (segment.has(bit)) flags += name;
    }
    std::string text = flags + " " + std::to_string(segment.seq - own - 1) + " + " +
                       std::to_string(segment.length()) + " ack " +
                       std::to_string(segment.ack - peer - 1) + " window " +
                       std::to_string(scaled(segment, is_sent ? own_scale_ : peer_scale_));
    for (size_t i = 0; i < segment.sack_count; ++i) {
      text += " [" + std::to_string(segment.sack[i].start - peer - 1) + ", " +
              std::to_string(segment.sack[i].end - peer - 1) + ")";
    }
    if (!segment.has_timestamps) return text;
    return text + " ts " + std::to_string(segment.tsval) + " " + std::to_string(segment.tsecr);
  }

  void sent(Packet packet) {
    if (!take_tcp(packet)) return blame("sent what is no sound TCP packet");
    const TcpSegment segment = read_segment(packet);
    ++packets_;
    if (segment.has(kTcpSyn)) {
      own_scale_ = segment.window_scale;
      if (!said_any_) {
        iss_ = said_end_ = segment.seq;
        first_clock_ = last_clock_ = segment.tsval;
      }
      said_any_ = true;
    }
    said_end_ = std::max(said_end_, segment.end());
    ended_ |= segment.has(kTcpFin);
    if (segment.has_timestamps && static_cast<int32_t>(segment.tsval - last_clock_) > 0) {
      last_clock_ = segment.tsval;
    }
    if (!segment.has(kTcpAck)) return;
    const Seq edge = segment.ack + scaled(segment, own_scale_);
    told_ack_ = offered_any_ ? std::max(told_ack_, segment.ack) : segment.ack;
    if (!offered_any_ || edge > offered_) offered_ = edge;
    offered_any_ = true;
    if (!segment.has(kTcpSyn)) {
      said_.push_back({segment.seq - iss_, segment.end() - iss_, edge - irs_});
    }
  }

  void got(const TcpHost& host, Packet packet, Instant now) {
    if (!take_tcp(packet) || packet.key != host.key()) return;  // damaged on its way
    const TcpSegment segment = read_segment(packet);
    ++packets_;
    if (segment.has(kTcpRst)) {
      // What it says of a connection that is over may be answered so.
      if (host.connection() != nullptr && !is_answer_of_none(segment)) blame("got a RST", segment);
      return;
    }
    if (segment.has(kTcpSyn)) {
      peer_scale_ = segment.window_scale;
      irs_ = segment.seq;
      if (!heard_any_) heard_end_ = irs_;
      heard_any_ = true;
    }
    heard_end_ = std::max(heard_end_, segment.end());
    check_bytes(segment);
    if (!segment.has(kTcpAck)) return;
    if (segment.ack > said_end_) blame("acknowledged what was never sent", segment);
    check_sack(segment);
    check_clock(host, segment, now);
    check_edge(segment);
    check_paws(host, segment);
  }

 private:
  // RFC 9293 3.10.7.1: whoever has heard that this host has got everything, and has acknowledged
  // all of its own, may have forgotten it, and answers what still comes.
  bool is_answer_of_none(const TcpSegment& reset) const {
    const bool has_all = told_ack_ == irs_ + static_cast<uint32_t>(coming_.size()) + 2;
    return has_all && ended_ && acked_ == said_end_ && reset.seq == told_ack_;
  }

  uint32_t scaled(const TcpSegment& segment, uint8_t scale) const {
    const bool scales =
        !segment.has(kTcpSyn) && own_scale_ != kNoWindowScale && peer_scale_ != kNoWindowScale;
    return uint32_t{segment.window} << (scales ? scale : 0);
  }

  // TCPX-62: whoever sends it, and how often, a number stands for the same byte; and nothing is
  // sent beyond what was offered (TCPX-14).
  void check_bytes(const TcpSegment& segment) {
    const size_t size = segment.payload.size();
    if (size == 0 && !segment.has(kTcpFin)) return;
    const int32_t at = segment.seq - (irs_ + 1);
    if (at < 0 || at + size > coming_.size()) return blame("got bytes that nobody sent", segment);
    if (std::memcmp(coming_.data() + at, segment.payload.data(), size) != 0) {
      return blame("got other bytes than before", segment);
    }
    if (segment.has(kTcpFin) && at + size != coming_.size())
      return blame("got an early FIN", segment);
    if (size > 0 && segment.seq + static_cast<uint32_t>(size) > offered_) {
      blame("got more than it offered", segment);
    }
  }

  void check_sack(const TcpSegment& segment) {
    for (size_t i = 0; i < segment.sack_count; ++i) {
      const SackBlock& block = segment.sack[i];
      if (block.start >= block.end) blame("got an empty SACK block", segment);
      if (block.end > said_end_) blame("got SACK of what was never sent", segment);
      // The first one may tell of a duplicate.
      if (i > 0 && block.start < segment.ack) blame("got SACK of what is acknowledged", segment);
    }
  }

  // What is echoed is one of ours, where it may be measured by. The engine's own clock, which it
  // repeats bytes by, may be echoed to us where the acknowledgement that ended the transition was
  // lost or overtaken: it is a time of ours that we did not say, and no round trip is shorter by
  // it.
  void check_clock(const TcpHost& host, const TcpSegment& segment, Instant now) {
    if (!segment.has_timestamps || !told_any_ || segment.ack <= acked_) return;
    const bool early = static_cast<int32_t>(segment.tsecr - first_clock_) < 0;
    const bool late = static_cast<int32_t>(segment.tsecr - last_clock_) > 0;
    if (early || (late && (orderly_ || !may_be_measured(host, segment, now)))) {
      blame("got an echo of what it never said", segment);
    }
  }
  bool may_be_measured(const TcpHost& host, const TcpSegment& segment, Instant now) const {
    if (host.connection() == nullptr) return true;
    const uint32_t clock = Tcp::timestamp(host.connection()->ts_offset, now);
    const auto measured = static_cast<int32_t>(clock - segment.tsecr);
    return measured >= round_trip_.milliseconds();
  }

  // TCPX-21, 22. What was sent earlier may come later, where packets overtake each other: what
  // acknowledges more is newer for sure, or what was stamped later.
  void check_edge(const TcpSegment& segment) {
    const Seq edge = segment.ack + scaled(segment, peer_scale_);
    const int32_t clock = static_cast<int32_t>(segment.tsval - told_clock_);
    const bool newer = !told_any_ || orderly_ || segment.ack > acked_ ||
                       (segment.ack == acked_ && segment.has_timestamps && clock > 0);
    if (told_any_ && newer) {
      if (segment.ack < acked_) blame("got an acknowledgement taken back", segment);
      if (edge + lost_to_scaling() < edge_ && !was_overtaken(segment, edge)) {
        blame("got a window taken back", segment);
      }
    }
    if (!newer) return;
    edge_ = told_any_ ? std::max(edge_, edge) : edge;
    acked_ = told_any_ ? std::max(acked_, segment.ack) : segment.ack;
    told_clock_ = segment.tsval;
    told_any_ = true;
  }
  // Whether the other end has said so when it sent this, as its window has only grown since. The
  // engine passed on what it said later, with the number of this, since this had not come.
  bool was_overtaken(const TcpSegment& segment, Seq edge) const {
    if (orderly_ || far_ == nullptr) return false;
    const int32_t from = segment.seq - irs_;
    const int32_t to = segment.end() - irs_;
    const int32_t told = edge - iss_;
    const auto lost = static_cast<int32_t>(lost_to_scaling());
    return std::any_of(far_->said_.begin(), far_->said_.end(), [&](const Said& said) {
      return said.from <= from && to <= said.to && std::abs(said.edge - told) <= lost;
    });
  }
  // RFC 7323 2.4: less than one step of the scale, or of the one that the window was first told by.
  uint32_t lost_to_scaling() const {
    const uint8_t scale = peer_scale_ == kNoWindowScale ? 0 : peer_scale_;
    return (1u << std::max(scale, far_ == nullptr ? uint8_t{0} : far_->scale())) - 1;
  }

  // TCPX-18: nothing that is new is dropped for being old.
  void check_paws(const TcpHost& host, const TcpSegment& segment) {
    const Connection* c = host.connection();
    if (!orderly_ || c == nullptr || !c->flow->agreed(TcpFlow::kTimestamps)) return;
    if (c->state() != ConnectionState::established || !segment.has_timestamps) return;
    if (static_cast<int32_t>(segment.tsval - c->flow->ts_recent) >= 0) return;
    const bool news = segment.end() > c->flow->rcv_nxt || segment.ack > c->snd_una;
    if (news) blame("got something new with an old timestamp", segment);
  }

  void blame(const std::string& what) {
    if (problem_.empty()) problem_ = name_ + " " + what;
  }
  void blame(const std::string& what, const TcpSegment& segment) {
    blame(what + ":" + text(segment, false) + "; acked " + std::to_string(acked_ - iss_ - 1) +
          ", edge " + std::to_string(edge_ - iss_ - 1) + ", sent " +
          std::to_string(said_end_ - iss_ - 1) + ", offered " +
          std::to_string(offered_ - irs_ - 1));
  }

  std::string name_;
  const std::vector<uint8_t>& coming_;
  bool orderly_;
  std::string problem_;
  uint64_t packets_ = 0;
  uint8_t own_scale_ = kNoWindowScale, peer_scale_ = kNoWindowScale;
  const StreamWatch* far_ = nullptr;
  Duration round_trip_;
  bool said_any_ = false, heard_any_ = false, offered_any_ = false, told_any_ = false;
  Seq iss_, said_end_;  // of what this host has sent
  Seq offered_;         // the furthest edge that it offered
  Seq told_ack_;        // the most that it acknowledged
  bool ended_ = false;  // it has sent its FIN
  Seq irs_, heard_end_;
  Seq acked_, edge_;  // as it was told
  // A segment that this host sent, and the edge in it, by offsets in the streams.
  struct Said {
    int32_t from, to, edge;
  };
  std::vector<Said> said_;
  uint32_t first_clock_ = 0, last_clock_ = 0, told_clock_ = 0;
};

}  // namespace sluice::test
