/** What the kernel does late, in a work queue: waited for, so that no test's first packet is lost. */
import { run } from './lab-process.js'
import type { Namespace } from './namespace.js'
import { until } from './until.js'

/**
 * A veth sends once both its ends are up and the kernel's link watch has seen it, which may be a
 * second later; but asking for one device by its name makes the kernel look at once.
 */
export async function untilLinksAreUp(
  namespace: Namespace,
  devices: readonly string[],
): Promise<void> {
  await Promise.all(
    devices.map((device) =>
      until(`${device} in ${namespace.role} comes up`, async () => {
        return (await linkState(namespace, device)) === 'UP'
      }),
    ),
  )
}

async function linkState(namespace: Namespace, device: string): Promise<string | undefined> {
  const command = ['ip', '-n', namespace.name, '-j', 'link', 'show', 'dev', device] as const
  const { stdout } = await run([...command])
  const [link] = JSON.parse(stdout) as { operstate: string }[]
  return link?.operstate
}

/**
 * A host answers neighbour solicitations for an IPv6 address once it has joined the address's
 * solicited-node group (RFC 4291 2.7.1), some time after the address is there. A solicitation
 * that comes before is lost, and the next one goes out a second later.
 */
export async function untilNeighboursAnswer(namespace: Namespace): Promise<void> {
  let missing: string[] = []
  await until(
    () => `solicited-node groups of ${missing.join(', ')} in ${namespace.role}`,
    async () => {
      const [addresses, groups] = await Promise.all(
        ['if_inet6', 'igmp6'].map((table) => readTable(namespace, table)),
      )
      // A row of the one: address, ..., device; of the other: number, device, group, ...
      const joined = new Set(groups?.map(([, device, group]) => `${device} ${group}`))
      missing = (addresses ?? [])
        .map((row) => `${row.at(-1)} ff0200000000000000000001ff${row[0]?.slice(26)}`)
        .filter((group) => !group.startsWith('lo ') && !joined.has(group))
      return missing.length === 0
    },
  )
}

/** The rows of a table in /proc/net; none where the kernel has no such table. */
async function readTable(namespace: Namespace, table: string): Promise<string[][]> {
  const { stdout } = await namespace.tryExec('cat', [`/proc/net/${table}`])
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => line.trim().split(/\s+/))
}
