#include "port/vlan_port.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"

namespace sluice {
namespace {

constexpr size_t kMacAddresses = 12;
constexpr size_t kTag = 4;
constexpr uint16_t kCustomerTag = 0x8100;  // 802.1Q
constexpr uint16_t kServiceTag = 0x88a8;   // 802.1ad

// Offsets count from the first byte of the frame.
void move_offsets(Offload& offload, int by) {
  const auto moved = [by](uint16_t offset) { return static_cast<uint16_t>(offset + by); };
  if (offload.needs_checksum) offload.checksum_start = moved(offload.checksum_start);
  if (offload.header_length != 0) offload.header_length = moved(offload.header_length);
}

}  // namespace

VlanPort::VlanPort(std::unique_ptr<Port> inner, const std::vector<uint16_t>& vlans)
    : inner_(std::move(inner)), size_(kTag * vlans.size()) {
  SLUICE_CHECK(!vlans.empty() && vlans.size() <= kMostTags);
  description_ = inner_->description() + ", VLAN";
  for (size_t i = 0; i < vlans.size(); ++i) {
    const bool outer = i + 1 < vlans.size();
    store_be16(&tags_[kTag * i], outer ? kServiceTag : kCustomerTag);
    store_be16(&tags_[kTag * i + 2], vlans[i]);
    description_.append(1, i == 0 ? ' ' : '.').append(std::to_string(vlans[i]));
  }
  capabilities_.mtu = static_cast<uint16_t>(inner_->capabilities().mtu - (size_ - kTag));
}

size_t VlanPort::receive(Instant now, Batch& batch) {
  const size_t before = batch.count;
  const size_t received = inner_->receive(now, batch);
  for (size_t i = before; i < batch.count; ++i) {
    if (batch.packets[i].verdict == Verdict::none) take_tags(batch.packets[i]);
  }
  return received;
}

// Priority bits do not matter, nor which of the two kinds of tags it is.
bool VlanPort::has_tags(const Packet& packet) const {
  if (packet.length < kMacAddresses + size_ + 2) return false;
  for (size_t i = 0; i < size_; i += kTag) {
    const uint8_t* tag = packet.data + kMacAddresses + i;
    const uint16_t kind = load_be16(tag);
    const bool same = (load_be16(tag + 2) & 0xfff) == load_be16(&tags_[i + 2]);
    if ((kind != kCustomerTag && kind != kServiceTag) || !same) return false;
  }
  return true;
}

void VlanPort::take_tags(Packet& packet) const {
  if (!has_tags(packet)) return packet.drop(DropReason::vlan_other);
  std::memmove(packet.data + size_, packet.data, kMacAddresses);
  packet.data += size_;
  packet.length -= static_cast<uint32_t>(size_);
  move_offsets(packet.offload, -static_cast<int>(size_));
}

size_t VlanPort::transmit(Instant now, std::span<Packet* const> packets) {
  size_t sent = 0;
  while (sent < packets.size()) {
    const size_t most = std::min(packets.size() - sent, kBatchCapacity);
    const size_t accepted = transmit_batch(now, packets.subspan(sent, most));
    sent += accepted;
    if (accepted < most) break;
  }
  return sent;
}

// What is not accepted may be offered again, so every frame is as it was afterwards.
size_t VlanPort::transmit_batch(Instant now, std::span<Packet* const> packets) {
  for (size_t i = 0; i < packets.size(); ++i) {
    Packet& tagged = tagged_[i];
    tagged = *packets[i];
    tagged.data -= size_;
    tagged.length += static_cast<uint32_t>(size_);
    std::memmove(tagged.data, packets[i]->data, kMacAddresses);
    std::memcpy(tagged.data + kMacAddresses, tags_.data(), size_);
    move_offsets(tagged.offload, static_cast<int>(size_));
    pointers_[i] = &tagged;
  }
  const size_t accepted = inner_->transmit(now, {pointers_.data(), packets.size()});
  for (size_t i = 0; i < packets.size(); ++i) {
    std::memmove(packets[i]->data, tagged_[i].data, kMacAddresses);
  }
  return accepted;
}

}  // namespace sluice
