import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { content, contentHash } from '../../src/cli/demo/content.js'
import { passedBytes, type Span } from '../../src/cli/demo/follow.js'
import { planFor, testerAddresses } from '../../src/cli/demo/plan.js'
import {
  printDownloads,
  printOpening,
  printPackets,
  printRequests,
} from '../../src/cli/demo/report.js'
import { type DemoResult, shortcomings } from '../../src/cli/demo/result.js'
import { printFollowed } from '../../src/cli/demo/timeline.js'
import { Terminal } from '../../src/cli/terminal.js'

describe('the bulk content', () => {
  const whole = (length: number) => Buffer.concat([...content(length)])

  test.each([[0], [1], [8], [9], [262_144], [262_145], [700_000]])(
    'has exactly %d bytes',
    (length) => {
      expect(whole(length)).toHaveLength(length)
      expect(contentHash(length)).toBe(createHash('sha256').update(whole(length)).digest('hex'))
    },
  )

  test('a longer content begins with the shorter one, and no two blocks are alike', () => {
    const bytes = whole(600_000)
    expect(bytes.subarray(0, 300_000).equals(whole(300_000))).toBe(true)
    const [first, second] = [0, 262_144].map((at) => bytes.subarray(at, at + 262_144))
    expect(first?.equals(second as Buffer)).toBe(false)
  })
})

describe('the plan', () => {
  test.each([
    [4 as const, '192.0.2.100', '192.0.2.100', '192.0.2.11'],
    [6 as const, '2001:db8:1::100', '[2001:db8:1::100]', '2001:db8:1::11'],
  ])(
    'IPv%d: nobody uses an L4 port twice, testers come from their own address',
    (family, virtual, host, tester) => {
      const { visits, download, followed } = planFor(family, virtual, 1000, 2000)
      const taken = visits.flatMap(({ errand }) =>
        Array.from({ length: errand.count }, (_, index) => errand.firstPort + index),
      )
      expect(new Set(taken).size).toBe(taken.length)
      expect(visits.map(({ errand }) => errand.url)).toEqual([
        `http://${host}:80/`,
        `http://${host}:8080/`,
        `http://${host}:8080/`,
      ])
      expect(visits.map(({ about }) => about.role)).toEqual(['anybody', 'anybody', 'tester'])
      expect(visits[2]?.errand.from).toBe(tester)
      expect(download.errand).toEqual({ url: `http://${host}:80/`, bytes: 1000 })
      expect(followed.errand).toEqual({ url: `http://${host}:8081/`, bytes: 2000 })
    },
  )

  test('the addresses of testers carry the prefix of the network', () => {
    expect(testerAddresses([4, 6])).toEqual(['192.0.2.11/24', '2001:db8:1::11/64'])
  })
})

/** Read, let go, taken back, let go. */
function spans(): Span[] {
  const ends = [1, 1.1, 2, 3, 4].map((part) => part * passedBytes)
  const modes = ['proxied', 'relay', 'splice', 'proxied', 'splice'] as const
  return modes.map((mode, index) => {
    const [from = 0, to = 0] = [ends[index - 1], ends[index]]
    return { mode, from, to, milliseconds: 100 }
  })
}

/** A demo in which all went well. */
function result(): Omit<DemoResult, 'ok'> {
  const download = { seconds: 0.25, bitsPerSecond: 8.59e9, sha256: 'a', expected: 'a', failure: '' }
  return {
    ports: 'packet',
    policy: { file: 'examples/policy.ts', revision: '0123456789ab', source: "() => 'web'" },
    servers: ['srv1', 'srv2'],
    requests: [
      {
        family: 4,
        client: '192.0.2.11',
        role: 'tester',
        virtualServer: '192.0.2.100:8080',
        decidedBy: 'policy',
        count: 50,
        answered: { srv2: 50 },
        recognized: 50,
        failures: [],
      },
    ],
    downloads: [{ family: 6, bytes: 268_435_456, equal: true, ...download }],
    followed: [{ family: 4, bytes: 4 * passedBytes, equal: true, ...download, spans: spans() }],
    packets: { received: 10, forwarded: 7, delivered: 1, dropped: 2, waiting: 0 },
    drops: { multicast: 2 },
  }
}

describe('the verdict', () => {
  test('all is well', () => expect(shortcomings(result())).toEqual([]))

  test.each([
    [
      'a failed request',
      { requests: [{ failures: ['refused'] }] },
      /1 of 50 requests .* failed: refused/,
    ],
    [
      'a client that was not recognized',
      { requests: [{ recognized: 49 }] },
      /1 of 50 .* another address/,
    ],
    ['a wrong hash', { downloads: [{ equal: false }] }, /IPv6 does not have the hash/],
    ['a failed download', { downloads: [{ failure: 'reset' }] }, /IPv6 failed: reset/],
    ['a followed one with a wrong hash', { followed: [{ equal: false }] }, /followed .* hash/],
    [
      'one that was not spliced',
      { followed: [{ spans: spans().map((span) => ({ ...span, mode: 'proxied' })) }] },
      /not spliced/,
    ],
    [
      'one that came back elsewhere',
      { followed: [{ spans: spans().map((span) => ({ ...span, from: span.from + 1 })) }] },
      /came back behind 50331649 bytes, not 50331648/,
    ],
    ['books that do not balance', { packets: { received: 11 } }, /accounted for/],
  ])('%s', (_, changes, sentence) => {
    const shown = result()
    Object.assign(shown.requests[0] ?? {}, (changes as { requests?: object[] }).requests?.[0])
    Object.assign(shown.downloads[0] ?? {}, (changes as { downloads?: object[] }).downloads?.[0])
    Object.assign(shown.followed[0] ?? {}, (changes as { followed?: object[] }).followed?.[0])
    const packets = { ...shown.packets, ...(changes as { packets?: object }).packets }
    expect(shortcomings({ ...shown, packets }).at(0)).toMatch(sentence)
  })
})

test('the report says who answered, how fast, and where every packet went', () => {
  let text = ''
  const sink = { write: (part: string) => (text += part) }
  const terminal = new Terminal(sink, sink, false)
  const shown = result()
  printOpening(terminal, shown)
  printRequests(terminal, shown.requests, shown.servers)
  printDownloads(terminal, shown.downloads)
  printFollowed(terminal, shown.followed)
  printPackets(terminal, shown)
  expect(text).toMatchInlineSnapshot(`
    "
     clients ──── [ Sluice ] ──── srv1  srv2
     Private network namespaces; AF_PACKET ports, policy examples/policy.ts, revision 0123456789ab

       () => 'web'

     Requests, each a TCP connection of its own
     client               virtual server    decided by  requests  srv1  srv2
     192.0.2.11 (tester)  192.0.2.100:8080  policy            50     0    50
     Servers that saw the client's own address and port: 50 of 50

     Bulk download, through a virtual server, hashed by the client as it comes
     IPv6  256 MiB in 250 ms  8.59 Gbit/s  sha256 equal

     One connection, followed, read, let go, taken back at a byte, let go for good

     proxied  ███████████████               ███████████████
     relay                   █
     splice                   ██████████████               ██████████████
           bytes           to  mode       time         rate
               0   50 331 648  proxied  100 ms  4.03 Gbit/s
      50 331 648   55 364 813  relay    100 ms   403 Mbit/s
      55 364 813  100 663 296  splice   100 ms  3.62 Gbit/s
     100 663 296  150 994 944  proxied  100 ms  4.03 Gbit/s
     150 994 944  201 326 592  splice   100 ms  4.03 Gbit/s
     IPv4: 192 MiB, sha256 equal

     proxied  JavaScript has every byte
     relay    the engine ends both connections, and moves the bytes
     splice   the ends run one connection, the engine shifts its numbers

     Packets, every one accounted for
     received 10 = forwarded 7 + delivered 1 + dropped 2
     dropped: multicast 2
    "
  `)
})
