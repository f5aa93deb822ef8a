// Clients that are read on, of control segments that answer anything at any time.
#include <doctest/doctest.h>

#include "base/random.h"
#include "support/pieces_lab.h"

namespace sluice {
namespace {

using namespace test;

// One client, what it has said, and a control segment.
class Life {
 public:
  Life(PiecesLab& lab, uint64_t seed) : lab_(lab), random_(seed) {}

  void step() {
    switch (random_.below(10)) {
      case 0: return lab_.pass(Duration::milliseconds(random_.below(400)));
      case 1: return lab_.engine.decide_with(random_.below(2) ? by_line(lab_.hosts) : nullptr);
      case 2:
      case 3:
        if (asked()) lab_.answer_more(any_question(), random_.below(said_.size() + 3));
        return;
      case 4: return answer();
      case 5: return leave();
      default: return say();
    }
  }
  // Each question has what came first, and no more than that.
  bool asks_truly() {
    for (size_t i = 0; i < lab_.questions(); ++i) {
      const std::string data = lab_.data(i);
      if (said_.substr(0, data.size()) != data) return false;
    }
    return true;
  }
  const std::string& said() const { return said_; }
  bool reset() const { return reset_; }

 private:
  bool asked() const { return lab_.questions() > 0; }
  size_t any_question() { return random_.below(lab_.questions()); }
  bool may_speak() { return lab_.client.connection() != nullptr && !left_; }

  void say() {
    if (!may_speak()) return;
    std::string part(1 + random_.below(random_.below(4) == 0 ? 500 : 4), 'a');
    if (random_.below(20) == 0) part.back() = '\n';
    said_ += part;
    lab_.client_says(part);
  }
  void leave() {
    if (!may_speak() || random_.below(12) != 0) return;
    left_ = true;
    reset_ = random_.below(2) == 0;
    reset_ ? lab_.reset_by_client() : shut_at(lab_.client, lab_.engine.now());
    lab_.settle();
  }
  // As a REPLY or a NEWFLOW, with flags of any kind, to any question.
  void answer() {
    if (!asked() || random_.below(4) != 0) return;
    const bool is_right = random_.below(2) == 0;
    TestEngine::Bytes message =
        TestEngine::reply_to(lab_.engine.told_of<AppQueryView>()[any_question()],
                             TestEngine::to_endpoint(lab_.hosts.server, kChosenPort));
    ReplyView reply(message.data());
    if (!is_right) {
      reply.set_flags(static_cast<uint16_t>(random_.next()));
      reply.xlat().set_seq_offset(random_.below(8));
      if (random_.below(4) == 0) reply.set_error_code(SsmbError::notavail);
    }
    if (random_.below(4) == 0) {
      message.resize(NewFlowView::kSize);
      NewFlowView(message.data()).set_msg_type(NewFlowView::kCode);
    }
    lab_.engine.tell(message);
    lab_.settle();
  }

  PiecesLab& lab_;
  Random random_;
  std::string said_;
  bool left_ = false;
  bool reset_ = false;
};

TEST_CASE("HS-12 HS-14 VS-25 whatever is answered when, nothing hangs and no byte is lost") {
  int joined = 0;
  for (const Hosts& hosts : both_families()) {
    for (uint64_t seed = 1; seed <= 200; ++seed) {
      CAPTURE(hosts.family);
      CAPTURE(seed);
      const uint16_t unread = seed % 3 == 0 ? VsFlags::ask_unread : 0;
      const auto flags = static_cast<uint16_t>(VsFlags::raw_proxy | unread);
      const auto window = static_cast<uint16_t>(1 + seed % 3);
      PiecesLab lab(hosts, {.flags = flags, .window_kib = window, .timeout_s = 3});
      Life life(lab, seed);
      for (int step = 0; step < 60; ++step) life.step();
      CHECK(life.asks_truly());
      lab.pass(Duration::seconds(15));  // nobody waits longer
      CHECK(lab.engine.count(Counter::inspected) == 0);
      const std::string heard = lab.server_heard();
      CHECK(life.said().substr(0, heard.size()) == heard);
      if (lab.engine.count(Counter::inspections_joined) == 1 && !life.reset()) {
        ++joined;
        CHECK(heard == life.said());
      }
      CHECK(lab.end() == "");
    }
  }
  CHECK(joined > 30);
}

}  // namespace
}  // namespace sluice
