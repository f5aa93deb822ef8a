// A client whose server is chosen by what it sends first, around a whole data flow segment.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "base/random.h"
#include "support/socket_lab.h"

namespace sluice::test {

inline constexpr L4Port kChosenPort = 8080;

struct ProxyOptions {
  uint16_t flags = VsFlags::http_proxy;
  std::string cookie{};
  uint16_t window_kib = 16;
  uint16_t timeout_s = 10;
  uint16_t server_timeout_ms = 3000;
};

inline TestEngine::Bytes proxy_vs(const Hosts& hosts, const ProxyOptions& options) {
  TestEngine::Bytes bytes(AddVsView::kSize + options.cookie.size());
  std::copy(options.cookie.begin(), options.cookie.end(), bytes.begin() + AddVsView::kSize);
  AddVsView message(bytes.data());
  message.set_msg_type(AddVsView::kCode);
  message.set_msg_length(static_cast<uint16_t>(bytes.size()));
  message.set_vs_id(kServiceId);
  message.set_virt_ipaddr(hosts.virtual_server);
  message.set_virt_port(kServicePort);
  message.set_protocol(kProtocolTcp);
  message.set_flags(options.flags);
  message.set_app_len(static_cast<uint16_t>(options.cookie.size()));
  message.set_proxy_window(options.window_kib);
  message.set_proxy_timeout(options.timeout_s);
  message.set_server_timeout(options.server_timeout_ms);
  return bytes;
}

// The error of its ACK.
inline int told(TestEngine& engine, const TestEngine::Bytes& message) {
  engine.told.clear();
  engine.tell(message);
  REQUIRE(engine.told.size() == 1);
  return AckView(engine.told[0].data()).error_code();
}

struct InspectLab : SocketLab {
  explicit InspectLab(const Hosts& hosts, const ProxyOptions& options = {},
                      const TestEngineOptions& engine_options = {}, const LabHost& client_is = {},
                      const LabHost& server_is = {})
      : SocketLab(hosts, engine_options, 40000, client_is, server_is), hosts(hosts) {
    REQUIRE(told(engine, proxy_vs(hosts, options)) == CsmbError::none);
    engine.told.clear();
    engine.decide_with(TestEngine::to_endpoint(hosts.server, kChosenPort));
    connect_client();
  }

  void connect_client() {
    client.connect(engine.now());
    settle();
    REQUIRE(client.connection() != nullptr);
    REQUIRE(client.connection()->state() == ConnectionState::established);
  }

  void client_says(std::string_view text) {
    send_from(client, engine.now(), {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    settle();
  }
  static std::string text_of(const std::vector<uint8_t>& bytes) {
    return {bytes.begin(), bytes.end()};
  }
  std::string server_heard() { return text_of(receive_at(server, engine.now())); }
  // What the server hears of a client that says `all` in segments, each as long as `size(at)`. The
  // first copy of each may be lost: the others come before it.
  template <class Size>
  std::string passed_with_gaps(std::string_view all, Random& random, const Size& size) {
    for (size_t at = 0; at < all.size();) {
      const std::string_view part = all.substr(at, size(at));
      client_is_there = random.below(3) != 0;
      client_says(part);
      at += part.size();
    }
    client_is_there = true;
    std::string heard;
    for (int turn = 0; turn < 100 && heard.size() < all.size(); ++turn) {
      pass(Duration::milliseconds(100));
      heard += server_heard();
    }
    return heard;
  }
  std::string client_heard() { return text_of(receive_at(client, engine.now())); }
  void server_says(std::string_view text) {
    send_from(server, engine.now(), {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    settle();
  }
  size_t questions() const { return engine.told_of<AppQueryView>().size(); }
  AppQueryView question(size_t index = 0) {
    asked_ = engine.told_of<AppQueryView>()[index];
    return AppQueryView(asked_.data());
  }
  std::string data(size_t index = 0) {
    const ByteSpan bytes = question(index).app_data();
    return {bytes.begin(), bytes.end()};
  }
  bool client_was_reset() { return client.take_events().has(TcpEvents::kReset); }
  // Both have closed, and all is forgotten; what is left, "" if nothing.
  std::string end() {
    if (client.connection() != nullptr) shut_at(client, engine.now());
    pass(Duration::milliseconds(100));
    if (server.connection() != nullptr) shut_at(server, engine.now());
    pass(Duration::seconds(70));
    std::string all = left();
    if (engine.count(Counter::inspected) != 0) all += "inspected; ";
    return all + engine.settle();
  }

  Hosts hosts;

 private:
  TestEngine::Bytes asked_;
};

}  // namespace sluice::test
