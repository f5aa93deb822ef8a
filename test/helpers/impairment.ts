/** Links that lose frames, or are slow. */
import { join } from 'node:path'
import type { Namespace } from '../../src/laboratory/index.js'
import { root } from './repository.js'

/** From now on so many of a hundred TCP segments are lost at a device, each way, at random. */
export async function loseSegments(at: Namespace, device: string, percent: number): Promise<void> {
  const rule = `meta l4proto tcp numgen random mod 100 < ${percent} drop;`
  const chain = (hook: string) =>
    `chain ${hook} { type filter hook ${hook} device ${device} priority 0; ${rule} };`
  await at.exec('nft', [`table netdev loss { ${chain('ingress')} ${chain('egress')} }`])
}

export interface SlowLink {
  oneWayMs: number
  /** Of a hundred frames each way; default 0. */
  loss?: number
  mbit: number
  /** Says which frames are lost; default 1. */
  seed?: number
}

/**
 * Puts a host behind a slow link, each way alike: what was eth0's is slow0's. The link takes frames as
 * they are on a wire, so the engine's port at its other end must be one without offloads.
 */
export async function slowDown(
  at: Namespace,
  { oneWayMs, loss = 0, mbit, seed = 1 }: SlowLink,
): Promise<void> {
  const addresses = await shown<{ addr_info?: { local: string; prefixlen: number }[] }>(at, [
    ...['address', 'show', 'dev', 'eth0', 'scope', 'global'],
  ])
  const gateways = [
    ...(await shown<{ gateway: string }>(at, ['-4', 'route', 'show', 'default'])),
    ...(await shown<{ gateway: string }>(at, ['-6', 'route', 'show', 'default'])),
  ]
  // What comes for slow0's address must not find it by way of eth0.
  await at.setSysctls({ 'ipv4/conf/eth0/arp_ignore': 1, 'ipv6/conf/eth0/disable_ipv6': 1 })
  await at.ip(['address flush dev eth0'])
  const script = join(root, 'test/helpers/slow_link.py')
  const args = ['-B', script, 'eth0', 'slow0', ...[oneWayMs, loss, mbit, seed].map(String)]
  const link = await at.spawn('python3', args)
  await link.waitForOutput(/^ready$/m)
  await at.ip([
    ...addresses
      .flatMap(({ addr_info }) => addr_info ?? [])
      .filter(({ local }) => local)
      .map(({ local, prefixlen }) => `address add ${local}/${prefixlen} dev slow0`),
    'link set slow0 up',
    ...gateways.map(({ gateway }) => `route add default via ${gateway} dev slow0`),
  ])
}

async function shown<T>(at: Namespace, what: string[]): Promise<T[]> {
  return JSON.parse((await at.exec('ip', ['-j', ...what])).stdout || '[]')
}
