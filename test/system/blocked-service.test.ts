/**
 * A service whose JavaScript blocks for seconds: its peers get every ACK, window and keep-alive, and
 * what the engine moves by itself feels nothing (law 8).
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Laboratory, type TopologyName, until } from '../../src/laboratory/index.js'
import { RunningIperf } from '../helpers/iperf.js'
import { tcpComplaints } from '../helpers/kernel-counters.js'
import type { CapturedFrame } from '../helpers/pcap.js'
import { startIperf, startServers } from '../helpers/servers.js'
import { startServiceSite } from '../helpers/service-site.js'
import { endpoint, listen, type Site } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'
import { tcpViolations } from '../helpers/tcp-invariants.js'
import { type TcpStream, tcpStreams } from '../helpers/tcp-streams.js'

requireHost('netns', 'afPacket')
requireCaptures()
requireTools('ip', 'nsenter', 'nginx', 'curl', 'iperf3')

const [ECHO, BLOCKING, PLAIN] = [7, 81, 90]
/** Bits per second of each stream and direction. */
const RATE = 50_000_000
/** iperf3 serves one client at a time, so there is one for each family. */
const iperfPort = { 4: 5204, 6: 5206 } as const
/** More than the engine takes for a connection before somebody reads. */
const MUCH = 20_000_000
const gate = (lab: Laboratory) => join(lab.folder, 'goes-on')

function startSite(topology: TopologyName): Promise<Site> {
  const relay = (port: number) => `services.relayTo(services.SERVER, ${port})`
  return startServiceSite(
    { [ECHO]: 'services.echo()', [iperfPort[4]]: relay(5204), [iperfPort[6]]: relay(5206) },
    {
      topology,
      prelude: `import { existsSync } from 'node:fs'`,
      startServers: async (lab) => {
        const [host] = lab.servers
        if (!host) throw new Error('no server')
        for (const family of lab.families) await startIperf(host, iperfPort[family])
        return startServers(lab)
      },
      virtualServers: (family, lab) => ({
        plain: `listen: '${listen(lab, family, PLAIN)}', pool: 'web${family}'`,
        blocking: `listen: '${listen(lab, family, BLOCKING)}', service: services.blocking(
          services.pipeTo(services.SERVER, 80), () => existsSync('${gate(lab)}'))`,
      }),
    },
  )
}

/** Segments that ask whether the other side is still there: an old number, and no byte. */
function keepAliveProbes({ segments }: TcpStream): number {
  let end = segments[0]?.tcp.sequence ?? 0
  let probes = 0
  for (const { tcp } of segments) {
    const last = (tcp.sequence + tcp.payload.length + Number(tcp.flags.has('SYN'))) >>> 0
    if (tcp.payload.length === 0 && (last + 1) >>> 0 === end) probes++
    if (((last - end) | 0) > 0) end = last
  }
  return probes
}

/** Both directions of a client's connection. */
function streamsOf(frames: CapturedFrame[], socket: ClientSocket, virtual: string) {
  const streams = tcpStreams(frames)
  const to = endpoint(virtual, ECHO)
  const [up, down] = [
    streams.find((stream) => stream.from === socket.local && stream.to === to),
    streams.find((stream) => stream.from === to && stream.to === socket.local),
  ]
  return { up: up as TcpStream, down: down as TcpStream }
}

const mean = (values: readonly number[] = []) =>
  values.reduce((sum, value) => sum + value, 0) / values.length

describe.each<TopologyName>(['tap', 'two-arm'])('over %s', (topology) => {
  if (topology === 'tap') requireHost('tun')

  test('PROXY-16 TCPX-61 TCPX-64 peers of a blocked service are answered, and a relay keeps its throughput', async () => {
    await using site = await startSite(topology)
    const { lab, client, engine } = site
    const clients = await SocketClients.start(client)
    const virtual = lab.virtualAddress(4)
    // Held to a rate that leaves the machine idle time, so that only the engine can change it.
    const relays = await Promise.all(
      lab.families.map((family) =>
        RunningIperf.start(client, lab.virtualAddress(family), iperfPort[family], `${RATE / 1e6}M`),
      ),
    )
    const before = await Promise.all(relays.map((flow) => flow.nextIntervals(4)))
    const capture = await site.capture(`tcp port ${ECHO}`)
    const [silent, sending] = [
      await clients.connect({ host: virtual, port: ECHO, keepAliveMs: 1000 }),
      await clients.connect({ host: virtual, port: ECHO }),
    ]
    silent.write('first\n')
    await silent.untilReceived(/^first\n$/)

    const waiting = site.fetch(4, '/', BLOCKING)
    await engine.process.waitForOutput(/^blocked$/m)
    sending.write('y'.repeat(MUCH))
    const during = await Promise.all(relays.map((flow) => flow.nextIntervals(10)))
    expect(engine.process.output()).not.toMatch(/^goes on$/m)
    expect([silent.state, sending.state]).toEqual(['open', 'open'])
    expectSteady(before, during)
    expectAnswered(await capture.read(), { silent, sending, virtual })

    writeFileSync(gate(lab), '')
    expect(await waiting).toMatchObject({ status: 200, body: 'srv1\n' })
    await until('all came back', () => sending.received.join('').length === MUCH, 30_000)
    await Promise.all([silent.end(), sending.end(), ...relays.map((flow) => flow.stop())])
    expect(tcpViolations(await capture.stop())).toEqual([])
    expect(await tcpComplaints(client)).toEqual({})
    await site.end()
  })
})

type Intervals = { sent: number[]; received: number[] }

function expectSteady(before: Intervals[], during: Intervals[]): void {
  for (const [index, { sent, received }] of during.entries()) {
    expect(mean(sent)).toBeGreaterThan(0.8 * usual(before[index]?.sent))
    expect(mean(received)).toBeGreaterThan(0.8 * usual(before[index]?.received))
  }
}

interface Peers {
  silent: ClientSocket
  sending: ClientSocket
  virtual: string
}

/** While JavaScript was blocked: answers to probes, ACKs, a closed window, no storm. */
function expectAnswered(frames: CapturedFrame[], { silent, sending, virtual }: Peers): void {
  const idle = streamsOf(frames, silent, virtual)
  expect(keepAliveProbes(idle.up)).toBeGreaterThanOrEqual(3)
  // Each probe has an answer.
  expect(idle.down.segments.length).toBeGreaterThanOrEqual(keepAliveProbes(idle.up))
  expect(idle.up.repeated + idle.down.repeated).toBe(0)
  const { up, down } = streamsOf(frames, sending, virtual)
  expect(up.bytes.length).toBeGreaterThan(100_000)
  expect(up.bytes.length).toBeLessThan(MUCH)
  expect(down.bytes).toHaveLength(0)
  const last = down.segments.at(-1)?.tcp
  expect(last?.window).toBe(0)
  expect([up.reset, down.reset]).toEqual([false, false])
  // A loss probe of a host that was not scheduled in time is no storm.
  expect(up.repeated).toBeLessThan(up.bytes.length / 100)
}

/** Of streams held to RATE: what they were behind by they make up for, beyond it. */
const usual = (values?: readonly number[]) => Math.min(mean(values), RATE)
