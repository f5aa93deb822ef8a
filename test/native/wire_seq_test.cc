#include "wire/seq.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <type_traits>

namespace sluice {
namespace {

// TCPX-38: an integer never turns into a sequence number by itself.
static_assert(!std::is_convertible_v<uint32_t, Seq>);
static_assert(!std::is_convertible_v<Seq, uint32_t>);

template <class A, class B>
concept Ordered = requires(A a, B b) {
  a < b;
};
static_assert(Ordered<Seq, Seq>);
static_assert(!Ordered<Seq, uint32_t> && !Ordered<uint32_t, Seq> && !Ordered<Seq, int>);

template <class A, class B>
concept Comparable = requires(A a, B b) {
  a == b;
};
static_assert(Comparable<Seq, Seq> && !Comparable<Seq, uint32_t>);

TEST_CASE("TCPX-38 sequence numbers are ordered across 2^31 and 2^32") {
  for (const uint32_t start : {0u, 1u, 0x7ffffff0u, 0x80000000u, 0xfffffff0u, 0xffffffffu}) {
    CAPTURE(start);
    const Seq a(start);
    for (const uint32_t step : {1u, 0x20u, 0x7fffffffu}) {
      const Seq b = a + step;
      CHECK(a < b);
      CHECK(a <= b);
      CHECK(b > a);
      CHECK(b >= a);
      CHECK_FALSE(b < a);
      CHECK_FALSE(a == b);
      CHECK_EQ(b - a, static_cast<int32_t>(step));
      CHECK_EQ(a - b, -static_cast<int32_t>(step));
      CHECK(b - step == a);
    }
    CHECK(a <= a);
    CHECK(a >= a);
    CHECK_FALSE(a < a);
  }
}

TEST_CASE("TCPX-38 addition wraps") {
  Seq seq(0xfffffffe);
  seq += 5;
  CHECK_EQ(seq.raw(), 3);
  CHECK_EQ((seq - 4u).raw(), 0xffffffff);
}

}  // namespace
}  // namespace sluice
