#include "flow/virtual_server_table.h"

#include "base/hash.h"

namespace sluice {

size_t VirtualServerTable::ListenHash::operator()(const Listen& listen) const {
  uint64_t words[2];
  std::memcpy(words, listen.address.bytes.data(), sizeof words);
  const uint64_t port = uint64_t{listen.port} << 8 | listen.protocol;
  return mix64(words[0] ^ 0x9e3779b97f4a7c15, mix64(words[1] ^ port, 0xbf58476d1ce4e5b9));
}

bool VirtualServerTable::add(const VirtualServer& server) {
  const Listen listen{server.address, server.port, server.protocol};
  const auto there = servers_.find(listen);
  if (there != servers_.end() && there->second.id != server.id) return false;
  remove(server.id, nullptr);
  servers_.emplace(listen, server);
  return true;
}

bool VirtualServerTable::remove(uint16_t id, VirtualServer* removed) {
  for (auto it = servers_.begin(); it != servers_.end(); ++it) {
    if (it->second.id != id) continue;
    if (removed != nullptr) *removed = it->second;
    servers_.erase(it);
    return true;
  }
  return false;
}

const VirtualServer* VirtualServerTable::find(const FlowKey& key) const {
  const auto it = servers_.find(Listen{key.dst, key.dst_port, key.protocol});
  return it == servers_.end() ? nullptr : &it->second;
}

}  // namespace sluice
