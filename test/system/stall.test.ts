/** JavaScript that blocks must not be felt by a flow that was decided before (law 8). */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Laboratory, TopologyName } from '../../src/laboratory/index.js'
import { RunningIperf } from '../helpers/iperf.js'
import { startIperf, startServers } from '../helpers/servers.js'
import { listen, nodes, Site, type SiteOptions } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'iperf3')

/** A client's port for which the policy blocks until the test lets it go on. */
/** Bits per second of each stream and direction. */
const RATE = 100_000_000
const BLOCKING_PORT = 40404
/** iperf3 serves one client at a time, so there is one for each family. */
const iperfPort = { 4: 5204, 6: 5206 } as const

/** The policy waits as an unlucky one does, without giving the event loop back, but for the test. */
const siteOptions = (topology: TopologyName): SiteOptions => ({
  topology,
  servers: 1,
  prelude: `
    import { existsSync } from 'node:fs'
    const cell = new Int32Array(new SharedArrayBuffer(4))
    function blockUntil(file) {
      console.log('blocked')
      while (!existsSync(file)) Atomics.wait(cell, 0, 0, 10)
      console.log('goes on')
    }
  `,
  pools: (family, lab) => ({ iperf: `nodes: ${nodes(lab, family, iperfPort[family])}` }),
  virtualServers: (family, lab) => ({
    iperf: `listen: '${listen(lab, family, iperfPort[family])}', pool: 'iperf${family}'`,
    web: `listen: '${listen(lab, family, 80)}', policy: (flow) => {
      if (flow.client.port === ${BLOCKING_PORT}) blockUntil('${gate(lab)}')
      return 'web${family}'
    }`,
  }),
  startServers: async (lab) => {
    const [host] = lab.servers
    if (!host) throw new Error('no server')
    for (const family of lab.families) await startIperf(host, iperfPort[family])
    return startServers(lab)
  },
})

const gate = (lab: Laboratory) => join(lab.folder, 'goes-on')

describe.each<TopologyName>(['tap', 'two-arm'])('a blocked policy over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('DFS-08 DFS-09 known flows keep their throughput, new ones wait', async () => {
    await using site = await Site.start(siteOptions(topology))
    const { lab, client, engine } = site
    // Held to a rate that leaves the machine idle time, so that only the engine can change it.
    const flows = await Promise.all(
      lab.families.map((family) =>
        RunningIperf.start(client, lab.virtualAddress(family), iperfPort[family], `${RATE / 1e6}M`),
      ),
    )
    const before = await Promise.all(flows.map((flow) => flow.nextIntervals(4)))

    const args = ['--local-port', String(BLOCKING_PORT)]
    const blocking = site.fetch(4, '/', 80, { args })
    await engine.process.waitForOutput(/^blocked$/m)
    let answered = 0
    const waiting = lab.families.map((family) => site.fetch(family).finally(() => answered++))
    // Ten halves of a second.
    const during = await Promise.all(flows.map((flow) => flow.nextIntervals(10)))
    expect(engine.process.output()).not.toMatch(/^goes on$/m)
    expect(answered).toBe(0)

    for (const [index, { sent, received }] of during.entries()) {
      expect(mean(sent)).toBeGreaterThan(0.8 * usual(before[index]?.sent))
      expect(mean(received)).toBeGreaterThan(0.8 * usual(before[index]?.received))
    }

    writeFileSync(gate(lab), '')
    for (const fetched of await Promise.all(waiting)) {
      expect(fetched).toMatchObject({ status: 200, body: 'srv1\n' })
    }
    await blocking
    await Promise.all(flows.map((flow) => flow.stop()))
    // Of the known flows no packet was lost. A busy host's loss probes are no sign of that.
    const { drops, ports } = await site.end()
    const expected = { multicast: 0, waitingExpired: 0, waitingDuplicate: 0 }
    expect({ ...drops, ...expected }).toEqual(expected)
    for (const { counters } of ports) expect(counters).toMatchObject({ rxMissed: 0, txRefused: 0 })
  })
})

function mean(values: readonly number[] = []): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Of streams held to RATE: what they were behind by they make up for, beyond it. */
const usual = (values?: readonly number[]) => Math.min(mean(values), RATE)
