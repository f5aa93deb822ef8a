/** A protocol of its own whose first message comes in pieces: the policy reads on until it can decide. */
import { describe, expect, test } from 'vitest'
import { type Family, type Host, type Laboratory, until } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { decodeFrame } from '../helpers/frame.js'
import { startEcho } from '../helpers/servers.js'
import { endpoint, listen, Site, type SiteOptions } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { type ClientSocket, SocketClients } from '../helpers/socket-clients.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nft', 'ss')
requireCaptures()

const FAMILIES: [Family][] = [[4], [6]]
const [TOY, LIMITED, LENIENT, STUBBORN] = [7, 8, 9, 10]

/** Two servers, a pool for each, and virtual servers that go by the first line: `ROUTE 2`. */
function startToy(family: Family, policy: string, more: Partial<SiteOptions> = {}) {
  const wants = '(flow) => byLine(flow.data, flow.client.family)'
  const lenient = `({ data }) => data.length === 0 ? 'one${family}' : { more: true }`
  return Site.start({
    topology: 'two-arm',
    servers: 2,
    families: [family],
    prelude: `function byLine(data, family) {
        const [, number] = /ROUTE (\\d)\\n/.exec(Buffer.from(data).toString()) ?? []
        return number ? { pool: (number === '2' ? 'two' : 'one') + family } : { more: true }
      }`,
    pools: (of, lab) => {
      const [one, two] = lab.serverAddresses(of).map((address) => endpoint(address, TOY))
      return { one: `nodes: ['${one}']`, two: `nodes: ['${two}']` }
    },
    virtualServers: (of, lab) => {
      const server = (port: number, inspect: string, how: string) =>
        `listen: '${listen(lab, of, port)}', inspect: ${inspect}, policy: ${how}`
      const limits = "kind: 'raw', timeoutMs: 1000"
      const decides = `{ ${limits}, unread: 'decide' }`
      return {
        toy: server(TOY, "{ kind: 'raw', connectTimeoutMs: 20_000 }", policy),
        limited: server(LIMITED, `{ ${limits} }`, wants),
        lenient: server(LENIENT, decides, lenient),
        stubborn: `${server(STUBBORN, decides, '() => ({ more: true })')}, fallback: 'two${of}'`,
      }
    },
    startServers: async (lab: Laboratory) => {
      for (const host of lab.servers) await startEcho(lab, [host], TOY)
      return []
    },
    ...more,
  })
}

const counted = async (site: Site, name: 'inspectionsAsked' | 'inspectionsSlow') =>
  (await site.status()).counters[name]

/** What the server answers to a line, and which one that is. */
async function answerTo(socket: ClientSocket, line: string): Promise<string> {
  const [, server = ''] = await socket.untilReceived(new RegExp(`^(\\S+) .* ${line}$`, 'm'))
  return server
}

/** Nothing that the client sent waits for an ACK. */
async function untilTaken(site: Site, port: number): Promise<void> {
  await until('the engine has what was sent', async () => {
    const { stdout } = await site.client.exec('ss', ['-Htn', 'dport', '=', `:${port}`])
    return /^\S+\s+\d+\s+0\s/.test(stdout)
  })
}

describe.each(FAMILIES)('IPv%s', (family) => {
  test('LB-19 VS-22 HS-12 HS-13 byte by byte, and its server is asked for when the line is whole', async () => {
    const policy = '(flow) => byLine(flow.data, flow.client.family)'
    await using site = await startToy(family, policy)
    const [, second] = site.lab.servers as [Host, Host]
    const inside = await Capture.start(site.lab, second.namespace, 'eth0', { filter: 'tcp' })
    const clients = await SocketClients.start(site.client)
    const socket = await clients.connect({ host: site.lab.virtualAddress(family), port: TOY })
    const line = 'ROUTE 2\n'
    for (const [index, byte] of [...line].entries()) {
      // No server is spoken to before the line is whole.
      expect(await inside.read()).toEqual([])
      socket.write(byte)
      const isAsked = async () => (await counted(site, 'inspectionsAsked')) === index + 1
      await until(`it is asked about ${index + 1} bytes`, isAsked)
    }
    expect(await answerTo(socket, 'ROUTE 2')).toBe(site.lab.serverAddresses(family)[1])
    socket.write('more\n')
    await answerTo(socket, 'more')
    const [syn] = (await inside.stop()).map(({ bytes }) => decodeFrame(bytes).tcp)
    expect([...(syn?.flags ?? [])]).toEqual(['SYN'])
    const { counters, decisions, virtualServers } = await site.status()
    const asked = { inspectionsAsked: line.length, inspectionsReadOn: line.length - 1 }
    expect(counters).toMatchObject({ ...asked, inspectionsJoined: 1 })
    expect(decisions).toMatchObject({ assigned: 1, policyNonsense: 0 })
    expect(virtualServers.find(({ name }) => name.startsWith('toy'))?.totalConnections).toBe(1)
    expect(await site.flows()).toMatchObject([{ seen: expect.arrayContaining(['syn', 'data']) }])
    await socket.reset()
    await site.end()
  })

  test('LB-19 VS-22 HS-12 in odd pieces, behind a longer preamble, by a policy that takes its time', async () => {
    const policy = `async (flow) => {
      await new Promise((resolve) => setImmediate(resolve))
      return byLine(flow.data, flow.client.family)
    }`
    await using site = await startToy(family, policy)
    const clients = await SocketClients.start(site.client)
    const host = site.lab.virtualAddress(family)
    const servers = site.lab.serverAddresses(family)
    const talk = async (route: number, step: number) => {
      const socket = await clients.connect({ host, port: TOY })
      const line = `${'preamble '.repeat(100)}ROUTE ${route}`
      const all = `${line}\nthe rest\n`
      for (let at = 0, size = 1; at < all.length; at += size, size = (size * step) % 251) {
        socket.write(all.slice(at, at + size))
      }
      expect(await answerTo(socket, 'the rest')).toBe(servers[route - 1])
      expect(socket.received.join('')).toContain(` 1 ${line}\n`)
      await socket.end()
    }
    const talks = [3, 5, 7, 11].flatMap((step) => [talk(1, step), talk(2, step)])
    await Promise.all(talks)
    const { counters, decisions } = await site.status()
    expect(counters.inspectionsJoined).toBe(8)
    expect(counters.inspectionsReadOn).toBe(counters.inspectionsAsked - 8)
    expect(decisions).toMatchObject({ assigned: 8, pending: 0 })
    await site.end()
  })

  test('HS-14 while its server is silent, what a client sends waits, and arrives in order', async () => {
    const policy = '(flow) => byLine(flow.data, flow.client.family)'
    await using site = await startToy(family, policy, { record: true })
    const [, second] = site.lab.servers
    const silent = `add table inet t; add chain inet t in { type filter hook input priority 0; };
      add rule inet t in tcp dport ${TOY} drop`
    await second?.namespace.exec('nft', [silent])
    const clients = await SocketClients.start(site.client)
    const socket = await clients.connect({ host: site.lab.virtualAddress(family), port: TOY })
    for (const piece of ['ROU', 'TE 2', '\n', 'one\n', 'two\n']) {
      socket.write(piece)
      await untilTaken(site, TOY)
    }
    expect((await site.status()).counters.inspectionsJoined).toBe(0)
    socket.write('three\n')
    await untilTaken(site, TOY)
    await second?.namespace.exec('nft', ['delete table inet t'])
    await answerTo(socket, '4 three')
    const said = socket.received.join('').match(/\d+ \S+( \d)?$/gm)
    expect(said).toEqual(['1 ROUTE 2', '2 one', '3 two', '4 three'])
    await socket.reset()
    await site.end()
    // To a server that had not answered nothing was sent.
    const inside = site.passed('inside').flatMap(({ bytes }) => decodeFrame(bytes).tcp ?? [])
    const answered = inside.findIndex(({ flags }) => flags.has('SYN') && flags.has('ACK'))
    const early = inside.slice(0, answered)
    expect(early.length).toBeGreaterThan(1)
    for (const { flags, payload } of early) {
      expect([[...flags], payload.length]).toEqual([['SYN'], 0])
    }
  })

  test('VS-25 LB-19 who never comes to the end, and who says too much, meets the limits and what is to be then', async () => {
    await using site = await startToy(family, "() => 'one'")
    const clients = await SocketClients.start(site.client)
    const host = site.lab.virtualAddress(family)
    const [one, two] = site.lab.serverAddresses(family)
    const slow = await clients.connect({ host, port: LIMITED })
    slow.write('ROUTE')
    await until('it is asked about', async () => (await counted(site, 'inspectionsAsked')) === 1)
    slow.write(' 2')
    await until('the slow one is reset', () => slow.error)
    expect(slow.error?.code).toBe('ECONNRESET')
    expect(await counted(site, 'inspectionsSlow')).toBe(1)
    const long = await clients.connect({ host, port: LIMITED })
    long.write('x'.repeat(2000))
    await until('the long one is reset', () => long.error)
    expect(long.error?.code).toBe('ECONNRESET')
    expect((await site.status()).counters).toMatchObject({ inspectionsUnread: 1, inspected: 0 })
    // Decided without, and every byte is there.
    for (const [port, server] of [
      [LENIENT, one],
      [STUBBORN, two],
    ] as const) {
      for (const text of ['short', 'x'.repeat(2000)]) {
        const socket = await clients.connect({ host, port })
        socket.write(text)
        await until('it has its server', async () => (await site.flows()).length === 1)
        socket.write('\n')
        expect(await answerTo(socket, `1 ${text}`)).toBe(server)
        await socket.reset()
        await until('it is over', async () => (await site.flows()).length === 0)
      }
    }
    const { counters, decisions } = await site.status()
    expect(counters).toMatchObject({ inspectionsSlow: 3, inspectionsUnread: 3 })
    expect(counters).toMatchObject({ inspectionsJoined: 4, inspected: 0, connections: 0 })
    // Of those that were reset nothing was decided; two would have had more of what there is none.
    expect(decisions).toMatchObject({ assigned: 4, policyNonsense: 2, policyErrors: 0 })
    await site.end()
  })
})
