// A segment in all weathers: connections that open, send, close, break, fall silent and come back
// on the same port, of both IP versions, TCP and UDP, with changing DSCP; a control segment that
// answers, refuses, answers late or never, reads or not, adds and removes virtual servers. Seeded:
// the same seed and options give the same run.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "support/dialogue.h"
#include "support/random_packets.h"

namespace sluice::test {

class RandomLife {
 public:
  RandomLife(uint64_t seed, const TestEngineOptions& options) : engine(options), random_(seed) {
    for (const Hosts& hosts : both_families()) {
      engine.introduce(hosts);
      for (uint16_t service = 0; service < kServices; ++service) add_service(hosts, service);
      for (L4Port port = 1; port <= kClientPorts; ++port)
        dialogues_.emplace_back(engine, hosts, port);
    }
    engine.decide_with(
        [this](const QueryView& query, ReplyView reply) { return decide(query, reply); });
  }

  void step() {
    switch (random_.below(24)) {
      case 0: return engine.run(Duration::milliseconds(static_cast<int64_t>(random_.below(3000))));
      case 1: return engine.run(Duration::milliseconds(static_cast<int64_t>(random_.below(60))));
      case 2: return answer_late();
      case 3: return datagram();
      case 4: return rarely();
      default: return segment(dialogues_[random_.below(dialogues_.size())]);
    }
  }

  // Everything that has been told, by serial and kind.
  struct Ends {
    int deletes = 0;
    int not_entered = 0;
  };
  std::map<uint32_t, Ends> ends() const {
    std::map<uint32_t, Ends> found;
    Told<DeleteView> told(engine);
    for (size_t i = 0; i < told.count(); ++i) {
      if (told.view(i).error_code() == SsmbError::noflow) continue;
      Ends& each = found[told.view(i).serial()];
      ++(told.view(i).error_code() == SsmbError::nores ? each.not_entered : each.deletes);
    }
    Told<StateView> states(engine);
    for (size_t i = 0; i < states.count(); ++i) {
      if (states.view(i).error_code() == SsmbError::evicted)
        ++found[states.view(i).serial()].deletes;
    }
    return found;
  }

  TestEngine engine;

 private:
  static constexpr uint16_t kServices = 3;
  static constexpr L4Port kClientPorts = 20;

  static IpAddress service_address(const Hosts& hosts, uint16_t service) {
    IpAddress address = hosts.virtual_server;
    address.bytes[15] = static_cast<uint8_t>(address.bytes[15] + service);
    return address;
  }
  static uint16_t service_id(const Hosts& hosts, uint16_t service) {
    return static_cast<uint16_t>(1 + service * 2 + hosts.client.is_v4());
  }
  void add_service(const Hosts& hosts, uint16_t service) {
    const uint16_t id = service_id(hosts, service);
    engine.add_virtual_server(id, service_address(hosts, service), kServicePort);
    engine.add_virtual_server(id + 100, service_address(hosts, service), kServicePort,
                              kProtocolUdp);
  }

  // A serial is answered once at most, so that each flow that was opened ends once.
  bool decide(const QueryView& query, ReplyView reply) {
    const uint32_t serial = query.serial();
    if (answered_.count(serial) != 0 || random_.chance(0.1)) return false;
    if (random_.chance(0.15)) {
      late_.push_back(TestEngine::Bytes(query.data(), query.data() + QueryView::kSize));
      return false;
    }
    return fill(query, reply);
  }

  bool fill(const QueryView& query, ReplyView reply) {
    if (!answered_.insert({query.serial(), true}).second) return false;
    const bool v4 = query.sig().src_ipaddr().is_v4();
    const Hosts& hosts = both_families()[v4 ? 0 : 1];
    if (query.flags() & SsmbFlags::outbound) {
      reply.xlat().set_xlat_mask(XlatMask::dec_ttl);
      return true;
    }
    if (random_.chance(0.05)) {
      reply.set_error_code(static_cast<uint8_t>(1 + random_.below(3)));
      return true;
    }
    // Most of the time as before; else the node is another, or none that can be reached.
    IpAddress node = hosts.server;
    if (random_.chance(0.05)) node = v4 ? ip("203.0.113.1") : ip("2001:db8:f::1");
    TestEngine::to_endpoint(node, kNodePort)(query, reply);
    if (random_.chance(0.2)) reply.xlat().set_idle_timeout(static_cast<uint32_t>(random_.below(9)));
    if (random_.chance(0.1)) {
      reply.xlat().set_xlat_mask(reply.xlat().xlat_mask() | XlatMask::tos);
      reply.xlat().set_xlat_tos(8);
    }
    if (random_.chance(0.1)) {
      reply.set_flags(reply.flags() | SsmbFlags::add_tcp_offsets);
      reply.xlat().set_seq_offset(random32(random_));
      reply.xlat().set_ack_offset(random32(random_));
    }
    return true;
  }

  void answer_late() {
    if (late_.empty()) return;
    const size_t which = random_.below(late_.size());
    const TestEngine::Bytes reply = TestEngine::reply_to(
        late_[which],
        [this](const QueryView& query, ReplyView reply) { return fill(query, reply); });
    late_.erase(late_.begin() + static_cast<ptrdiff_t>(which));
    if (!reply.empty()) engine.tell(reply);
  }

  void datagram() {
    const Hosts& hosts = both_families()[random_.below(2)];
    const auto port = static_cast<L4Port>(1 + random_.below(kClientPorts));
    const uint16_t service = static_cast<uint16_t>(random_.below(kServices));
    if (random_.chance(0.4)) return engine.from_server(server_datagram(hosts, port));
    engine.from_client(client_datagram(hosts, port)
                           .ip(hosts.client, service_address(hosts, service))
                           .dscp(some_dscp()));
  }

  void segment(Dialogue& tcp) {
    const size_t payload = random_.chance(0.5) ? random_.below(200) : 0;
    switch (random_.below(16)) {
      case 0: tcp.client_next = random32(random_); return tcp.client_sends(kTcpSyn);
      case 1: return tcp.open();
      case 2: return tcp.close();
      case 3: return tcp.client_sends(kTcpRst);
      case 4: return tcp.server_sends(kTcpRst | kTcpAck);
      case 5: return tcp.client_sends(kTcpFin | kTcpAck, payload);
      case 6: return tcp.server_sends(kTcpFin | kTcpAck, payload);
      case 7: return tcp.server_sends(kTcpSyn | kTcpAck);
      case 8: return engine.from_client(tcp.client(kTcpAck).dscp(some_dscp()).payload(payload));
      case 9: return engine.from_server(tcp.server(kTcpAck).dscp(some_dscp()).payload(payload));
      case 10:
        return engine.from_client(tcp.client(random_tcp_flags(random_)).seq(random32(random_)));
      case 11: return engine.from_client(tcp.client(kTcpAck).payload(5000).gso(1000));
      case 12:
      case 13: return tcp.server_sends(kTcpAck, payload);
      default: return tcp.client_sends(kTcpAck, payload);
    }
  }

  // What happens now and then.
  void rarely() {
    const Hosts& hosts = both_families()[random_.below(2)];
    const auto service = static_cast<uint16_t>(random_.below(kServices));
    const uint16_t id = service_id(hosts, service);
    switch (random_.below(12)) {
      case 0: return engine.delete_virtual_server(id, static_cast<uint32_t>(random_.below(3)));
      case 1:
      case 2: return add_service(hosts, service);
      case 3: return engine.read_messages(false);
      case 4:
      case 5: return engine.read_messages(true);
      case 6: {
        TestEngine::Bytes request(StateReqView::kSize);
        request[0] = StateReqView::kCode;
        return engine.tell(request);
      }
      case 7: {
        TestEngine::Bytes reset(ResetView::kSize);
        reset[0] = ResetView::kCode;
        if (random_.chance(0.8)) ResetView(reset.data()).set_scope(id);
        return engine.tell(reset);
      }
      case 8:
      case 9: return reap_one();
      default: return engine.run(Duration::seconds(static_cast<int64_t>(random_.below(40))));
    }
  }

  // One of the flows that were asked about, ended or not.
  void reap_one() {
    const auto queries = engine.told_of<QueryView>();
    if (queries.empty()) return;
    TestEngine::Bytes query = queries[random_.below(queries.size())];
    TestEngine::Bytes message(ReapView::kSize);
    std::copy(query.begin(), query.begin() + ReapView::kSize, message.begin());
    message[0] = ReapView::kCode;
    ReapView(message.data()).set_idle_secs(static_cast<uint32_t>(random_.below(3)));
    engine.tell(message);
  }

  uint8_t some_dscp() {
    static constexpr uint8_t kUsed[] = {0, 0, 8, 46};
    return kUsed[random_.below(std::size(kUsed))];
  }

  Random random_;
  std::vector<Dialogue> dialogues_;
  std::vector<TestEngine::Bytes> late_;
  std::map<uint32_t, bool> answered_;
};

}  // namespace sluice::test
