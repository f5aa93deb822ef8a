// A running Segment: its worker's thread, and the one thread that talks to it. What is shared by
// the two is for ThreadSanitizer to judge (npm run test:sanitize -- thread).
#include <doctest/doctest.h>

#include <condition_variable>
#include <memory>
#include <mutex>

#include "bus/signature.h"
#include "segment/segment.h"
#include "support/frame.h"
#include "support/limits.h"
#include "wire/ip_protocol.h"

namespace sluice {
namespace {

using namespace test;
using Bytes = std::vector<uint8_t>;

// A segment with two memory ports whose far ends are closed, and what it has told.
class Running {
 public:
  explicit Running(size_t bus_bytes = 1 << 20, uint32_t workers = 1) {
    SegmentOptions options;
    for (const char* own : {"192.0.2.1", "10.1.0.1"}) {
      SegmentPort port;
      port.options.name = own;
      port.options.addresses = {{ip(own), 24}};
      options.ports.push_back(port);
    }
    options.timeouts = kTimeouts;
    options.limits = kSmallLimits;
    options.limits.flows = 4096;
    options.workers = workers;
    options.limits.bus_bytes = bus_bytes;
    auto started = Segment::start(options, [this] {
      const std::lock_guard lock(mutex_);
      rung_ = true;
      condition_.notify_one();
    });
    REQUIRE(started.ok());
    segment_ = std::move(started.value());
  }

  void submit(const Bytes& messages) {
    for (size_t taken = 0; taken < messages.size();) {
      taken += segment_->submit({messages.data() + taken, messages.size() - taken});
    }
  }
  // Waits until this many messages of one type have come; returns how many are there.
  size_t wait_for(uint16_t type, size_t count) {
    while (told_of(type) < count) {
      {
        std::unique_lock lock(mutex_);
        condition_.wait(lock, [this] { return rung_; });
        rung_ = false;
      }
      drain();
    }
    return told_of(type);
  }
  uint64_t counter(Counter counter) const {
    std::vector<uint64_t> figures(Counters::kSize + 2 * PortFigures::kFigures);
    CHECK(segment_->read_counters(figures) == figures.size());
    return figures[static_cast<size_t>(counter)];
  }
  Segment& segment() { return *segment_; }
  uint64_t last_cursor() const { return cursors_.back(); }

 private:
  std::vector<uint64_t> cursors_;  // of STATEs, in order

  // The first byte of CSMB messages is 0, their type in the second; that of SSMB messages is not.
  void drain() {
    uint8_t room[3000];
    while (const size_t filled = segment_->drain(room)) {
      for (size_t at = 0; at < filled;) {
        const uint8_t code = room[at];
        ++told_[code != 0 ? code : 0x100 + room[at + 1]];
        if (code == StateView::kCode) cursors_.push_back(StateView(room + at).next_cursor());
        at += code == 0                   ? load_be16(room + at + 2)
              : code == StateView::kCode  ? StateView::kSize
              : code == DeleteView::kCode ? DeleteView::kSize
                                          : StatsView::kSize;
      }
    }
  }
  size_t told_of(uint16_t type) const { return told_[type]; }

  std::mutex mutex_;
  std::condition_variable condition_;
  bool rung_ = false;
  std::array<size_t, 0x200> told_{};
  std::unique_ptr<Segment> segment_;  // the last member: its thread uses the others
};

constexpr uint16_t kAck = 0x100 + AckView::kCode;

Bytes add_vs(uint16_t id) {
  Bytes bytes(AddVsView::kSize);
  AddVsView message(bytes.data());
  message.set_msg_type(AddVsView::kCode);
  message.set_msg_length(AddVsView::kSize);
  message.set_vs_id(id);
  message.set_virt_ipaddr(ip("192.0.2.100"));
  message.set_virt_port(id);
  message.set_protocol(kProtocolTcp);
  return bytes;
}

Bytes delete_vs(uint16_t id) {
  Bytes bytes(DeleteVsView::kSize);
  DeleteVsView message(bytes.data());
  message.set_msg_type(DeleteVsView::kCode);
  message.set_msg_length(DeleteVsView::kSize);
  message.set_vs_id(id);
  return bytes;
}

// Self-contained: opens a flow without a packet.
Bytes reply(uint16_t vs, L4Port client_port, uint32_t segment = 0x81000000) {
  Bytes bytes(ReplyView::kSize);
  ReplyView message(bytes.data());
  message.set_msg_type(ReplyView::kCode);
  message.set_serial(segment + client_port);
  store_signature(message.sig(),
                  {ip("192.0.2.10"), ip("192.0.2.100"), client_port, vs, kProtocolTcp, 0});
  message.set_flags(SsmbFlags::route_by_dst);
  message.xlat().set_xlat_dst_ipaddr(ip("10.1.0.11"));
  message.xlat().set_xlat_mask(XlatMask::dst_addr);
  message.xlat().set_vs_id(vs);
  return bytes;
}

void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

TEST_CASE("SSMB-06 ARCH-01 a running segment takes batches of messages and tells batches back") {
  Running running;
  running.submit(add_vs(80));
  CHECK(running.wait_for(kAck, 1) == 1);
  Bytes replies;
  for (L4Port port = 1; port <= 1000; ++port) append(replies, reply(80, port));
  running.submit(replies);
  Bytes request(StateReqView::kSize);
  request[0] = StateReqView::kCode;
  running.submit(request);
  CHECK(running.wait_for(StateView::kCode, 1000) == 1000);
  CHECK(running.counter(Counter::flows_opened) == 1000);
  running.submit(delete_vs(80));
  CHECK(running.wait_for(DeleteView::kCode, 1000) == 1000);
  CHECK(running.wait_for(kAck, 2) == 2);
  CHECK(running.counter(Counter::flows_removed) == 1000);
}

TEST_CASE("SSMB-06 messages and answers cross each other for a while, none is lost") {
  Running running;
  for (uint16_t round = 1; round <= 500; ++round) {
    Bytes messages = add_vs(round);
    append(messages, reply(round, round));
    append(messages, delete_vs(round));
    running.submit(messages);
    running.counter(Counter::flows);  // read while the worker writes
  }
  CHECK(running.wait_for(kAck, 1000) == 1000);
  CHECK(running.wait_for(DeleteView::kCode, 500) == 500);
  CHECK(running.counter(Counter::messages_invalid) == 0);
}

TEST_CASE("SSMB-06 DFS-21 several workers take part in what the control segment says and asks") {
  constexpr uint32_t kWorkers = 3;
  Running running(1 << 20, kWorkers);
  running.submit(add_vs(80));
  CHECK(running.wait_for(kAck, kWorkers) == kWorkers);
  Bytes replies;
  // Of flows that another segment had: their clients' endpoints say whose they are now.
  for (L4Port port = 1; port <= 1000; ++port) append(replies, reply(80, port, 0xa0000000));
  running.submit(replies);
  // Each worker's table in its turn; the cursor of its last record leads to the next one.
  size_t records = 0;
  for (uint64_t cursor = 0, worker = 0; worker < kWorkers; ++worker) {
    Bytes request(StateReqView::kSize);
    StateReqView view(request.data());
    view.set_msg_type(StateReqView::kCode);
    view.set_cursor(cursor);
    running.submit(request);
    do {
      records = running.wait_for(StateView::kCode, records + 1);
      cursor = running.last_cursor();
    } while (cursor << 8 != 0);
    const uint64_t next_worker = cursor >> 56;
    CHECK(next_worker == (worker + 1) % kWorkers);
  }
  CHECK(records == 1000);
  CHECK(running.counter(Counter::flows_opened) == 1000);
  running.submit(delete_vs(80));
  CHECK(running.wait_for(DeleteView::kCode, 1000) == 1000);
  CHECK(running.wait_for(kAck, 2 * kWorkers) == 2 * kWorkers);
  CHECK(running.counter(Counter::flows_removed) == 1000);
}

TEST_CASE("a worker on a CPU that there is not is an error that helps") {
  SegmentOptions options;
  options.limits = kSmallLimits;
  options.timeouts = kTimeouts;
  options.cpus = {1023};
  const auto started = Segment::start(options, [] {});
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().operation == "run a worker on CPU 1023");
  CHECK(started.error().remedy.find("cpus") != std::string::npos);
  options.cpus = {0};
  CHECK(Segment::start(options, [] {}).ok());
}

TEST_CASE("CS-14 SSMB-25 what does not begin with a message is one invalid message") {
  Running running;
  for (size_t size : {1u, 100u, 100'000u}) {
    Bytes noise(size, 0xee);
    CHECK(running.segment().submit(noise) == size);
  }
  running.submit(add_vs(80));
  CHECK(running.wait_for(kAck, 1) == 1);
  CHECK(running.counter(Counter::messages_invalid) == 3);
}

TEST_CASE("SSMB-06 a segment that is full of messages takes what fits, and the rest later") {
  Running running(4096);
  Bytes messages;
  for (uint16_t id = 1; id <= 1000; ++id) append(messages, add_vs(id));
  running.submit(Bytes(messages.begin(), messages.begin() + 10 * AddVsView::kSize));
  CHECK(running.wait_for(kAck, 10) == 10);
  size_t taken = 10 * AddVsView::kSize;
  size_t acknowledged = 10;
  while (taken < messages.size()) {
    const size_t more =
        running.segment().submit({messages.data() + taken, messages.size() - taken});
    CHECK(more % AddVsView::kSize == 0);
    taken += more;
    if (more == 0) acknowledged = running.wait_for(kAck, acknowledged + 1);
  }
  CHECK(running.wait_for(kAck, 1000) == 1000);
}

TEST_CASE("ARCH-01 a segment stops at once, at work or asleep, with messages left on both sides") {
  for (int round = 0; round < 20; ++round) {
    Running running;
    if (round % 2 == 0) continue;
    Bytes messages;
    for (uint16_t id = 1; id <= 200; ++id) append(messages, add_vs(id));
    running.submit(messages);
  }
}

}  // namespace
}  // namespace sluice
