/** What concerns several values of a configuration at once: the administration over the network. */
import { formatEndpoint } from '../bus/address.js'
import { linksOf, ownAddresses } from './reach.js'
import type { Report } from './report.js'
import type { ParsedConfig } from './schema.js'

/** Addresses that are answered by the engine, so that they never reach the host's kernel. */
function engineAddresses(config: ParsedConfig): Set<string> {
  const servers = Object.values(config.virtualServers)
  return new Set([
    ...ownAddresses(linksOf(config)),
    ...servers.filter(({ arp }) => arp).map(({ listen }) => listen.endpoint.address),
    ...servers.flatMap(({ snat }) => snat?.addresses ?? []),
  ])
}

export function checkAdmin(config: ParsedConfig, report: Report): void {
  const engine = engineAddresses(config)
  const seen = new Set<string>()
  config.admin?.listen.forEach((endpoint, i) => {
    const key = `admin.listen[${i}]`
    const text = formatEndpoint(endpoint)
    if (engine.has(endpoint.address)) {
      report(
        key,
        `${endpoint.address} is an address of the engine`,
        "take one of the host's kernel: the hostAddress of a tap, or one of another device",
      )
    }
    if (seen.has(text)) report(key, `${text} is there twice`, 'name each once')
    seen.add(text)
  })
}
