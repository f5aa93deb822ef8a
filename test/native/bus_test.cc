#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "bus/message_ring.h"
#include "bus/messages.h"
#include "bus/signature.h"

namespace sluice {
namespace {

std::string hex(ConstByteSpan bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

TEST_CASE("SSMB-24 SSMB-26 the golden QUERY of the requirements, byte by byte") {
  uint8_t bytes[QueryView::kSize] = {};
  QueryView query(bytes);
  query.set_msg_type(QueryView::kCode);
  query.set_serial(0x80000001);
  FlowKey key{IpAddress::v4(0xc000020a), IpAddress::v4(0xc0000264), 40000, 80, 6, 0};
  store_signature(query.sig(), key);
  query.set_timestamp(1700000000000000);
  query.set_tcp_seq(0x11223344);
  query.set_in_if(1);
  query.set_tcp_flags(2);
  query.set_reason(QueryReason::open);
  query.set_vs_id(7);
  CHECK(hex(bytes) ==
        "010000008000000100000000000000000000ffffc000020a00000000000000000000ffffc0000264"
        "9c4000500600ffff00060a24181e400011223344000000000001020100000007");
  CHECK(load_signature(query.sig()) == key);
  CHECK(query.timestamp() == 1700000000000000);
}

TEST_CASE("SSMB-28 every field is aligned to the lesser of its size and four") {
#define BLOCK_BEGIN(Name, size)
#define BLOCK_END(Name)
#define SSMB_BEGIN(Name, code, size, dfs, cs, priority, batching, sharing) CHECK((size) % 4 == 0);
#define SSMB_END(Name)
#define CSMB_BEGIN(Name, code, size, dfs, cs) CHECK((size) % 4 == 0);
#define CSMB_END(Name)
#define FIELD(type, name, offset) \
  CHECK((offset) % std::min(sizeof(field::type::Type), size_t{4}) == 0);
#define PART(Block, name, offset) CHECK((offset) % 4 == 0);
#define TAIL(name, length_field)
#include "bus/messages.def"
}

TEST_CASE("messages of a ring are read several at once, in place, across its end") {
  MessageRing ring(4096);
  for (uint8_t round = 0; round < 200; ++round) {
    for (uint8_t i = 0; i < 4; ++i) {
      const ByteSpan room = ring.reserve(300);
      REQUIRE(room.size() == 300);
      std::fill(room.begin(), room.end(), static_cast<uint8_t>(round + i));
      ring.commit();
    }
    std::vector<ByteSpan> messages;
    for (ByteSpan each = ring.next(); !each.empty(); each = ring.next()) messages.push_back(each);
    REQUIRE(messages.size() == 4);
    for (uint8_t i = 0; i < 4; ++i) {
      CHECK(messages[i].front() == static_cast<uint8_t>(round + i));
      CHECK(messages[i].back() == static_cast<uint8_t>(round + i));
    }
    CHECK_FALSE(ring.has_room(3000));
    ring.release();
    CHECK(ring.empty());
  }
  CHECK(ring.reserve(5000).empty());
}

TEST_CASE("SSMB-17 CS-14 the length of a message is known by its code, for those a CS may send") {
  uint8_t bytes[256] = {};
  bytes[0] = ReplyView::kCode;
  CHECK(message_length({bytes, 256}) == ReplyView::kSize);
  CHECK(message_length({bytes, ReplyView::kSize - 1}) == 0);
  for (const uint8_t code : {QueryView::kCode, DeleteView::kCode, uint8_t{0xee}, uint8_t{0xff}}) {
    bytes[0] = code;
    CHECK(message_length({bytes, 256}) == 0);
  }
  bytes[0] = 0;
  CHECK(message_length({bytes, 256}) == 0);  // CSMB of length 0
  store_be16(bytes + 2, 20);
  CHECK(message_length({bytes, 256}) == 20);
  CHECK(message_length({bytes, 19}) == 0);
}

TEST_CASE("SSMB-06 the ring carries whole messages in order through every wrap") {
  MessageRing ring(4096);
  Random random(9);
  std::vector<std::vector<uint8_t>> sent;
  size_t next = 0;
  uint8_t value = 0;
  std::vector<uint8_t> out(2000);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<uint8_t> message(1 + random.below(1452));
    for (uint8_t& byte : message) byte = value++;
    const bool room = ring.has_room(message.size());
    REQUIRE(ring.push(message) == room);
    if (room) sent.push_back(message);
    if (random.chance(0.5)) continue;
    const size_t filled = ring.drain(out);
    for (size_t at = 0; at < filled; ++next) {
      REQUIRE(at + sent[next].size() <= filled);
      REQUIRE(std::equal(sent[next].begin(), sent[next].end(), out.begin() + at));
      at += sent[next].size();
    }
  }
  CHECK(sent.size() > 5000);
  CHECK(next > sent.size() - 10);
}

TEST_CASE("SSMB-06 one thread pushes while another drains: nothing is lost, torn or reordered") {
  MessageRing ring(16 << 10);
  constexpr uint32_t kMessages = 200'000;
  std::thread producer([&] {
    for (uint32_t i = 0; i < kMessages;) {
      uint8_t message[100];
      std::memset(message, static_cast<int>(i), sizeof message);
      store_be32(message, i);
      if (ring.push({message, 4 + i % 97})) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  uint32_t expected = 0;
  bool intact = true;
  while (expected < kMessages) {
    const ByteSpan message = ring.front();
    if (message.empty()) {
      std::this_thread::yield();
      continue;
    }
    intact = intact && load_be32(message.data()) == expected &&
             message.size() == 4 + expected % 97 &&
             (message.size() == 4 || message.back() == static_cast<uint8_t>(expected));
    ring.pop();
    ++expected;
  }
  producer.join();
  CHECK(intact);
}

}  // namespace
}  // namespace sluice
