/**
 * One suite for node:net and for the engine's sockets: what a service is told, in which order, and
 * what its client sees has to be the same.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Family,
  type Host,
  Laboratory,
  type LabProcess,
  until,
} from '../../src/laboratory/index.js'
import { root } from '../helpers/repository.js'
import { type ClientView, playPeer, portOf } from '../helpers/scenario-peers.js'
import { startEcho } from '../helpers/servers.js'
import { listen, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'
import { type Played, type Scene, scenarios } from '../helpers/socket-scenarios.js'
import { nodeCommand } from '../helpers/typescript-process.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter')

const ECHO = 7
/** Those that a client begins; `wakes` is a part of others. */
const played = Object.keys(scenarios).filter((name) => name !== 'wakes')

interface Outcome {
  service: string[]
  client: ClientView
}

const serverOf = (lab: Laboratory, family: Family): Scene['server'] => ({
  host: (lab.servers[0] as Host).address(family),
  port: ECHO,
  closedPort: 1,
})

/** Runs every scenario against what is in place; the outcomes by family and name. */
async function runAll(lab: Laboratory, subject: LabProcess): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  const clients = await SocketClients.start(lab.client.namespace)
  for (const family of lab.families) {
    for (const scenario of played) {
      const client = await playPeer(clients, scenario, lab.virtualAddress(family))
      const service = await until(`${scenario} tells its log`, () =>
        logOf(subject.output(), scenario, `IPv${family}`),
      )
      outcomes.set(`${scenario} ${family}`, { service, client })
    }
  }
  return outcomes
}

function logOf(output: string, scenario: string, family: string): string[] | undefined {
  const lines = output.split('\n').filter((line) => line.startsWith('{"scenario"'))
  const found = lines.map((line) => JSON.parse(line) as Played)
  return found.find((one) => one.scenario === scenario && one.family === family)?.log
}

async function runNet(): Promise<Map<string, Outcome>> {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
  await lab.kernelHost()
  await startEcho(lab, lab.servers, ECHO)
  const addresses = lab.families.map((family) => ({
    listen: lab.virtualAddress(family),
    server: serverOf(lab, family),
  }))
  const source = `import { serveScenarios } from './test/helpers/net-scenarios.js'
    serveScenarios(${JSON.stringify(addresses)})`
  const [command, ...args] = await nodeCommand(source)
  const subject = await lab.namespace('ctl').spawn(command, args)
  await subject.waitForOutput(/^ready$/m)
  return await runAll(lab, subject)
}

async function runSluice(): Promise<Map<string, Outcome>> {
  const services = join(root, 'test/helpers/service-scenarios.ts')
  await using site = await Site.start({
    topology: 'two-arm',
    servers: 1,
    prelude: `import { scenarioService } from ${JSON.stringify(services)}`,
    startServers: async (lab) => {
      await startEcho(lab, lab.servers, ECHO)
      return []
    },
    virtualServers: (family, lab) => {
      const server = JSON.stringify(serverOf(lab, family))
      const entries = Object.keys(scenarios).map((name) => [
        name,
        `listen: '${listen(lab, family, portOf(name))}', service: scenarioService('${name}', ${server})`,
      ])
      return Object.fromEntries(entries)
    },
  })
  const outcomes = await runAll(site.lab, site.engine.process)
  await site.end()
  return outcomes
}

describe('SOCK-02 as node:net', () => {
  let [net, sluice] = [new Map<string, Outcome>(), new Map<string, Outcome>()]

  beforeAll(async () => {
    net = await runNet()
    sluice = await runSluice()
  })

  afterAll(() => {
    net.clear()
    sluice.clear()
  })

  const cases = ([4, 6] as const).flatMap((family) => played.map((name) => [name, family] as const))
  test.each(cases)('SOCK-02 %s, IPv%s', (name, family) => {
    const key = `${name} ${family}`
    expect(net.get(key)?.service.length).toBeGreaterThan(0)
    expect(sluice.get(key)).toEqual(net.get(key))
  })
})
