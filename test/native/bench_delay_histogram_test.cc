#include "loads/delay_histogram.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace sluice::bench {
namespace {

TEST_CASE("bench: percentiles are within 1 % of those of the sorted delays") {
  Random random(7);
  for (const int64_t most : {100, 10'000, 5'000'000, 2'000'000'000}) {
    DelayHistogram histogram;
    std::vector<int64_t> delays;
    for (int i = 0; i < 10'000; ++i) {
      delays.push_back(static_cast<int64_t>(random.next() % static_cast<uint64_t>(most)));
      histogram.record(Duration::nanoseconds(delays.back()));
    }
    std::sort(delays.begin(), delays.end());
    CHECK(histogram.count() == delays.size());
    CHECK(histogram.max().nanoseconds() == delays.back());
    for (const size_t rank : {1, 100, 5'000, 9'000, 9'900, 9'990, 10'000}) {
      const Duration found = histogram.percentile(static_cast<double>(rank) / 10'000);
      const double exact = static_cast<double>(delays[rank - 1]);
      CHECK(static_cast<double>(found.nanoseconds()) == doctest::Approx(exact).epsilon(0.01));
    }
  }
}

TEST_CASE("bench: a histogram of nothing, of one, and of what is beyond its largest") {
  DelayHistogram histogram;
  CHECK(histogram.percentile(0.5) == Duration());
  histogram.record(Duration::microseconds(123));
  CHECK(histogram.percentile(0.0).microseconds() == 123);
  CHECK(histogram.percentile(1.0).microseconds() == 123);
  histogram.record(Duration::seconds(1'000'000));
  CHECK(histogram.max() == Duration::seconds(1'000'000));
  CHECK(histogram.percentile(1.0) > Duration::seconds(4'000));
}

TEST_CASE("bench: a sum of histograms is the histogram of all their delays") {
  DelayHistogram low;
  DelayHistogram high;
  for (int64_t i = 1; i <= 98; ++i) low.record(Duration::nanoseconds(i));
  high.record(Duration::nanoseconds(200));
  high.record(Duration::nanoseconds(100));
  low.add(high);
  CHECK(low.count() == 100);
  CHECK(low.percentile(0.5).nanoseconds() == 50);
  CHECK(low.percentile(0.99).nanoseconds() == 100);
  CHECK(low.max().nanoseconds() == 200);
}

}  // namespace
}  // namespace sluice::bench
