/**
 * The classes of virtual servers that the control segment assists with packets: in one process these are
 * services. TypeScript has every byte (CS_ASSIST), or until it lets go (hybrid); nothing is said of such
 * a connection on the bus of flows.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { expect, test } from 'vitest'
import type { SocketPair } from '../../src/index.js'
import { type Family, type Host, type Laboratory, until } from '../../src/laboratory/index.js'
import { watchedSegment } from '../helpers/bus-watch.js'
import { AcceptedSockets, EngineSite } from '../helpers/engine-site.js'
import { type DecodedTcp, decodeFrame } from '../helpers/frame.js'
import { readCapture } from '../helpers/pcap.js'
import { startEcho } from '../helpers/servers.js'
import { associated, SERVER } from '../helpers/services.js'
import { endpoint, listen } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter')

const [SERVED, PLAIN] = [7, 9]
const FAMILIES: [Family][] = [[4], [6]]
const LINES = 2000

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const recordOf = (lab: Laboratory, port: string) => join(lab.folder, `${port}.pcapng`)

/** An echo server behind a service, and behind a virtual server that asks for each flow. */
async function startSite(family: Family) {
  const { segment, said } = watchedSegment()
  const accepted = new AcceptedSockets()
  const site = await EngineSite.start({
    segment,
    families: [family],
    services: { [SERVED]: accepted.service },
    virtualServers: (of, lab) => ({ plain: { listen: listen(lab, of, PLAIN), pool: 'echo' } }),
    startServers: (lab) => startEcho(lab, lab.servers as Host[], SERVED),
    more: (lab) => ({
      pools: { echo: { nodes: [endpoint(SERVER[family], SERVED)] } },
      ports: Object.fromEntries(
        Object.entries(lab.ports()).map(([name, port]) => {
          return [name, { ...port, capture: recordOf(lab, name) }]
        }),
      ),
    }),
  })
  const open = async (c2s: Transform, s2c: Transform) => {
    const client = await site.connect(family, SERVED)
    const inbound = await accepted.next()
    const outbound = await associated(site.stack, inbound, SERVER, SERVED)
    const pair = outbound.pair as SocketPair
    return { client, pair: pair.process({ c2s, s2c }) }
  }
  return { site, said, open }
}

/** Passes everything on, and keeps what passed. */
function noting(change = (text: string) => text) {
  const seen: string[] = []
  const transform = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const text = chunk.toString('latin1')
      seen.push(text)
      done(null, change(text))
    },
  })
  return { transform, text: () => seen.join('') }
}

test.each(FAMILIES)(
  'VS-07 IPv%s: every byte passes TypeScript, and no message about the flow is exchanged',
  async (family) => {
    const { site, said, open } = await startSite(family)
    await using _ = site
    const [c2s, s2c] = [noting(), noting()]
    const { client, pair } = await open(c2s.transform, s2c.transform)
    const lines = Array.from({ length: LINES }, (_line, n) => `line ${n} ${'x'.repeat(n % 300)}\n`)
    client.write(lines.join(''))
    await client.untilReceived(new RegExp(` ${LINES} line ${LINES - 1} x*\n$`))
    await client.end()
    await site.untilIdle()
    expect(sha256(c2s.text())).toBe(sha256(lines.join('')))
    expect(sha256(s2c.text())).toBe(sha256(client.received.join('')))
    const { bytes, jsBytes } = pair.stats()
    expect(bytes).toEqual({ c2s: BigInt(c2s.text().length), s2c: BigInt(s2c.text().length) })
    expect(jsBytes).toEqual(bytes)
    expect(said).toEqual([])
    expect(site.engine.status().counters).toMatchObject({ queries: 0, pushes: 0 })
    // That there is something to see of others.
    const other = await site.connect(family, PLAIN)
    other.write('hello\n')
    await other.untilReceived(/hello\n$/)
    await other.reset()
    await until('its end is told', () => said.includes('Delete'))
    expect(said).toEqual(expect.arrayContaining(['Query', 'Reply', 'Delete']))
    await site.end()
  },
)

/** Of a port, once the engine has ended: what the client and the server sent from the first late line on. */
function passed(lab: Laboratory, port: string, family: Family) {
  const client = lab.client.address(family)
  const all = readCapture(recordOf(lab, port)).flatMap(({ bytes }) => {
    const { ip, tcp } = decodeFrame(bytes)
    return ip && tcp ? [{ fromClient: ip.source === client, tcp }] : []
  })
  const start = all.find(({ tcp }) => tcp.payload.toString('latin1').startsWith('late 0'))?.tcp
  if (!start) throw new Error(`no late line at ${port}`)
  const behind = (number: number) => (number - start.sequence) | 0
  return {
    ofClient: all.filter(({ fromClient, tcp }) => fromClient && behind(tcp.sequence) >= 0),
    ofServer: all.filter(({ fromClient, tcp }) => !fromClient && behind(tcp.acknowledgement) > 0),
  }
}

type Seen = { readonly tcp: DecodedTcp }

/** By how much the numbers of packets are moved from one port to the other. */
function offsets(from: readonly Seen[], to: readonly Seen[]) {
  const moved = (field: 'sequence' | 'acknowledgement') =>
    new Set(from.map(({ tcp }, n) => ((to[n]?.tcp[field] ?? 0) - tcp[field]) >>> 0))
  return { sequence: moved('sequence'), acknowledgement: moved('acknowledgement') }
}

test.each(FAMILIES)(
  'VS-09 IPv%s: TypeScript begins, and from the switch on the engine adds the offsets to all packets',
  async (family) => {
    const { site, said, open } = await startSite(family)
    await using _ = site
    // What TypeScript adds moves the numbers of both directions.
    const [c2s, s2c] = [noting((text) => `by way of ${text}`), noting((text) => `> ${text}`)]
    const { client, pair } = await open(c2s.transform, s2c.transform)
    client.write('early\n')
    await client.untilReceived(/^> .* 1 by way of early\n$/)
    const { mode, boundary } = await pair.unproxy({ depth: 'splice' })
    expect(mode).toBe('splice')
    await until('its blocks are gone', () => site.engine.status().counters.connections === 0)
    const before = site.engine.status().counters
    const jsSaw = [c2s.text(), s2c.text()]
    client.received.length = 0
    const late = Array.from({ length: LINES }, (_line, n) => `late ${n} ${'y'.repeat(n % 300)}\n`)
    client.write(late.join(''))
    await client.untilReceived(new RegExp(` ${LINES + 1} late ${LINES - 1} y*\n$`))
    const echoed = client.received.join('').replace(/^\S+ \S+ \d+ /gm, '')
    expect(sha256(echoed)).toBe(sha256(late.join('')))
    expect([c2s.text(), s2c.text()]).toEqual(jsSaw)
    expect(pair.stats().jsBytes).toEqual(boundary)
    const { streamBytesRead, streamBytesWritten } = site.engine.status().counters
    expect({ streamBytesRead, streamBytesWritten }).toEqual({
      streamBytesRead: before.streamBytesRead,
      streamBytesWritten: before.streamBytesWritten,
    })
    await client.end()
    await site.untilIdle()
    expect(said).toEqual([])
    await site.end()
    const [outside, inside] = [
      passed(site.lab, 'outside', family),
      passed(site.lab, 'inside', family),
    ]
    expect(outside.ofClient.length).toBeGreaterThan(10)
    expect(inside.ofClient).toHaveLength(outside.ofClient.length)
    expect(outside.ofServer).toHaveLength(inside.ofServer.length)
    const there = offsets(outside.ofClient, inside.ofClient)
    const back = offsets(inside.ofServer, outside.ofServer)
    for (const { sequence, acknowledgement } of [there, back]) {
      expect([sequence.size, acknowledgement.size]).toEqual([1, 1])
      expect(sequence.has(0) || acknowledgement.has(0)).toBe(false)
    }
    // What one direction adds the other takes away.
    const sum = (a: Set<number>, b: Set<number>) => (Number([...a][0]) + Number([...b][0])) >>> 0
    expect(sum(there.sequence, back.acknowledgement)).toBe(0)
    expect(sum(there.acknowledgement, back.sequence)).toBe(0)
  },
)
