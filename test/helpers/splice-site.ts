/** Pairs whose hosts at the ends are to run the connection, with real ones. */
import type { ServiceFunction, SocketPair } from '../../src/index.js'
import type { Host } from '../../src/laboratory/index.js'
import { EngineSite, type EngineSiteOptions } from './engine-site.js'
import { oneCpu } from './one-cpu.js'
import { NginxServer } from './servers.js'
import { associated, SERVER } from './services.js'
import { startUploads } from './uploads.js'

export const [HTTP, UPLOADS] = [80, 81]

/** A pair that was let go. */
interface Spliced {
  readonly pair: SocketPair
  /** Modes that it has been in. */
  readonly modes: string[]
}

/** A site whose services join each client with the server, and let that go. */
export async function startSpliceSite(
  letGo: (pair: SocketPair) => Promise<unknown>,
  more?: EngineSiteOptions['more'],
) {
  const pairs: Spliced[] = []
  const splicing =
    (port: number): ServiceFunction =>
    async (inbound, { stack }) => {
      inbound.on('error', () => {})
      const outbound = await associated(stack, inbound, SERVER, port)
      outbound.on('error', () => {})
      const pair = outbound.pair as SocketPair
      const modes: string[] = []
      pair.on('mode', (_before, now) => modes.push(now))
      pairs.push({ pair, modes })
      await letGo(pair)
    }
  const site = await EngineSite.start({
    services: { [HTTP]: splicing(HTTP), [UPLOADS]: splicing(UPLOADS) },
    startServers: async (lab) => {
      const [host] = lab.servers as [Host]
      await startUploads(host, UPLOADS)
      return NginxServer.start(lab, host)
    },
    more: (lab) => ({ cpus: oneCpu(), ...more?.(lab) }),
  })
  return { site, pairs, nginx: site.started }
}

export const spliceAtOnce = (pair: SocketPair) => pair.unproxy({ depth: 'splice' })
