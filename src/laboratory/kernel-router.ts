/**
 * The kernel in the engine's place: the peer that measurements compare with, and the proof that a
 * topology is sound when there is no engine to blame.
 */
import { addressLines, type Family } from './addresses.js'
import type { Namespace } from './namespace.js'
import { untilNeighboursAnswer } from './settle.js'
import type { LaboratoryPort } from './topology.js'

const FORWARDING = {
  'ipv4/ip_forward': 1,
  'ipv6/conf/all/disable_ipv6': 0,
  'ipv6/conf/default/disable_ipv6': 0,
  'ipv6/conf/all/forwarding': 1,
}

/** Gives the kernel the engine's own addresses and lets it forward. */
export async function layKernelRouter(
  place: { namespace: Namespace },
  ports: Record<string, LaboratoryPort>,
): Promise<void> {
  await place.namespace.setSysctls(FORWARDING)
  await place.namespace.ip(
    Object.values(ports).flatMap(({ device, address = [] }) => addressLines(device, address)),
  )
  await untilNeighboursAnswer(place.namespace)
}

/** Translates each `from` to its `to`, whatever the L4 port. */
export async function layKernelNat(
  namespace: Namespace,
  translations: readonly { family: Family; from: string; to: string }[],
): Promise<void> {
  const rules = translations.map(({ family, from, to }) =>
    family === 4 ? `ip daddr ${from} dnat ip to ${to}` : `ip6 daddr ${from} dnat ip6 to ${to}`,
  )
  const lines = ['type nat hook prerouting priority dstnat', ...rules].join('\n')
  await namespace.exec('nft', ['-f', '-'], {
    input: `table inet laboratory {\nchain virtual {\n${lines}\n}\n}\n`,
  })
}
