/** What concerns several values of a configuration at once: pools. */
import { formatEndpoint } from '../bus/address.js'
import type { Endpoint, Family } from '../endpoint.js'
import type { ParsedCheck } from './pool-schema.js'
import { isBroadcast, type Links, linkOf, linksOf, ownAddresses, portTowards } from './reach.js'
import type { Report } from './report.js'
import type { ParsedConfig } from './schema.js'

/** Where flows go while a pool has no node for them: pools of its family, and none twice. */
function checkStandIns(config: ParsedConfig, name: string, report: Report): void {
  const key = `pools.${name}.fallback`
  const { nodes, fallback } = config.pools[name]
  if (fallback === undefined) return
  checkPoolName(config, key, fallback, nodes[0].address.family, 'it has those of', report)
  const seen = new Set([name])
  for (let next: string | undefined = fallback; next !== undefined; ) {
    if (seen.has(next)) {
      report(key, `leads back to '${next}'`, 'let the last of them have no fallback')
      return
    }
    seen.add(next)
    next = poolNamed(config, next)?.fallback
  }
}

/** Keys of a check, by its kind. */
const checkKeys = { tcp: [], http: ['path', 'host', 'status', 'body'], function: ['run'] } as const

function checkCheck(key: string, check: ParsedCheck | undefined, report: Report): void {
  if (!check) return
  for (const [kind, names] of Object.entries(checkKeys)) {
    for (const name of names) {
      if (check[name] === undefined || kind === check.kind) continue
      report(`${key}.${name}`, `belongs to kind '${kind}'`, 'take it out, or change the kind')
    }
  }
  if (check.kind === 'function' && !check.run) {
    report(`${key}.run`, 'is missing', 'write it as async (node, { signal }) => boolean')
  }
}

/** Checks of these kinds connect to a port. */
function checkPorts(
  key: string,
  { check, nodes }: ParsedConfig['pools'][string],
  report: Report,
): void {
  if (!check || check.kind === 'function') return
  if (nodes.every(({ address }) => address.port !== 0)) return
  const remedy = 'give each node a port, or take a function'
  report(`${key}.check`, `of kind '${check.kind}' connects to a port, and a node has none`, remedy)
}

export function checkPools(config: ParsedConfig, report: Report): void {
  const links = linksOf(config)
  for (const [name, pool] of Object.entries(config.pools)) {
    checkStandIns(config, name, report)
    checkCheck(`pools.${name}.check`, pool.check, report)
    checkPorts(`pools.${name}`, pool, report)
    const seen = new Set<string>()
    pool.nodes.forEach(({ address, nextHop }, i) => {
      const key = `pools.${name}.nodes[${i}]`
      const text = formatEndpoint(address)
      if (seen.has(text)) report(key, `${text} is in the list twice`, 'name each node once')
      seen.add(text)
      if (address.family !== pool.nodes[0].address.family) {
        report(key, 'is of another IP family than the first node', 'make a pool for each family')
      }
      checkNode(key, links, address, nextHop, report)
    })
  }
}

/** Packets reach it by the routes, or by its next hop. */
function checkNode(
  key: string,
  links: Links,
  { address, family }: Endpoint,
  nextHop: string | undefined,
  report: Report,
): void {
  const own = ownAddresses(links)
  if (own.has(address)) {
    report(key, `${address} is an address of the engine`, 'name a server behind a port')
  } else if (nextHop === undefined && portTowards(links, address, family) === undefined) {
    report(
      key,
      `${address} is in no network of a port and has no route`,
      'add a port with an address in its network, a route to it, or a nextHop',
    )
  } else if (isBroadcast(links, address, family)) {
    report(key, `${address} is the broadcast address of a network`, 'name one server')
  }
  if (nextHop === undefined) return
  if (own.has(nextHop)) {
    report(`${key}.nextHop`, `${nextHop} is an address of the engine`, 'name a router')
  } else if (linkOf(links, nextHop, family) === undefined) {
    const remedy = `name a router of IPv${family} in the network of a port`
    report(`${key}.nextHop`, `${nextHop} is on the link of no port`, remedy)
  } else if (isBroadcast(links, nextHop, family)) {
    const remedy = 'name the router itself'
    report(`${key}.nextHop`, `${nextHop} is the broadcast address of a network`, remedy)
  }
}

function poolNamed(config: ParsedConfig, name: string) {
  return Object.hasOwn(config.pools, name) ? config.pools[name] : undefined
}

/** Reports a pool that does not exist or that is of another family than who sends flows there. */
export function checkPoolName(
  config: ParsedConfig,
  key: string,
  name: string,
  family: Family,
  sender: string,
  report: Report,
): void {
  const pool = poolNamed(config, name)
  if (!pool) {
    const names = Object.keys(config.pools).join(', ') || 'none yet'
    report(key, `names no pool: '${name}'`, `add pools.${name}, or take one of: ${names}`)
  } else if (pool.nodes[0].address.family !== family) {
    report(
      key,
      `'${name}' has IPv${pool.nodes[0].address.family} nodes and ${sender} IPv${family}`,
      'translation keeps the family: use a pool of the same one',
    )
  }
}
