#include "flow/tcp_track.h"

#include <doctest/doctest.h>

#include "wire/tcp.h"

namespace sluice {
namespace {

// A connection as the two legs see it, driven segment by segment.
struct Tracked {
  FlowEntry client{}, server{};

  TrackEvent from_client(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t payload = 0,
                         uint16_t window = 1000) {
    return track_tcp(client, server, segment(flags, seq, ack, payload, window));
  }
  TrackEvent from_server(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t payload = 0,
                         uint16_t window = 1000) {
    return track_tcp(server, client, segment(flags, seq, ack, payload, window));
  }
  static TrackedSegment segment(uint8_t flags, uint32_t seq, uint32_t ack, uint32_t payload,
                                uint16_t window) {
    const uint32_t length = payload + ((flags & kTcpSyn) != 0) + ((flags & kTcpFin) != 0);
    return {flags, seq, ack, window, length, LegTcpState::kNoScale};
  }
};

constexpr uint32_t kC = 0xfffffff0;  // both sequence spaces wrap soon
constexpr uint32_t kS = 0xffffff00;

Tracked established() {
  Tracked t;
  CHECK(t.from_client(kTcpSyn, kC, 0) == TrackEvent::none);
  CHECK(t.from_server(kTcpSyn | kTcpAck, kS, kC + 1) == TrackEvent::none);
  CHECK(t.from_client(kTcpAck, kC + 1, kS + 1) == TrackEvent::established);
  return t;
}

TEST_CASE("HS-22 FLOWLIFE-02 a close from either side, step by step, also across sequence wrap") {
  SUBCASE("the client closes first") {
    Tracked t = established();
    CHECK(t.from_client(kTcpAck, kC + 1, kS + 1, 500) == TrackEvent::none);
    CHECK(t.from_client(kTcpFin | kTcpAck, kC + 501, kS + 1) == TrackEvent::closing);
    CHECK(t.from_server(kTcpAck, kS + 1, kC + 502) == TrackEvent::none);
    CHECK(t.from_server(kTcpAck, kS + 1, kC + 502, 300) == TrackEvent::none);  // half closed
    CHECK(t.from_server(kTcpFin | kTcpAck, kS + 301, kC + 502) == TrackEvent::none);
    CHECK(t.from_client(kTcpAck, kC + 502, kS + 302) == TrackEvent::closed);
  }
  SUBCASE("the server closes first") {
    Tracked t = established();
    CHECK(t.from_server(kTcpFin | kTcpAck, kS + 1, kC + 1, 10) == TrackEvent::closing);
    CHECK(t.from_client(kTcpFin | kTcpAck, kC + 1, kS + 12) == TrackEvent::none);
    CHECK(t.from_server(kTcpAck, kS + 12, kC + 2) == TrackEvent::closed);
  }
  SUBCASE("both at once") {
    Tracked t = established();
    CHECK(t.from_client(kTcpFin | kTcpAck, kC + 1, kS + 1) == TrackEvent::closing);
    CHECK(t.from_server(kTcpFin | kTcpAck, kS + 1, kC + 1) == TrackEvent::none);
    CHECK(t.from_client(kTcpAck, kC + 2, kS + 2) == TrackEvent::none);
    CHECK(t.from_server(kTcpAck, kS + 2, kC + 2) == TrackEvent::closed);
  }
  SUBCASE("a repeated FIN changes nothing") {
    Tracked t = established();
    CHECK(t.from_client(kTcpFin | kTcpAck, kC + 1, kS + 1) == TrackEvent::closing);
    CHECK(t.from_client(kTcpFin | kTcpAck, kC + 1, kS + 1) == TrackEvent::none);
    CHECK(t.client.seq_end == kC + 2);
  }
}

TEST_CASE("HS-28 TCPX-36 a FIN outside the window changes nothing, nor a RST beside its edge") {
  for (const uint32_t off : {1001u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    CAPTURE(off);
    Tracked t = established();
    CHECK(t.from_client(kTcpRst, kC + 1 + off, 0) == TrackEvent::none);
    CHECK(t.from_server(kTcpRst | kTcpAck, kS + 1 + off, kC + 1) == TrackEvent::none);
    const TrackEvent event = off < 0x7fffffff ? TrackEvent::refused : TrackEvent::none;
    CHECK(t.from_client(kTcpFin | kTcpAck, kC + 1 + off, kS + 1) == event);
    CHECK(t.from_server(kTcpFin | kTcpAck, kS + 1 + off, kC + 1) == event);
    CHECK_FALSE(t.client.tcp.has(LegTcpState::kFin));
    CHECK_FALSE(t.server.tcp.has(LegTcpState::kFin));
  }
  for (const uint32_t beside : {1u, 1000u}) {
    CAPTURE(beside);
    CHECK(established().from_client(kTcpRst, kC + 1 + beside, 0) == TrackEvent::none);
    CHECK(established().from_server(kTcpRst, kS + 1 + beside, 0) == TrackEvent::none);
  }
  CHECK(established().from_client(kTcpRst, kC + 1, 0) == TrackEvent::reset);
  CHECK(established().from_server(kTcpRst, kS + 1, 0) == TrackEvent::reset);
}

TEST_CASE("HS-28 a RST counts wherever the receiver may be: from what it acknowledged to the end") {
  for (const uint32_t at : {0u, 1u, 299u, 300u}) {
    CAPTURE(at);
    Tracked t = established();
    t.from_client(kTcpAck, kC + 1, kS + 1, 300);  // its acknowledgement is still under way
    CHECK(t.from_client(kTcpRst, kC + 1 + 301, 0) == TrackEvent::none);
    CHECK(t.from_client(kTcpRst, kC, 0) == TrackEvent::none);
    CHECK(t.from_client(kTcpRst, kC + 1 + at, 0) == TrackEvent::reset);
  }
}

TEST_CASE("HS-28 TCPX-36 in the window counts only what acknowledges something that was sent") {
  for (const uint32_t ack : {kS + 2, kS + 0x40000000, kS + 1 - 70'000, kS + 0x90000000}) {
    CAPTURE(ack);
    Tracked t = established();
    // Guessed data would have the end of what was sent, and so a RST, where the receiver is not.
    t.from_client(kTcpAck, kC + 501, ack, 100);
    CHECK(t.client.seq_end == kC + 1);
    CHECK(t.from_client(kTcpRst, kC + 401, 0) == TrackEvent::none);
    CHECK(t.from_client(kTcpFin | kTcpAck, kC + 1, ack) == TrackEvent::refused);
    CHECK(t.from_client(kTcpFin, kC + 1, 0) == TrackEvent::refused);
    CHECK(t.from_client(kTcpFin | kTcpAck, kC + 1, kS + 1) == TrackEvent::closing);
  }
}

TEST_CASE("HS-28 FLOWLIFE-16 in mid-session a repeated segment opens no window for a RST") {
  Tracked t;
  t.from_server(kTcpAck, kS, kC + 5000);
  t.from_client(kTcpAck, kC, kS, 100);  // acknowledged long ago
  CHECK(t.from_client(kTcpRst, kC + 0x40000000, 0) == TrackEvent::none);
  CHECK(t.from_client(kTcpRst, kC + 100, 0) == TrackEvent::none);
  CHECK(t.from_client(kTcpRst, kC + 5000, 0) == TrackEvent::reset);
}

TEST_CASE("HS-28 a SYN is refused by a RST that acknowledges it, not by another") {
  Tracked t;
  t.from_client(kTcpSyn, kC, 0);
  CHECK(t.from_server(kTcpRst | kTcpAck, 0, kC + 7) == TrackEvent::none);
  CHECK(t.from_server(kTcpRst | kTcpAck, 0, kC + 1) == TrackEvent::reset);
}

TEST_CASE("FLOWLIFE-16 a flow that begins in mid-session is followed to its end") {
  Tracked t;
  CHECK(t.from_client(kTcpAck, 5000, 9000, 100) == TrackEvent::none);
  CHECK(t.from_server(kTcpAck, 9000, 5100, 40'000) == TrackEvent::established);
  CHECK(t.from_client(kTcpFin | kTcpAck, 5100, 49'000) == TrackEvent::closing);
  CHECK(t.from_server(kTcpFin | kTcpAck, 49'000, 5101) == TrackEvent::none);
  CHECK(t.from_client(kTcpAck, 5101, 49'001) == TrackEvent::closed);
}

TEST_CASE("HS-22 a new SYN before any answer begins the handshake anew") {
  Tracked t;
  t.from_client(kTcpSyn, kC, 0);
  t.from_client(kTcpSyn, kC + 77'777, 0);
  CHECK(t.from_server(kTcpSyn | kTcpAck, kS, kC + 77'778) == TrackEvent::none);
  CHECK(t.from_client(kTcpAck, kC + 77'778, kS + 1) == TrackEvent::established);
}

TEST_CASE("HS-22 a scaled window widens what is accepted, an unscaled one does not") {
  for (const bool scaled : {false, true}) {
    Tracked t;
    const uint8_t scale = scaled ? 7 : LegTcpState::kNoScale;
    TrackedSegment syn = Tracked::segment(kTcpSyn, kC, 0, 0, 1000);
    syn.window_scale = 7;
    track_tcp(t.client, t.server, syn);
    TrackedSegment answer = Tracked::segment(kTcpSyn | kTcpAck, kS, kC + 1, 0, 1000);
    answer.window_scale = scale;
    track_tcp(t.server, t.client, answer);
    t.from_client(kTcpAck, kC + 1, kS + 1);
    t.from_server(kTcpAck, kS + 1, kC + 1);  // the first window that may be scaled
    CHECK(t.from_client(kTcpFin | kTcpAck, kC + 1 + 100'000, kS + 1) ==
          (scaled ? TrackEvent::closing : TrackEvent::refused));
  }
}

TEST_CASE("HS-28 an acknowledgement of what was never sent is not believed") {
  Tracked t = established();
  t.from_client(kTcpAck, kC + 1, kS + 5000);
  CHECK(t.client.acked == kS + 1);
}

}  // namespace
}  // namespace sluice
