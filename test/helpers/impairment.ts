/** A link that loses frames, by nftables at a host's device. */
import type { Namespace } from '../../src/laboratory/index.js'

/** From now on so many of a hundred TCP segments are lost, each way, at random. */
export async function loseSegments(at: Namespace, device: string, percent: number): Promise<void> {
  const rule = `meta l4proto tcp numgen random mod 100 < ${percent} drop;`
  const chain = (hook: string) =>
    `chain ${hook} { type filter hook ${hook} device ${device} priority 0; ${rule} };`
  await at.exec('nft', [`table netdev loss { ${chain('ingress')} ${chain('egress')} }`])
}
