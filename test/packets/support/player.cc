#include "support/player.h"

#include <cmath>
#include <cstdlib>

namespace sluice::test {

namespace {

class Settings {
 public:
  explicit Settings(const std::map<std::string, std::string>& values) : values_(values) {}

  uint32_t number(const std::string& name, uint32_t otherwise) const {
    const auto found = values_.find(name);
    if (found == values_.end()) return otherwise;
    return static_cast<uint32_t>(std::strtoul(found->second.c_str(), nullptr, 0));
  }
  Duration milliseconds(const std::string& name, Duration otherwise) const {
    return Duration::milliseconds(
        number(name, static_cast<uint32_t>(otherwise.milliseconds())));
  }
  std::string word(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? "" : found->second;
  }

 private:
  const std::map<std::string, std::string>& values_;
};

// What a script does not set is such that little happens by itself: no quick ACKs, windows of 64 KB
// without scaling.
TcpConfig config_of(const Settings& set) {
  TcpConfig config;
  config.quick_acks = static_cast<uint8_t>(set.number("quick_acks", 0));
  config.most_share = set.number("most_share", 65535);
  config.least_share = set.number("least_share", 4096);
  config.min_rto = set.milliseconds("min_rto", config.min_rto);
  config.max_rto = set.milliseconds("max_rto", config.max_rto);
  config.delayed_ack = set.milliseconds("delayed_ack", config.delayed_ack);
  config.user_timeout = set.milliseconds("user_timeout", config.user_timeout);
  config.connect_timeout = set.milliseconds("connect_timeout", config.connect_timeout);
  config.handshake_timeout = set.milliseconds("handshake_timeout", config.handshake_timeout);
  config.fin_wait_2_timeout = set.milliseconds("fin_wait_2_timeout", config.fin_wait_2_timeout);
  config.keep_alive_interval = set.milliseconds("keep_alive_interval", config.keep_alive_interval);
  config.keep_alive_probes = static_cast<uint8_t>(set.number("keep_alive_probes", 9));
  config.offer = static_cast<uint8_t>(set.number("offer", TcpFlow::kSack));
  if (set.word("congestion") == "new_reno") config.congestion = CongestionAlgorithm::new_reno;
  if (set.word("ecn") == "ask") config.ecn = EcnMode::ask;
  if (set.word("ecn") == "refuse") config.ecn = EcnMode::refuse;
  return config;
}

TcpLimits limits_of(const Settings& set) {
  TcpLimits limits;
  limits.connections = set.number("connections", 8);
  limits.handshakes = set.number("handshakes", 8);
  limits.segments_in_flight = set.number("segments_in_flight", 1024);
  limits.received_runs = set.number("received_runs", 256);
  limits.buffer_bytes = set.number("buffer_bytes", 1 << 20);
  return limits;
}

FlowKey key_of(int family) {
  FlowKey key;
  key.src = family == 4 ? ip("192.0.2.10") : ip("2001:db8::10");
  key.dst = family == 4 ? ip("192.0.2.100") : ip("2001:db8::100");
  key.src_port = 40000;
  key.dst_port = 80;
  key.protocol = kProtocolTcp;
  return key;
}

// IPv6 headers are 20 bytes longer; so that a script says the same for both, its links are, too.
uint16_t mtu_of(uint32_t mtu, int family) { return static_cast<uint16_t>(family == 4 ? mtu : mtu + 20); }

constexpr struct {
  const char* name;
  uint16_t event;
} kEvents[] = {{"opened", TcpEvents::kOpened},          {"readable", TcpEvents::kReadable},
               {"writable", TcpEvents::kWritable},      {"peer-closed", TcpEvents::kPeerClosed},
               {"reset", TcpEvents::kReset},            {"refused", TcpEvents::kRefused},
               {"timed-out", TcpEvents::kTimedOut},     {"time-wait", TcpEvents::kTimeWait},
               {"finished", TcpEvents::kFinished},      {"released", TcpEvents::kReleased}};

constexpr const char* kStates[] = {"closed",     "syn-sent",   "syn-received", "established",
                                   "fin-wait-1", "fin-wait-2", "close-wait",   "closing",
                                   "last-ack",   "time-wait"};

uint32_t number(const std::string& word) {
  return static_cast<uint32_t>(std::strtoul(word.c_str(), nullptr, 0));
}

std::string differ(const std::string& what, const std::string& wanted, const std::string& got) {
  return "expected " + what + " " + wanted + ", is " + got;
}

}  // namespace

Player::Player(const Script& script, int family) : script_(script) {
  const Settings set(script.settings);
  keep_alive_ = static_cast<uint16_t>(set.number("keep_alive_idle", 7'200'000) / 1000);
  TcpPath path;
  path.mtu = mtu_of(set.number("mtu", 1500), family);
  path.gso_limit = set.number("gso", 0);
  host_ = std::make_unique<TcpHost>(limits_of(set), config_of(set), set.number("seed", 1),
                                    key_of(family), path);
  base_.theirs = set.number("peer_iss", 0xfffff000);
}

std::string Player::play() {
  if (!script_.error.empty()) return script_.error;
  for (const ScriptStep& next : script_.steps) {
    const std::string problem = step(next);
    if (!problem.empty()) return next.place + ": " + next.text + "\n    " + problem;
  }
  const std::string rest = nothing_sent();
  return rest.empty() ? "" : "at the end: " + rest;
}

std::string Player::step(const ScriptStep& step) {
  now_ = now_ + step.after;
  if (step.kind == ScriptStep::Kind::out) return expect(step);
  run(now_, false);
  const std::string unexpected = nothing_sent();
  if (!unexpected.empty()) return unexpected;
  return step.kind == ScriptStep::Kind::in ? deliver(step) : call(step);
}

void Player::run(Instant until, bool until_sent) {
  while (!(until_sent && !host_->outbox().empty())) {
    const Instant next = host_->next_deadline();
    if (next > until) return;
    host_->run_timers(next);
    seen_.set(host_->take_events().bits);
  }
}

std::string Player::nothing_sent() {
  return host_->outbox().empty() ? "" : "nothing expected, but sent " + describe_first();
}

std::string Player::describe_first() {
  TcpHost::Sent& first = host_->outbox().front();
  learn_base(first.frame);
  const ReadSegment read = read_frame(first.frame, host_->key().reversed(), base_);
  const int64_t late = (first.at - now_).microseconds();
  std::string text = read.error.empty() ? to_text(read.segment) : read.error;
  if (late != 0) text += " (" + std::to_string(late) + " us after that time)";
  return text;
}

// Our numbers begin where our SYN does.
void Player::learn_base(Frame& frame) {
  Packet packet = frame.packet();
  if (!take_tcp(packet)) return;
  const TcpSegment segment = read_segment(packet);
  if (segment.has(kTcpSyn)) {
    base_.ours = segment.seq.raw();
    know_ours_ = true;
  }
  if (!know_clock_ && segment.has_timestamps) {
    base_.our_clock = segment.tsval;
    know_clock_ = true;
  }
}

std::string Player::expect(const ScriptStep& step) {
  run(now_ + Duration::seconds(7200), true);
  if (host_->outbox().empty()) return "nothing was sent";
  const std::string sent = describe_first();
  TcpHost::Sent first = std::move(host_->outbox().front());
  host_->outbox().erase(host_->outbox().begin());
  learn_base(first.frame);
  const ReadSegment read = read_frame(first.frame, host_->key().reversed(), base_);
  const int64_t late = (first.at - now_).microseconds();
  if (!read.error.empty() || !fits(step.segment, read.segment) || std::llabs(late) > 500) {
    return "expected " + to_text(step.segment) + "\n    sent     " + sent;
  }
  return {};
}

std::string Player::deliver(const ScriptStep& step) {
  Frame frame = build_frame(host_->key(), step.segment, base_);
  host_->deliver(now_, frame.packet());
  seen_.set(host_->take_events().bits);
  return {};
}

std::string Player::call(const ScriptStep& step) {
  const std::string problem = do_call(step.words);
  seen_.set(host_->take_events().bits);
  return problem;
}

std::string Player::write(uint32_t count) {
  std::vector<uint8_t> bytes(count);
  for (uint32_t i = 0; i < count; ++i) bytes[i] = stream_byte(written_ + i);
  const uint32_t queued = host_->call(
      now_, [&bytes](TcpTurn& turn, Connection& c) { return send(turn, c, bytes); });
  written_ += queued;
  if (queued == count) return {};
  return differ("to write", std::to_string(count), std::to_string(queued));
}

std::string Player::read(uint32_t count, bool compare) {
  std::vector<uint8_t> bytes(count);
  const Received got = host_->call(
      now_, [&bytes](TcpTurn& turn, Connection& c) { return receive(turn, c, bytes); });
  host_->note(now_, got.events);
  if (got.bytes != count) {
    return differ("to read", std::to_string(count), std::to_string(got.bytes));
  }
  for (uint32_t i = 0; compare && i < count; ++i) {
    if (bytes[i] != stream_byte(to_read_ + i)) {
      return "read a wrong byte at " + std::to_string(to_read_ + i);
    }
  }
  to_read_ += count;
  return {};
}

std::string Player::do_call(const std::vector<std::string>& words) {
  const std::string& name = words[0];
  if (name == "listen") {
    host_->listen();
    return {};
  }
  if (name == "listen-by-cookies") {
    host_->listen_by_cookies();
    return {};
  }
  if (name == "connect") return host_->connect(now_) ? "" : "no room for a connection";
  if (name == "event" || name == "no-event" || name == "state" || name == "pools") return check(words);
  if (name == "icmp-too-big") {
    host_->too_big(now_, Seq(base_.ours + number(words.at(1))),
                   mtu_of(number(words.at(2)), host_->key().src.is_v4() ? 4 : 6));
    return {};
  }
  if (host_->connection() == nullptr) return "there is no connection";
  if (name == "write") return write(number(words.at(1)));
  if (name == "read") return read(number(words.at(1)), true);
  if (name == "skip") return read(number(words.at(1)), false);
  host_->call(now_, [this, &name](TcpTurn& turn, Connection& c) {
    if (name == "shutdown") host_->note(now_, close_sending(turn, c));
    if (name == "close") host_->note(now_, close(turn, c));
    if (name == "abort") host_->note(now_, abort(turn, c));
    if (name == "no-delay") set_no_delay(turn, c, true);
    if (name == "keep-alive") set_keep_alive(turn, c, keep_alive_);
  });
  const bool known = name == "shutdown" || name == "close" || name == "abort" ||
                     name == "no-delay" || name == "keep-alive";
  return known ? "" : check(words);
}

std::string Player::check_pools(const std::vector<std::string>& words) {
  Tcp& tcp = host_->tcp();
  const std::map<std::string, uint32_t> used = {
      {"connections", tcp.connections.used()}, {"handshakes", tcp.handshakes.used()},
      {"senders", tcp.senders.used()},         {"undos", tcp.undos.used()},
      {"sent", tcp.sent.used()},               {"runs", tcp.runs.used()},
      {"chunks", tcp.buffers.chunks_in_use()}, {"active", tcp.active}};
  for (size_t i = 1; i + 1 < words.size(); i += 2) {
    const auto found = used.find(words[i]);
    if (found == used.end()) return "no such pool: " + words[i];
    if (found->second != number(words[i + 1])) {
      return differ(words[i], words[i + 1], std::to_string(found->second));
    }
  }
  return {};
}

std::string Player::check(const std::vector<std::string>& words) {
  const std::string& name = words[0];
  if (name == "pools") return check_pools(words);
  if (name == "state") {
    const std::string state = kStates[static_cast<int>(host_->flow().state)];
    return state == words.at(1) ? "" : differ("state", words[1], state);
  }
  if (name == "event" || name == "no-event") {
    for (const auto& [event_name, event] : kEvents) {
      if (words.at(1) != event_name) continue;
      const bool seen = seen_.has(event);
      seen_.bits &= static_cast<uint16_t>(~event);
      return seen == (name == "event") ? "" : "event " + words[1] + (seen ? " was" : " was not") + " told";
    }
    return "no such event";
  }
  Connection& c = *host_->connection();
  std::map<std::string, uint32_t> values = {{"readable", c.receive_queue.size},
                                            {"at-end", at_end(c) ? 1 : 0},
                                            {"snd-wnd", c.snd_wnd},
                                            {"mss", c.snd_mss},
                                            {"share", c.share}};
  if (c.sender != SenderPool::kNone) {
    const Sender& sender = host_->tcp().senders[c.sender];
    values["cwnd"] = sender.congestion.cwnd;
    values["cwnd-segments"] = (sender.congestion.cwnd + c.snd_mss / 2) / c.snd_mss;
    values["ssthresh-segments"] = (sender.congestion.ssthresh + c.snd_mss / 2) / c.snd_mss;
    values["srtt-ms"] = (sender.rtt.srtt + 500) / 1000;
    values["rto-ms"] = (sender.rtt.rto + 500) / 1000;
    values["recovering"] = sender.recovery == Recovery::open ? 0 : 1;
  }
  const auto found = values.find(name);
  if (found == values.end()) return "no such call: " + name;
  const std::string got = std::to_string(found->second);
  return got == words.at(1) ? "" : differ(name, words[1], got);
}

}  // namespace sluice::test
