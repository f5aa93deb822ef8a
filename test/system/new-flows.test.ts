/** How new flows come to be: queries, refusals, and the same client again under other signs. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { QueryView, ReplyView } from '../../src/generated/messages.js'
import { Engine, type SluiceConfig } from '../../src/index.js'
import { Laboratory, type TopologyName, until } from '../../src/laboratory/index.js'
import { createNativeSegment, type NativeSegment } from '../../src/native.js'
import { curl, url } from '../helpers/http-clients.js'
import { kernelCounters } from '../helpers/kernel-counters.js'
import { NginxServer } from '../helpers/servers.js'
import { endpoint, listen, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients, SocketError } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'nft', 'ss')

/** Addresses of a client that the policy does not want, and of one that it does not even answer. */
const denied = { 4: '192.0.2.66', 6: '2001:db8:1::66' } as const
const ignored = { 4: '192.0.2.67', 6: '2001:db8:1::67' } as const

describe.each<TopologyName>(['tap', 'two-arm'])('a policy over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('CS-01 CS-10 refuses a client at once, ignores another, and lets the rest pass', async () => {
    await using site = await Site.start({
      topology,
      virtualServers: (family, lab) => ({
        site: `listen: '${listen(lab, family, 80)}', policy: ({ client }) =>
          client.address === '${denied[family]}' ? { reject: 'reset' }
          : client.address === '${ignored[family]}' ? { reject: 'drop' } : 'web${family}'`,
      }),
    })
    const { lab } = site
    const device = topology === 'tap' ? 'ext0' : 'eth0'
    // Deprecated, so that nobody takes them but who asks for them.
    const rest = `dev ${device} preferred_lft 0`
    await site.client.ip([
      ...[denied[4], ignored[4]].map((address) => `address add ${address} ${rest}`),
      ...[denied[6], ignored[6]].map((address) => `address add ${address} ${rest} nodad`),
    ])
    const clients = await SocketClients.start(site.client)
    const to = lab.families.map((family) => ({
      family,
      host: lab.virtualAddress(family),
      port: 80,
    }))
    for (const { family, ...destination } of to) {
      const connecting = clients.connect({ ...destination, localAddress: denied[family] })
      await expect(connecting).rejects.toEqual(new SocketError('ECONNREFUSED'))
    }
    // At once: the first SYNs were answered, none was sent again.
    expect(await kernelCounters(site.client)).toMatchObject({ TcpExtTCPSynRetrans: 0 })
    const silent = to.map(({ family, ...destination }) =>
      clients.open({ ...destination, localAddress: ignored[family] }),
    )
    await until('the policy has refused', async () => {
      return (await site.status()).decisions.rejected >= 4
    })
    for (const { family } of to) expect(await site.fetch(family)).toMatchObject({ status: 200 })
    expect(silent.map(({ state }) => state)).toEqual(['opening', 'opening'])
    const { decisions, drops, counters } = await site.end()
    // The silent ones ask again when their refusal is forgotten; each question counts once.
    expect(decisions).toMatchObject({
      rejected: counters.queries - 2,
      assigned: 2,
      policyErrors: 0,
    })
    expect(drops.refused).toBeGreaterThanOrEqual(4)
  })
})

test('DFS-17 HS-05 a thousand flows wait together; a known one is served meanwhile', async () => {
  const COUNT = 1000
  const gate = (lab: Laboratory) => join(lab.folder, 'goes-on')
  await using site = await Site.start({
    topology: 'two-arm',
    servers: 1,
    prelude: `
      import { existsSync } from 'node:fs'
      import { setTimeout as delay } from 'node:timers/promises'
      async function until(file) {
        while (!existsSync(file)) await delay(20)
      }
      const gate = new Map()
      function opened(file) {
        if (!gate.has(file)) gate.set(file, until(file))
        return gate.get(file)
      }`,
    virtualServers: (family, lab) => ({
      plain: `listen: '${listen(lab, family, 80)}', pool: 'web${family}'`,
      slow: `listen: '${listen(lab, family, 81)}', policyTimeoutMs: 60_000,
        policy: () => opened('${gate(lab)}').then(() => 'web${family}')`,
    }),
  })
  const { lab } = site
  const clients = await SocketClients.start(site.client)
  const to = (port: number) =>
    lab.families.map((family) => ({ host: lab.virtualAddress(family), port }))
  const known = await Promise.all(to(80).map((destination) => clients.connect(destination)))
  const late = Array.from({ length: COUNT / 2 }, () =>
    to(81).map((destination) => clients.open(destination)),
  ).flat()
  await until('all wait for the policy', async () => {
    return (await site.status()).decisions.pending === COUNT
  })
  for (const socket of known) expect(await socket.request()).toBe('srv1\n')

  const [host] = lab.servers as [Laboratory['servers'][number]]
  expect((await kernelCounters(host.namespace)).TcpPassiveOpens).toBe(known.length)
  writeFileSync(gate(lab), '')
  // A SYN is kept for a moment only: what opens a flow that was decided later is the client's next,
  // which comes after as long as it has waited already.
  const opening = () => late.filter(({ state }) => state === 'opening')
  await until(
    () => `${opening().length} connections more`,
    () => opening().length === 0,
    60_000,
  )
  expect(await Promise.all(late.map((socket) => socket.request()))).toHaveLength(COUNT)
  expect((await kernelCounters(host.namespace)).TcpPassiveOpens).toBe(known.length + COUNT)
  expect((await site.end()).decisions).toMatchObject({ assigned: COUNT + 2, policyTimeouts: 0 })
})

test('DFS-03 a transfer whose DSCP changes asks once more, and goes on', async () => {
  const SIZE = 60_000_000
  await using site = await Site.start({ topology: 'two-arm' })
  for (const server of site.servers) await server.addFile(SIZE)
  for (const family of site.lab.families) {
    const before = (await site.status()).counters.queries
    const args = ['--limit-rate', '30M']
    const transfer = site.fetch(family, `/bytes/${SIZE}`, 80, { output: '/dev/null', args })
    let done = false
    transfer.finally(() => {
      done = true
    })
    await until('the transfer has begun', async () => {
      return (await site.flows()).some(({ bytes }) => bytes.out > 1_000_000)
    })
    const table = `inet mark${family}`
    const chain = `add chain ${table} out { type filter hook output priority 0; }`
    const rule = `add rule ${table} out ${family === 4 ? 'ip' : 'ip6'} dscp set af41`
    await site.client.exec('nft', [`add table ${table}; ${chain}; ${rule}`])
    expect(done).toBe(false)
    expect(await transfer).toMatchObject({ status: 200, bytes: SIZE, exitCode: 0 })
    expect((await site.status()).counters.queries).toBe(before + 2)
  }
  const { decisions } = await site.end()
  expect(decisions).toMatchObject({ assigned: 2, resumed: 2 })
})

test('DFS-20 a client port that is used again at once makes a new flow', async () => {
  const PORT = 50505
  await using site = await Site.start({ topology: 'two-arm' })
  const clients = await SocketClients.start(site.client)
  for (const family of site.lab.families) {
    const before = (await site.status()).counters.queries
    const to = { host: site.lab.virtualAddress(family), port: 80, localPort: PORT }
    for (let turn = 0; turn < 6; turn += 1) {
      const socket = await clients.connect(to)
      // The server closes first, so no TIME_WAIT keeps the client from its port.
      const body = await socket.request('/', 'Connection: close\r\n')
      expect(body).toBe(`srv${(turn % 3) + 1}\n`)
      await until('the port is free', async () => {
        const { stdout } = await site.client.exec('ss', ['-Htan', `sport = :${PORT}`])
        return stdout === ''
      })
    }
    const { counters } = await site.status()
    expect(counters.queries).toBe(before + 6)
  }
  await site.end()
})

/** A native segment with a count of the messages that cross the boundary. */
class CountedSegment implements NativeSegment {
  bytes = 0
  private readonly segment = createNativeSegment()

  start(...args: Parameters<NativeSegment['start']>): void {
    this.segment.start(...args)
  }
  submit(messages: Uint8Array, length: number): number {
    const taken = this.segment.submit(messages, length)
    this.bytes += taken
    return taken
  }
  drain(into: Uint8Array): number {
    const drained = this.segment.drain(into)
    this.bytes += drained
    return drained
  }
  writeStreams(messages: Uint8Array, length: number): number {
    return this.segment.writeStreams(messages, length)
  }
  readProgress(socket: number, into: BigUint64Array): void {
    this.segment.readProgress(socket, into)
  }

  readStreams(into: Uint8Array): number {
    return this.segment.readStreams(into)
  }
  readCounters(into: BigUint64Array): number {
    return this.segment.readCounters(into)
  }
  startCapture(...order: Parameters<NativeSegment['startCapture']>) {
    return this.segment.startCapture(...order)
  }
  drainCapture(into: Uint8Array): number {
    return this.segment.drainCapture(into)
  }
  stopCapture(): Uint8Array {
    return this.segment.stopCapture()
  }
  restoresSettings(): boolean {
    return this.segment.restoresSettings()
  }
  homesOf(...args: Parameters<NativeSegment['homesOf']>): void {
    this.segment.homesOf(...args)
  }
  describePorts(): string[] {
    return this.segment.describePorts()
  }
  stop(): void {
    this.segment.stop()
  }
}

test('ARCH-01 DFS-07 what the segments say of a flow does not grow with its packets', async () => {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1 })
  const [host] = lab.servers as [Laboratory['servers'][number]]
  const server = await NginxServer.start(lab, host)
  const sizes = [1000, 200_000_000]
  for (const size of sizes) await server.addFile(size)
  const config: SluiceConfig = {
    ports: lab.ports(),
    pools: Object.fromEntries(
      lab.families.map((family) => [
        `web${family}`,
        { nodes: [endpoint(host.address(family), 80)] },
      ]),
    ),
    virtualServers: Object.fromEntries(
      lab.families.map((family) => [
        `web${family}`,
        { listen: listen(lab, family, 80), pool: `web${family}` },
      ]),
    ),
    // Statistics come by the clock: none in this test.
    timeouts: { statsIntervalMs: 3_600_000 },
  }
  const segment = new CountedSegment()
  await using engine = await Engine.start(config, { segment })
  // This process answers, and starts curl: a question that it is too busy for comes again.
  const bytesSaid = () => {
    const { queriesRepeated } = engine.status().counters
    return segment.bytes - queriesRepeated * (QueryView.size + ReplyView.size)
  }
  for (const family of lab.families) {
    const said: number[] = []
    for (const size of sizes) {
      const before = bytesSaid()
      const target = url(lab.virtualAddress(family), `/bytes/${size}`)
      const fetched = await curl(lab.client.namespace, target, { output: '/dev/null' })
      expect(fetched).toMatchObject({ status: 200, bytes: size })
      await until('the flow has ended', () => engine.status().flows === 0)
      await until('the control segment knows', () =>
        engine.status().virtualServers.every(({ connections }) => connections === 0),
      )
      said.push(bytesSaid() - before)
    }
    expect(said[0]).toBeGreaterThan(0)
    expect(said[1]).toBe(said[0])
  }
})
