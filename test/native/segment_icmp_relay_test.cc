// ICMP errors about flows, from whoever saw their packets and from those who pretend that they did.
#include <doctest/doctest.h>

#include "packet/l4_checksum.h"
#include "support/dialogue.h"
#include "support/icmp_error.h"
#include "support/packet_check.h"

namespace sluice {
namespace {

using namespace test;

using Bytes = std::vector<uint8_t>;

// As much of a packet as fits an error of IPv6; routers of IPv4 may quote as much (RFC 1812).
constexpr size_t kQuoted = 1280 - 48;

Bytes cut(Bytes bytes) {
  bytes.resize(std::min(bytes.size(), kQuoted));
  return bytes;
}

// What the engine made of a packet, as the next router quotes it.
Bytes sent_bytes(const MemoryFrame& frame, size_t most = kQuoted) {
  Sent sent(frame);
  complete_checksum(sent.packet());
  const uint8_t* ip = sent.packet().at(sent.packet().headers.l3);
  const size_t size = sent.packet().headers.end - sent.packet().headers.l3;
  return {ip, ip + std::min(size, most)};
}

// The bytes of an IP packet with the hops that it had before a router took one.
Bytes one_hop_back(Bytes bytes) {
  if (bytes[0] >> 4 == 6) {
    ++bytes[7];
  } else {
    Ipv4Header ip(bytes.data());
    ip.set_ttl(ip.ttl() + 1);
    ip.complete_checksum();
  }
  return bytes;
}

// A connection over an engine that shifts its sequence numbers.
struct Scene {
  explicit Scene(const Hosts& hosts)
      : hosts(hosts),
        v4(hosts.client.is_v4()),
        server_router(ip(v4 ? "10.1.0.77" : "fd00:1::77")),
        client_router(ip(v4 ? "192.0.2.77" : "2001:db8::77")),
        engine(engine_for(hosts)),
        tcp(*engine, hosts) {
    engine->decide_with([&hosts](const QueryView& query, ReplyView reply) {
      TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply);
      reply.set_flags(reply.flags() | SsmbFlags::add_tcp_offsets);
      reply.xlat().set_seq_offset(100'000);
      reply.xlat().set_ack_offset(0u - 7'000);
      return true;
    });
    engine->from_client(tcp.client(kTcpSyn));
    ++tcp.client_next;
    engine->from_server(server(kTcpSyn | kTcpAck));
    ++tcp.server_next;
    engine->from_client(tcp.client(kTcpAck).ack(tcp.server_next + 7'000));
    engine->clear_sent();
  }

  // In the numbers of each end.
  PacketBuilder client(size_t payload) const {
    return tcp.client(kTcpAck).ack(tcp.server_next + 7'000).dont_fragment().payload(payload);
  }
  PacketBuilder server(uint8_t flags, size_t payload = 0) const {
    return tcp.server(flags).ack(tcp.client_next + 100'000).dont_fragment().payload(payload);
  }
  // Sends 1 400 bytes and gives what left on the other side.
  Bytes client_sends(size_t most = kQuoted) {
    engine->from_client(client(1400));
    tcp.client_next += 1400;
    return taken(engine->to_server, most);
  }
  Bytes server_sends(size_t most = kQuoted) {
    engine->from_server(server(kTcpAck, 1400));
    tcp.server_next += 1400;
    return taken(engine->to_client, most);
  }
  Bytes taken(std::vector<MemoryFrame>& frames, size_t most) {
    REQUIRE(frames.size() == 1);
    Bytes bytes = sent_bytes(frames[0], most);
    engine->clear_sent();
    return bytes;
  }

  const Hosts& hosts;
  const bool v4;
  const IpAddress server_router, client_router;
  std::unique_ptr<TestEngine> engine;
  Dialogue tcp;
};

TEST_CASE("TCPX-65 a router's error behind the engine reaches the client in its own words") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Scene scene(hosts);
    const Bytes original = cut(ip_bytes(scene.client(1400)));
    const Bytes seen = scene.client_sends();
    scene.engine->from_server(too_big_error(scene.server_router, hosts.client, 1350, seen));
    REQUIRE(scene.engine->to_client.size() == 1);
    const SentError error(scene.engine->to_client[0]);
    CHECK(error.is_one());
    CHECK(error.mtu() == 1350);
    CHECK(one_hop_back(error.quote()) == original);
    CHECK(error.key().dst == hosts.client);
    CHECK(error.key().src == TestEngine::engine_outside(hosts));  // of the client's world
    CHECK(checksum_fault(error.packet()) == "");
    CHECK(int{Sent(scene.engine->to_client[0]).ttl()} == 63);
    CHECK(scene.engine->count(Counter::icmp_relayed) == 1);
    CHECK(scene.engine->settle() == "");
  }
}

TEST_CASE("TCPX-65 a router's error before the engine reaches the server in its own words") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Scene scene(hosts);
    const Bytes original = cut(ip_bytes(scene.server(kTcpAck, 1400)));
    const Bytes seen = scene.server_sends();
    scene.engine->from_client(too_big_error(scene.client_router, hosts.virtual_server, 1300, seen));
    REQUIRE(scene.engine->to_server.size() == 1);
    const SentError error(scene.engine->to_server[0]);
    CHECK(error.mtu() == 1300);
    CHECK(one_hop_back(error.quote()) == original);
    CHECK(error.key().dst == hosts.server);
    CHECK(error.key().src == scene.client_router);
    CHECK(checksum_fault(error.packet()) == "");
    CHECK(scene.engine->settle() == "");
  }
}

TEST_CASE("TCPX-65 a node's own error comes from its virtual server") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    const auto about = client_datagram(hosts);
    engine->from_client(about);
    REQUIRE(engine->to_server.size() == 1);
    const Bytes seen = sent_bytes(engine->to_server[0]);
    engine->clear_sent();
    engine->from_server(icmp_error(hosts.server, hosts.client, hosts.client.is_v4() ? 3 : 1,
                                   hosts.client.is_v4() ? 3 : 4, 0, seen));
    REQUIRE(engine->to_client.size() == 1);
    const SentError error(engine->to_client[0]);
    CHECK(error.key().src == hosts.virtual_server);
    CHECK(error.key().dst == hosts.client);
    CHECK(one_hop_back(error.quote()) == ip_bytes(about));
    CHECK(checksum_fault(error.packet()) == "");
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-65 SSMB-29 errors about a flow whose source is translated reach both ends") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->decide_with([&hosts](const QueryView& query, ReplyView reply) {
      TestEngine::to_endpoint(hosts.server, kNodePort)(query, reply);
      XlatView xlat = reply.xlat();
      xlat.set_xlat_src_ipaddr(hosts.engine);
      xlat.set_xlat_src_port(61000);
      xlat.set_xlat_mask(xlat.xlat_mask() | XlatMask::src_addr | XlatMask::src_port);
      return true;
    });
    const bool v4 = hosts.client.is_v4();
    const auto unreachable = [v4](const IpAddress& from, const IpAddress& to, const Bytes& seen) {
      return icmp_error(from, to, v4 ? 3 : 1, v4 ? 3 : 4, 0, seen);
    };
    const auto there = client_datagram(hosts);
    engine->from_client(there);
    REQUIRE(engine->to_server.size() == 1);
    const Bytes seen_inside = sent_bytes(engine->to_server[0]);
    engine->clear_sent();
    engine->from_server(unreachable(hosts.server, hosts.engine, seen_inside));
    REQUIRE(engine->to_client.size() == 1);
    const SentError to_client(engine->to_client[0]);
    CHECK(one_hop_back(to_client.quote()) == ip_bytes(there));
    CHECK(to_client.key().src == hosts.virtual_server);
    CHECK(to_client.key().dst == hosts.client);
    engine->clear_sent();
    const auto back =
        PacketBuilder().ip(hosts.server, hosts.engine).udp(kNodePort, 61000).payload(20);
    engine->from_server(back);
    REQUIRE(engine->to_client.size() == 1);
    const Bytes seen_outside = sent_bytes(engine->to_client[0]);
    engine->clear_sent();
    engine->from_client(unreachable(hosts.client, hosts.virtual_server, seen_outside));
    REQUIRE(engine->to_server.size() == 1);
    const SentError to_server(engine->to_server[0]);
    CHECK(one_hop_back(to_server.quote()) == ip_bytes(back));
    CHECK(to_server.key().src == hosts.engine);
    CHECK(to_server.key().dst == hosts.server);
    CHECK(engine->settle() == "");
  }
}

TEST_CASE("TCPX-65 an error that quotes no more than it must is translated as well") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    const size_t header = hosts.client.is_v4() ? 20 : 40;
    for (const size_t of_tcp : {8, 11, 13, 14, 18, 19, 20, 300}) {
      CAPTURE(of_tcp);
      Scene scene(hosts);
      const Bytes original = cut(ip_bytes(scene.client(1400)));
      const Bytes seen = scene.client_sends(header + of_tcp);
      scene.engine->from_server(too_big_error(scene.server_router, hosts.client, 1350, seen));
      REQUIRE(scene.engine->to_client.size() == 1);
      const Bytes quote = one_hop_back(SentError(scene.engine->to_client[0]).quote());
      REQUIRE(quote.size() == seen.size());
      // The acknowledgement means nothing without its flag.
      const size_t equal = header + (of_tcp < 14 ? 8 : of_tcp);
      CHECK(Bytes(quote.begin(), quote.begin() + static_cast<ptrdiff_t>(equal)) ==
            Bytes(original.begin(), original.begin() + static_cast<ptrdiff_t>(equal)));
    }
  }
}

TEST_CASE("TCPX-65 extensions behind the quote stay as they are") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Scene scene(hosts);
    Bytes quote = scene.client_sends(128);
    const Bytes extension{0x20, 0, 0, 0, 0, 8, 1, 1, 0, 1, 2, 3};
    quote.insert(quote.end(), extension.begin(), extension.end());
    // The length of the quote stands in another byte for each family (RFC 4884 4.1, 4.2).
    const uint32_t rest = scene.v4 ? 32u << 16 : 16u << 24;
    scene.engine->from_server(
        icmp_error(scene.server_router, hosts.client, scene.v4 ? 11 : 3, 0, rest, quote));
    REQUIRE(scene.engine->to_client.size() == 1);
    const Bytes got = SentError(scene.engine->to_client[0]).quote();
    CHECK(Bytes(got.end() - 12, got.end()) == extension);
    CHECK(SentError(scene.engine->to_client[0]).mtu() == rest);
  }
}

TEST_CASE("TCPX-65 ARCH-09 an error about what was routed without a flow is routed") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->from_client(PacketBuilder().ip(hosts.client, hosts.server).udp(1, 33434).payload(9));
    REQUIRE(engine->to_server.size() == 1);
    const Bytes seen = sent_bytes(engine->to_server[0]);
    engine->clear_sent();
    const bool v4 = hosts.client.is_v4();
    engine->from_server(icmp_error(hosts.server, hosts.client, v4 ? 3 : 1, v4 ? 3 : 4, 0, seen));
    REQUIRE(engine->to_client.size() == 1);
    CHECK(SentError(engine->to_client[0]).quote() == seen);
    CHECK(SentError(engine->to_client[0]).key().src == hosts.server);
    CHECK(engine->count(Counter::icmp_relayed) == 0);
    CHECK(engine->settle() == "");
  }
}

// One forgery or mistake each, made of an error that is right.
struct Forgery {
  const char* what;
  DropReason reason;
  PacketBuilder error;
};

std::vector<Forgery> forgeries(Scene& scene, const Bytes& seen) {
  const Hosts& hosts = scene.hosts;
  const size_t header = scene.v4 ? 20 : 40;
  const auto about = [&](const Bytes& quote, uint16_t mtu = 1350) {
    return too_big_error(scene.server_router, hosts.client, mtu, quote);
  };
  const auto with_seq = [&](uint32_t offset) {
    Bytes quote = seen;
    store_be32(&quote[header + 4], load_be32(&quote[header + 4]) + offset);
    return quote;
  };
  const auto length = static_cast<uint16_t>(header + 20 + 1400);
  const Bytes short_of(seen.begin(), seen.begin() + static_cast<ptrdiff_t>(header) + 7);
  std::vector<Forgery> all = {
      {"a number not sent yet", DropReason::icmp_implausible, about(with_seq(1401))},
      {"a number acknowledged", DropReason::icmp_implausible, about(with_seq(0u - 1401))},
      {"any number", DropReason::icmp_implausible, about(with_seq(0x12345678))},
      {"an MTU that the packet fits", DropReason::icmp_implausible, about(seen, length)},
      {"about another's packet", DropReason::icmp_implausible,
       too_big_error(scene.server_router, ip(scene.v4 ? "192.0.2.99" : "2001:db8::99"), 1350,
                     seen)},
      {"a quote that is too short", DropReason::l4_malformed, about(short_of)},
      {"no quote at all", DropReason::l4_malformed, about({})},
  };
  if (scene.v4) {
    Bytes whole = seen;
    whole[6] = 0;  // DF
    Ipv4Header(whole.data()).complete_checksum();
    all.push_back({"of a packet that may be cut", DropReason::icmp_implausible, about(whole)});
    Bytes wrong = seen;
    wrong[10] ^= 1;
    all.push_back({"a header with a wrong checksum", DropReason::l4_malformed, about(wrong)});
    all.push_back({"a source quench", DropReason::icmp_obsolete,
                   icmp_error(scene.server_router, hosts.client, 4, 0, 0, seen)});
    all.push_back({"a redirect", DropReason::icmp_obsolete,
                   icmp_error(scene.server_router, hosts.client, 5, 1, 0x0a010063, seen)});
  } else {
    all.push_back({"less than IPv6 has", DropReason::icmp_implausible, about(seen, 1279)});
    all.push_back({"a redirect", DropReason::icmp_obsolete,
                   icmp_error(scene.server_router, hosts.client, 137, 0, 0, Bytes(40, 0))});
  }
  return all;
}

TEST_CASE("TCPX-41 forged errors reach nobody, are counted and end nothing") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Scene scene(hosts);
    // What came before is acknowledged.
    scene.client_sends();
    scene.engine->from_server(scene.server(kTcpAck));
    scene.engine->clear_sent();
    const Bytes seen = scene.client_sends();
    for (const Forgery& forgery : forgeries(scene, seen)) {
      CAPTURE(forgery.what);
      const uint64_t before = scene.engine->dropped(forgery.reason);
      scene.engine->from_server(forgery.error);
      CHECK(scene.engine->to_client.empty());
      CHECK(scene.engine->dropped(forgery.reason) == before + 1);
    }
    // A checksum that is wrong.
    Frame frame = too_big_error(scene.server_router, hosts.client, 1350, seen)
                      .eth(kServerMac, kInsideMac)
                      .build();
    frame.put8(frame.size() - 1, 0xaa);
    scene.engine->inject(1, std::move(frame));
    CHECK(scene.engine->dropped(DropReason::l4_checksum) == 1);
    CHECK(scene.engine->to_client.empty());
    CHECK(scene.engine->count(Counter::icmp_relayed) == 0);
    // The connection goes on.
    scene.engine->from_server(scene.server(kTcpAck, 100));
    CHECK(scene.engine->to_client.size() == 1);
    CHECK(scene.engine->settle() == "");
  }
}

TEST_CASE("TCPX-41 hard errors end no flow, and keep none alive") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    Scene scene(hosts);
    const Bytes seen = scene.client_sends();
    for (const uint8_t code : {0, 1, 2, 3, 4}) {
      scene.engine->from_server(
          icmp_error(hosts.server, hosts.client, scene.v4 ? 3 : 1, code, 0, seen));
    }
    CHECK(scene.engine->count(Counter::flows) == 1);
    CHECK(scene.engine->count(Counter::icmp_relayed) == 5);
    scene.engine->clear_sent();
    scene.engine->from_server(scene.server(kTcpAck, 100));
    CHECK(scene.engine->to_client.size() == 1);
    scene.engine->run(kTimeouts.established - Duration::seconds(1));
    scene.engine->from_server(icmp_error(hosts.server, hosts.client, scene.v4 ? 3 : 1, 1, 0, seen));
    scene.engine->run(Duration::seconds(2));
    CHECK(scene.engine->count(Counter::flows_expired) == 1);
    CHECK(scene.engine->settle() == "");
  }
}

TEST_CASE("TCPX-65 an MTU below what any link has is raised to the least") {
  const Hosts& hosts = both_families()[0];
  for (const auto& [said, told] : {std::pair{68, 552}, {551, 552}, {552, 552}, {0, 0}}) {
    CAPTURE(said);
    Scene scene(hosts);
    const Bytes seen = scene.client_sends();
    scene.engine->from_server(
        too_big_error(scene.server_router, hosts.client, static_cast<uint16_t>(said), seen));
    REQUIRE(scene.engine->to_client.size() == 1);
    CHECK(SentError(scene.engine->to_client[0]).mtu() == static_cast<uint32_t>(told));
    CHECK(checksum_fault(SentError(scene.engine->to_client[0]).packet()) == "");
  }
}

TEST_CASE("TCPX-65 an error about a packet that nobody sent is dropped, also of UDP") {
  for (const Hosts& hosts : both_families()) {
    CAPTURE(hosts.family);
    auto engine = engine_for(hosts);
    engine->from_client(client_datagram(hosts));
    engine->clear_sent();
    // The server has said nothing yet.
    const Bytes quote = ip_bytes(
        PacketBuilder().ip(hosts.virtual_server, hosts.client).udp(kServicePort, 40000).payload(9));
    const bool v4 = hosts.client.is_v4();
    engine->from_client(
        icmp_error(hosts.client, hosts.virtual_server, v4 ? 3 : 1, v4 ? 3 : 4, 0, quote));
    CHECK(engine->to_server.empty());
    CHECK(engine->dropped(DropReason::icmp_implausible) == 1);
    CHECK(engine->settle() == "");
  }
}

}  // namespace
}  // namespace sluice
