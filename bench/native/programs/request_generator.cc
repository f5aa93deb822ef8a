// Sends GET requests at a fixed rate and takes the time until each is answered:
//   request_generator [--connect] ADDRESS PORT PATH CONNECTIONS RATE SECONDS
// The load is open: each request has its planned instant, from which its delay counts, whatever
// became of those before it. Where every connection is busy it waits, and its waiting counts. So
// does that of a request which is never answered or fails: it has the delay until the end.
// CONNECTIONS are kept alive, and a delay ends with the whole answer. With --connect each request
// has a connection of its own, at most CONNECTIONS at a time, and a delay ends with the first byte.
// The first requests open connections and warm caches; they are neither counted nor timed. Prints
// counts, rates, and percentiles in microseconds: of all, and the median over the tenths of a
// second of the p99 of each, which does not have in it when the host takes a core away now and
// then.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "loads/delay_histogram.h"
#include "loads/http_answer.h"

namespace {

using namespace sluice;
using bench::DelayHistogram;
using bench::HttpAnswer;

constexpr double kWarmUpSeconds = 0.5;
constexpr Duration kSlice = Duration::milliseconds(100);
// What has no answer so long after the last was planned is unanswered. A SYN is repeated after 1 s.
constexpr Duration kPatience = Duration::milliseconds(1500);

[[noreturn]] void fail(const char* operation) {
  std::fprintf(stderr, "request_generator: %s: %s\n", operation, std::strerror(errno));
  std::exit(1);
}

struct Load {
  sockaddr_in server{};
  std::string request;
  bool connect = false;
  size_t connections = 1;
  Duration interval;
  // Planned in all, and those among them before the first that counts.
  uint64_t requests = 0;
  uint64_t warm_up = 0;
};

struct Connection {
  enum class Stage { idle, opening, waiting, closing };

  Stage stage = Stage::idle;
  int socket = -1;
  // The request in hand, and its answer so far.
  uint64_t number = 0;
  HttpAnswer answer;
  Instant first_byte;
};

class Run {
 public:
  explicit Run(const Load& load)
      : load_(load),
        poll_(epoll_create1(0)),
        connections_(load.connections),
        slices_(slices_of(load)),
        start_(monotonic_now()),
        end_(planned(load.requests) + kPatience),
        last_answer_(start_) {
    if (poll_ < 0) fail("epoll_create1");
    for (Connection& connection : connections_) idle_.push_back(&connection);
  }

  void run() {
    Instant now = start_;
    while (over_ < load_.requests && now < end_) {
      send_due(now);
      wait();
      now = monotonic_now();
    }
    for (const Connection& connection : connections_) {
      const bool in_hand = connection.stage == Stage::opening || connection.stage == Stage::waiting;
      if (in_hand) record(connection.number, end_);
    }
    for (; next_ < load_.requests; ++next_) record(next_, end_);
  }

  void print() const {
    const uint64_t counted = load_.requests - load_.warm_up;
    const double span = static_cast<double>((last_answer_ - planned(load_.warm_up)).nanoseconds());
    const double rate = 1e9 / static_cast<double>(load_.interval.nanoseconds());
    const double achieved = answered_ == 0 ? 0 : static_cast<double>(answered_) * 1e9 / span;
    const auto microseconds = [](Duration delay) {
      return static_cast<double>(delay.nanoseconds()) / 1e3;
    };
    std::printf("{\"requests\": %lu, \"unanswered\": %lu, \"errors\": %lu, ",
                static_cast<unsigned long>(counted),
                static_cast<unsigned long>(counted - answered_ - errors_),
                static_cast<unsigned long>(errors_));
    std::printf("\"offered\": %.1f, \"achieved\": %.1f, ", rate, achieved);
    DelayHistogram delays;
    for (const DelayHistogram& slice : slices_) delays.add(slice);
    std::printf("\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p99_9\": %.1f, \"max\": %.1f, ",
                microseconds(delays.percentile(0.5)), microseconds(delays.percentile(0.9)),
                microseconds(delays.percentile(0.99)), microseconds(delays.percentile(0.999)),
                microseconds(delays.max()));
    std::printf("\"median_p99\": %.1f}\n", microseconds(median_p99()));
  }

 private:
  using Stage = Connection::Stage;

  Instant planned(uint64_t number) const {
    return start_ + load_.interval * static_cast<int64_t>(number);
  }

  static size_t slices_of(const Load& load) {
    const Duration span = load.interval * static_cast<int64_t>(load.requests - load.warm_up);
    return static_cast<size_t>(span.nanoseconds() / kSlice.nanoseconds()) + 1;
  }

  Duration median_p99() const {
    std::vector<Duration> each;
    for (const DelayHistogram& slice : slices_) {
      if (slice.count() > 0) each.push_back(slice.percentile(0.99));
    }
    std::sort(each.begin(), each.end());
    return each.empty() ? Duration() : each[each.size() / 2];
  }

  bool counts(uint64_t number) const { return number >= load_.warm_up; }

  void record(uint64_t number, Instant answered) {
    if (!counts(number)) return;
    const Duration into = load_.interval * static_cast<int64_t>(number - load_.warm_up);
    const auto slice = static_cast<size_t>(into.nanoseconds() / kSlice.nanoseconds());
    slices_[slice].record(answered - planned(number));
  }

  void send_due(Instant now) {
    while (next_ < load_.requests && planned(next_) <= now && !idle_.empty()) {
      Connection& connection = *idle_.front();
      idle_.pop_front();
      connection.number = next_++;
      connection.answer.clear();
      connection.first_byte = Instant::never();
      if (connection.socket < 0) {
        open(connection);
      } else {
        ask(connection);
      }
    }
  }

  // Its request follows when epoll reports that it can be written to.
  void open(Connection& connection) {
    connection.stage = Stage::opening;
    connection.socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connection.socket < 0) fail("socket");
    const auto* server = reinterpret_cast<const sockaddr*>(&load_.server);
    if (connect(connection.socket, server, sizeof load_.server) < 0 && errno != EINPROGRESS) {
      return break_off(connection);
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = &connection;
    if (epoll_ctl(poll_, EPOLL_CTL_ADD, connection.socket, &event) < 0) fail("epoll_ctl");
  }

  void ask(Connection& connection) {
    connection.stage = Stage::waiting;
    const std::string& request = load_.request;
    const ssize_t sent = send(connection.socket, request.data(), request.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(request.size())) break_off(connection);
  }

  // Until the next request is due; where it could not be sent anyway, until a connection has news.
  void wait() {
    const bool sending = next_ < load_.requests && !idle_.empty();
    const Instant until = sending ? planned(next_) : end_;
    const int64_t span = std::max((until - monotonic_now()).nanoseconds(), int64_t{0});
    const timespec timeout{span / 1'000'000'000, span % 1'000'000'000};
    epoll_event events[64];
    const int count = epoll_pwait2(poll_, events, 64, &timeout, nullptr);
    if (count < 0 && errno != EINTR) fail("epoll_pwait2");
    for (int i = 0; i < count; ++i) {
      handle(*static_cast<Connection*>(events[i].data.ptr), events[i].events);
    }
  }

  void handle(Connection& connection, uint32_t events) {
    if (connection.stage == Stage::opening && (events & EPOLLOUT) != 0) ask(connection);
    if ((events & EPOLLIN) == 0) return;
    while (connection.stage != Stage::idle && receive(connection)) {
    }
  }

  // Whether there may be more to receive: an edge is reported once.
  bool receive(Connection& connection) {
    char bytes[16 * 1024];
    const ssize_t length = recv(connection.socket, bytes, sizeof bytes, 0);
    if (length < 0 && errno == EAGAIN) return false;
    if (length > 0 && connection.stage == Stage::waiting) {
      take(connection, std::string_view(bytes, static_cast<size_t>(length)));
    } else if (length == 0 && connection.stage == Stage::closing) {
      close(connection);
    } else {
      break_off(connection);
    }
    return true;
  }

  void take(Connection& connection, std::string_view bytes) {
    const Instant now = monotonic_now();
    connection.first_byte = std::min(connection.first_byte, now);
    const HttpAnswer::State state = connection.answer.read(bytes);
    if (state == HttpAnswer::State::broken) return break_off(connection);
    if (state == HttpAnswer::State::incomplete) return;
    record(connection.number, load_.connect ? connection.first_byte : now);
    if (counts(connection.number)) ++answered_;
    ++over_;
    last_answer_ = now;
    // The server closes first, so that the client's ports are free again at once.
    connection.stage = Stage::closing;
    if (!load_.connect) rest(connection);
  }

  void break_off(Connection& connection) {
    if (connection.stage != Stage::closing) {
      record(connection.number, end_);
      if (counts(connection.number)) ++errors_;
      ++over_;
    }
    close(connection);
  }

  void close(Connection& connection) {
    ::close(connection.socket);
    connection.socket = -1;
    rest(connection);
  }

  void rest(Connection& connection) {
    connection.stage = Stage::idle;
    idle_.push_back(&connection);
  }

  const Load& load_;
  int poll_;
  std::vector<Connection> connections_;
  // By the instants for which the requests were planned.
  std::vector<DelayHistogram> slices_;
  // The one that rests longest is first, so that all are used.
  std::deque<Connection*> idle_;
  Instant start_;
  Instant end_;
  Instant last_answer_;
  // The request to send next, and those that have an answer or never will.
  uint64_t next_ = 0;
  uint64_t over_ = 0;
  uint64_t answered_ = 0;
  uint64_t errors_ = 0;
};

[[noreturn]] void explain() {
  std::fprintf(stderr,
               "usage: request_generator [--connect] ADDRESS PORT PATH CONNECTIONS RATE SECONDS\n");
  std::exit(2);
}

Load load_of(int count, char** arguments) {
  Load load;
  load.connect = count > 1 && std::string_view(arguments[1]) == "--connect";
  if (count != (load.connect ? 8 : 7)) explain();
  char** argument = arguments + (load.connect ? 2 : 1);
  load.server.sin_family = AF_INET;
  if (inet_pton(AF_INET, argument[0], &load.server.sin_addr) != 1) explain();
  load.server.sin_port = htons(static_cast<uint16_t>(std::atoi(argument[1])));
  load.request = std::string("GET ") + argument[2] + " HTTP/1.1\r\nHost: " + argument[0] + "\r\n" +
                 (load.connect ? "Connection: close\r\n\r\n" : "\r\n");
  load.connections = static_cast<size_t>(std::atol(argument[3]));
  const double rate = std::atof(argument[4]);
  const double seconds = std::atof(argument[5]);
  if (load.connections == 0 || rate < 1 || seconds <= 0) explain();
  load.interval = Duration::nanoseconds(static_cast<int64_t>(1e9 / rate));
  load.warm_up = static_cast<uint64_t>(rate * kWarmUpSeconds);
  load.requests = load.warm_up + static_cast<uint64_t>(rate * seconds);
  return load;
}

}  // namespace

int main(int count, char** arguments) {
  const Load load = load_of(count, arguments);
  prctl(PR_SET_TIMERSLACK, 1UL);
  Run run(load);
  run.run();
  run.print();
  return 0;
}
