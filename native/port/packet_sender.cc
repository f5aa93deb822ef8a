#include "port/packet_sender.h"

#include <linux/if_packet.h>

#include <algorithm>
#include <cstring>

#include "port/packet_socket.h"
#include "port/virtio_header.h"

namespace sluice {
namespace {

// Where the kernel looks for the frame in a slot.
constexpr size_t kFrameOffset = TPACKET2_HDRLEN - sizeof(sockaddr_ll);
constexpr size_t kLongestInRing = PacketSender::kRing.slot_size - kFrameOffset - kVirtioHeaderSize;
constexpr size_t kVirtioHeaderLength = 2;  // offset of hdr_len (VIRTIO 1.2, 5.1.6)

bool is_short(const Packet& packet) {
  return packet.length <= kLongestInRing && packet.offload.gso_type == GsoType::none;
}

}  // namespace

Result<PacketSender> PacketSender::open(int link_index, const std::string& device) {
  Result<FileDescriptor> with_ring = open_packet_socket(device);
  if (!with_ring.ok()) return with_ring.error();
  Result<PacketRing> ring =
      PacketRing::make(with_ring.value().get(), PacketRing::Direction::transmit, kRing, device);
  if (!ring.ok()) return ring.error();
  Status bound = bind_to_send(with_ring.value().get(), link_index, device);
  if (!bound.ok()) return bound.error();
  Result<FileDescriptor> without = open_packet_socket(device);
  if (!without.ok()) return without.error();
  bound = bind_to_send(without.value().get(), link_index, device);
  if (!bound.ok()) return bound.error();
  return PacketSender(std::move(with_ring.value()), std::move(ring.value()),
                      std::move(without.value()));
}

size_t PacketSender::send(std::span<Packet* const> packets) {
  size_t sent = 0;
  while (sent < packets.size()) {
    std::span<Packet* const> run = packets.subspan(sent);
    run = run.first(std::min(run.size(), kBatchCapacity));
    const bool in_ring = is_short(*run.front());
    const auto other = std::find_if(
        run.begin(), run.end(), [&](const Packet* packet) { return is_short(*packet) != in_ring; });
    run = run.first(static_cast<size_t>(other - run.begin()));
    const size_t accepted = in_ring ? send_short(run) : send_long(run);
    sent += accepted;
    if (accepted < run.size()) break;
  }
  return sent;
}

// The kernel sends slots in their order, and within send(): a slot that it left behind is one that
// it could not send, and is taken back, so that nothing old leaves with a later call.
size_t PacketSender::send_short(std::span<Packet* const> packets) {
  size_t end = next_;
  size_t filled = 0;
  for (; filled < packets.size() && ring_.status(end) == TP_STATUS_AVAILABLE; ++filled) {
    fill(end, *packets[filled]);
    ring_.set_status(end, TP_STATUS_SEND_REQUEST);
    end = ring_.after(end);
  }
  (void)::send(ring_socket_.get(), nullptr, 0, MSG_DONTWAIT);
  size_t accepted = 0;
  constexpr uint32_t kLeftBehind = TP_STATUS_SEND_REQUEST | TP_STATUS_WRONG_FORMAT;
  while (accepted < filled && (ring_.status(next_) & kLeftBehind) == 0) {
    next_ = ring_.after(next_);
    ++accepted;
  }
  for (size_t slot = next_; slot != end; slot = ring_.after(slot)) {
    ring_.set_status(slot, TP_STATUS_AVAILABLE);
  }
  return accepted;
}

void PacketSender::fill(size_t slot, const Packet& packet) {
  uint8_t* header = packet.data - kVirtioHeaderSize;
  write_virtio_header(packet.offload, packet.length, header);
  const auto all = static_cast<uint16_t>(packet.length);
  std::memcpy(header + kVirtioHeaderLength, &all, sizeof all);
  tpacket2_hdr* to = ring_.slot(slot);
  to->tp_len = static_cast<uint32_t>(kVirtioHeaderSize + packet.length);
  std::memcpy(reinterpret_cast<uint8_t*>(to) + kFrameOffset, header, to->tp_len);
}

size_t PacketSender::send_long(std::span<Packet* const> packets) {
  for (size_t i = 0; i < packets.size(); ++i) {
    const Packet& packet = *packets[i];
    uint8_t* header = packet.data - kVirtioHeaderSize;
    write_virtio_header(packet.offload, packet.length, header);
    vectors_[i] = {header, kVirtioHeaderSize + packet.length};
    messages_[i].msg_hdr.msg_iov = &vectors_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
  const int sent =
      sendmmsg(socket_.get(), messages_.data(), static_cast<unsigned>(packets.size()), 0);
  return sent < 0 ? 0 : static_cast<size_t>(sent);
}

}  // namespace sluice
