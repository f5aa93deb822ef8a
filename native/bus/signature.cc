#include "bus/signature.h"

namespace sluice {

void store_signature(SigView sig, const FlowKey& key) {
  constexpr uint16_t kUntagged = 0xffff;
  sig.set_src_ipaddr(key.src);
  sig.set_dst_ipaddr(key.dst);
  sig.set_src_port(key.src_port);
  sig.set_dst_port(key.dst_port);
  sig.set_protocol(key.protocol);
  sig.set_tos(static_cast<uint8_t>(key.dscp << 2));
  sig.set_vlan_tci(kUntagged);
}

FlowKey load_signature(const SigView& sig) {
  FlowKey key;
  key.src = sig.src_ipaddr();
  key.dst = sig.dst_ipaddr();
  key.src_port = sig.src_port();
  key.dst_port = sig.dst_port();
  key.protocol = sig.protocol();
  key.dscp = sig.tos() >> 2;
  return key;
}

}  // namespace sluice
