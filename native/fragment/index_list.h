#pragma once

#include <cstdint>

namespace sluice {

inline constexpr uint32_t kNoIndex = 0xffffffff;

// Where an item of an array stands in a list of such items, by their indices.
struct IndexLink {
  uint32_t previous = kNoIndex;
  uint32_t next = kNoIndex;
};

// Items of one array in the order in which they were pushed; an item may stand in several lists,
// through a link for each.
struct IndexList {
  uint32_t first = kNoIndex;
  uint32_t last = kNoIndex;

  bool empty() const { return first == kNoIndex; }

  template <class Item>
  void push(Item* items, IndexLink Item::*link, uint32_t index) {
    items[index].*link = {last, kNoIndex};
    (empty() ? first : (items[last].*link).next) = index;
    last = index;
  }
  // One that stands in this list.
  template <class Item>
  void remove(Item* items, IndexLink Item::*link, uint32_t index) {
    const IndexLink at = items[index].*link;
    (at.previous == kNoIndex ? first : (items[at.previous].*link).next) = at.next;
    (at.next == kNoIndex ? last : (items[at.next].*link).previous) = at.previous;
  }
};

}  // namespace sluice
