#include "flow/virtual_server_table.h"

#include <algorithm>

#include "base/hash.h"

namespace sluice {

namespace {

IpAddress any_of_family(const IpAddress& address) {
  return address.is_v4() ? IpAddress::v4(0) : IpAddress{};
}

}  // namespace

size_t VirtualServerTable::ListenHash::operator()(const Listen& listen) const {
  uint64_t words[2];
  std::memcpy(words, listen.address.bytes.data(), sizeof words);
  const uint64_t port = uint64_t{listen.port} << 8 | listen.protocol;
  return mix64(words[0] ^ 0x9e3779b97f4a7c15, mix64(words[1] ^ port, 0xbf58476d1ce4e5b9));
}

// What may be anything is zero, which no exact one has; an address, the zero of its family.
VirtualServerTable::Listen VirtualServerTable::listen_of(const VirtualServer& server) {
  return {server.any_address ? any_of_family(server.address) : server.address,
          server.any_port ? L4Port{0} : server.port, server.protocol};
}

bool VirtualServerTable::is_wildcard(const VirtualServer& server) {
  return server.any_address || server.any_port || server.protocol == kAnyProtocol;
}

bool VirtualServerTable::add(const VirtualServer& server) {
  const Listen listen = listen_of(server);
  const auto there = servers_.find(listen);
  if (there != servers_.end() && there->second.id != server.id) return false;
  remove(server.id, nullptr);
  servers_.emplace(listen, server);
  wildcards_ += is_wildcard(server);
  return true;
}

bool VirtualServerTable::remove(uint16_t id, VirtualServer* removed) {
  for (auto it = servers_.begin(); it != servers_.end(); ++it) {
    if (it->second.id != id) continue;
    if (removed != nullptr) *removed = it->second;
    wildcards_ -= is_wildcard(it->second);
    servers_.erase(it);
    return true;
  }
  return false;
}

const VirtualServer* VirtualServerTable::find(const FlowKey& key) const {
  const VirtualServer* found = find(Listen{key.dst, key.dst_port, key.protocol});
  if (found != nullptr || wildcards_ == 0) return found;
  const IpAddress any = any_of_family(key.dst);
  for (const Listen& listen : {Listen{key.dst, 0, key.protocol}, Listen{key.dst, 0, kAnyProtocol},
                               Listen{any, key.dst_port, key.protocol},
                               Listen{any, 0, key.protocol}, Listen{any, 0, kAnyProtocol}}) {
    found = find(listen);
    if (found != nullptr) return found;
  }
  return nullptr;
}

void VirtualServerTable::learn(const FlowKey& key, uint16_t id, const OfferLimits& shown) {
  const VirtualServer* found = find(key);
  if (found == nullptr || found->id != id) return;
  OfferLimits& learned = servers_.find(listen_of(*found))->second.learned;
  learned.mss = std::min(learned.mss, shown.mss);
  learned.options &= shown.options;
}

const VirtualServer* VirtualServerTable::find(const Listen& listen) const {
  const auto it = servers_.find(listen);
  return it == servers_.end() ? nullptr : &it->second;
}

}  // namespace sluice
