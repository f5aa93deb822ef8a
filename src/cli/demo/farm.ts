/**
 * The stage of the demo: a laboratory with web servers, clients and a running engine in it.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  AdminServer,
  Engine,
  Laboratory,
  loadConfigFile,
  type ResolvedConfig,
  resolveConfig,
} from '../../index.js'
import { clientProgram, type Errand, type Log } from './client.js'
import { Follower } from './follow.js'
import { followedPort, testerAddresses } from './plan.js'

const serverProgram = fileURLToPath(new URL('./server.js', import.meta.url))
const clientPatienceMs = 120_000

interface FarmOptions {
  /** The configuration to run; its ports give way to those of the laboratory. */
  file: string
  tap: boolean
}

/** The policy that decides, as JavaScript: what esbuild has left of the TypeScript in `file`. */
export interface PolicyText {
  file: string
  revision: string
  source: string
}

/** All that it made goes with `close`, and with the process if that comes to grief. */
export class Farm {
  private constructor(
    readonly laboratory: Laboratory,
    readonly engine: Engine,
    readonly admin: AdminServer,
    readonly policy: PolicyText,
    readonly follower: Follower,
  ) {}

  /** Lays the laboratory, starts its servers, then the engine. */
  static async open({ file, tap }: FarmOptions): Promise<Farm> {
    const { config, revision } = await loadConfigFile(file)
    const laboratory = await Laboratory.create({ topology: tap ? 'tap' : 'two-arm' })
    let engine: Engine | undefined
    try {
      await startServers(laboratory)
      const follower = followerIn(laboratory)
      const whole = inLaboratory(config, laboratory, follower)
      engine = await Engine.start(whole, { policyRevision: revision })
      await laboratory.afterStart()
      await addTesters(laboratory)
      const admin = await AdminServer.listen(engine, join(laboratory.folder, 'sluice.sock'))
      const policy = { file, revision, source: policySource(config) }
      return new Farm(laboratory, engine, admin, policy, follower)
    } catch (error) {
      await engine?.stop()
      await laboratory.close()
      throw error
    }
  }

  /** Sends the clients on their errand. */
  async send(errand: Errand): Promise<Log> {
    const { stdout } = await this.laboratory.client.namespace.exec(
      process.execPath,
      [clientProgram],
      { input: JSON.stringify(errand), timeoutMs: clientPatienceMs },
    )
    return JSON.parse(stdout) as Log
  }

  async close(): Promise<void> {
    await this.admin.close()
    await this.engine.stop()
    await this.laboratory.close()
  }
}

/** The first policy of the configuration. */
function policySource({ virtualServers }: ResolvedConfig): string {
  const policy = virtualServers.map(({ decide }) => decide).find((one) => typeof one === 'function')
  return policy?.toString() ?? ''
}

/** Its connections go on to the first server. */
function followerIn({ servers }: Laboratory): Follower {
  const [server] = servers
  if (!server) throw new Error('a laboratory has servers')
  return new Follower((family) => ({ address: server.address(family), port: 80 }))
}

/**
 * The same configuration with the laboratory's ports, which have the names and networks of its own, and a virtual
 * server whose connections are followed.
 */
function inLaboratory(
  config: ResolvedConfig,
  laboratory: Laboratory,
  { service }: Follower,
): ResolvedConfig {
  const followed = laboratory.families.map((family) => {
    const address = laboratory.virtualAddress(family)
    const host = family === 6 ? `[${address}]` : address
    return [`followed${family}`, { listen: `tcp://${host}:${followedPort}`, service }] as const
  })
  const own = { ports: laboratory.ports(), virtualServers: Object.fromEntries(followed) }
  const { ports, virtualServers } = resolveConfig(own)
  return {
    ...config,
    ports: ports.map((port) => ({ ...port, internal: port.name === 'inside' })),
    virtualServers: [...config.virtualServers, ...virtualServers],
  }
}

/** One process for each server, which listens on its addresses of both families. */
async function startServers({ servers, families }: Laboratory): Promise<void> {
  await Promise.all(
    servers.map(async ({ name, namespace, address }) => {
      const addresses = families.map((family) => address(family))
      const server = await namespace.spawn(process.execPath, [
        serverProgram,
        name,
        '80',
        ...addresses,
      ])
      await server.waitForOutput(/listening/)
    }),
  )
}

/** A second client, whose addresses examples/policy.ts knows as a tester's. */
async function addTesters({ client, families, topology }: Laboratory): Promise<void> {
  const device = topology === 'tap' ? 'ext0' : 'eth0'
  await client.namespace.ip(
    testerAddresses(families).map((address) => `address add ${address} dev ${device}`),
  )
}
