#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace sluice {

// Why an operation on the host failed: what was tried, errno (0 where there is none), and a
// sentence with the remedy where one is known. Bad packets are never errors (see drop_reasons.def).
struct Error {
  std::string operation;
  int error_number = 0;
  std::string remedy;
};

// A value or an Error. Reading the wrong one is a broken invariant.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return content_.index() == 0; }
  T& value() {
    SLUICE_CHECK(ok());
    return std::get<0>(content_);
  }
  const Error& error() const {
    SLUICE_CHECK(!ok());
    return std::get<1>(content_);
  }

 private:
  std::variant<T, Error> content_;
};

struct Done {};
using Status = Result<Done>;

}  // namespace sluice
