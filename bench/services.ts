/** The engine with a service between one client and one server. */
import { join } from 'node:path'
import type { Laboratory } from '../src/laboratory/index.js'
import { root } from '../test/helpers/repository.js'
import { SluiceProcess } from '../test/helpers/sluice-process.js'
import { HTTP_PORT, SLUICE, type Variant } from './variants.js'

const SERVICES = join(root, 'test/helpers/services.ts')

/**
 * Starts an engine with a service at each of these L4 ports of the virtual address, given by its
 * source, in which `services` is all of services.ts; `more` keys of its configuration.
 */
export function startServices(
  lab: Laboratory,
  services: Record<number, string>,
  more: object = {},
): Promise<SluiceProcess> {
  const servers = Object.entries(services).map(([port, service]) => {
    return `port${port}: { listen: 'tcp://${lab.virtualAddress()}:${port}', service: ${service} },`
  })
  return SluiceProcess.start(
    lab,
    `import * as services from ${JSON.stringify(SERVICES)}
     export default {
       ...${JSON.stringify(more)},
       ports: ${JSON.stringify(lab.ports())},
       virtualServers: { ${servers.join('\n')} },
     }`,
  )
}

/**
 * An engine with one virtual server of HTTP, whose further keys this is the source of: its pools `api` and
 * `web` are the one server.
 */
export async function enterSource(lab: Laboratory, keys: string): Promise<string> {
  const pool = JSON.stringify({ nodes: [`${lab.serverAddresses()[0]}:${HTTP_PORT}`] })
  await SluiceProcess.start(
    lab,
    `import { httpRouter } from 'sluice'
     export default {
       ports: ${JSON.stringify(lab.ports())},
       pools: { api: ${pool}, web: ${pool} },
       virtualServers: {
         site: { listen: 'tcp://${lab.virtualAddress()}:${HTTP_PORT}', ${keys} },
       },
     }`,
  )
  return lab.virtualAddress()
}

/**
 * Everything passes: `pipe` and `process` leave it to the engine for as long as nobody is in the way,
 * `relay` does so by order; `transform` has every byte in JavaScript, and so has `pull`, which asks for
 * each piece when the last one is gone; `splice` leaves it to the hosts at the ends.
 */
export function passing(
  kind: 'packet' | 'tap',
  way: 'pipe' | 'process' | 'transform' | 'pull' | 'relay' | 'splice',
  ports: readonly number[],
): Variant {
  return {
    name: `sluice ${kind} ${way}`,
    topology: kind === 'tap' ? 'tap' : 'two-arm',
    needs: ['netns', kind === 'tap' ? 'tun' : 'afPacket'],
    tools: [],
    programs: [SLUICE],
    async enter(lab) {
      const services = ports.map((port) => [port, `services.${way}To(services.SERVER, ${port})`])
      const engine = await startServices(lab, Object.fromEntries(services))
      return { address: lab.virtualAddress(), engine }
    },
  }
}
