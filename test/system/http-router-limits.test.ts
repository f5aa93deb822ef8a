/** How long the router waits for whom: as long as bytes move, and no longer than it says. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Family, type Host, until } from '../../src/laboratory/index.js'
import { writeContents } from '../helpers/contents.js'
import { curl } from '../helpers/http-clients.js'
import {
  get,
  HTTP,
  last,
  ORIGIN,
  type RouterSite,
  say,
  startRouterSite,
} from '../helpers/router-site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SlowDownload } from '../helpers/slow-download.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'bash', 'sha256sum', 'ss')

const post = (path: string, ...fields: string[]) =>
  `POST ${path} HTTP/1.1\r\n${['Host: test', ...fields].join('\r\n')}\r\n\r\n`
const chunked = 'Transfer-Encoding: chunked'

/** One step after another, each as long as a request of another client takes, for at least so long. */
async function stepFor({ site }: RouterSite, family: Family, ms: number, step: () => void) {
  const other = await site.connect(family, HTTP)
  for (const end = performance.now() + ms; performance.now() < end; ) {
    step()
    await other.request('/name')
  }
  await other.end()
}

/** The server has no connection of the router's, in whatever state: those were reset. */
async function untilReset({ site }: RouterSite): Promise<void> {
  const { namespace } = site.lab.servers[1] as Host
  const args = ['-Htan', 'state', 'connected', `sport = :${ORIGIN}`]
  await until('the server has no connection', async () => {
    return (await namespace.exec('ss', args)).stdout === ''
  })
}

describe('as long as bytes move', () => {
  /** For so long a body goes on, far beyond both limits. */
  const slowMs = 4500
  const limits = { answerTimeoutMs: 2000, bodyTimeoutMs: 2000 }

  test.each([
    ['by the engine', 'Content-Length: 200000'],
    ['in chunks', chunked],
  ])('SOCK-15 MED-08 a slow upload takes its time, %s', async (_how, field) => {
    const routedSite = await startRouterSite(limits)
    await using _ = routedSite.site
    const uploadSlowly = async (family: Family) => {
      const client = await routedSite.site.connect(family, HTTP)
      client.write(post('/hash', field, 'Connection: close'))
      const piece = field === chunked ? '5\r\nbytes\r\n' : 'bytes'
      let pieces = 0
      await stepFor(routedSite, family, slowMs, () => {
        client.write(piece)
        pieces++
      })
      expect(client.received).toEqual([])
      const rest = field === chunked ? '' : 'x'.repeat(200_000 - 5 * pieces)
      client.write(field === chunked ? '0\r\n\r\n' : rest)
      await until('it is answered', () => client.state === 'closed')
      const sent = 'bytes'.repeat(pieces) + rest
      const hash = createHash('sha256').update(sent).digest('hex')
      expect(client.received.join('')).toContain(`\r\n${hash}\n`)
    }
    await Promise.all(routedSite.site.lab.families.map(uploadSlowly))
    await routedSite.end()
  })

  test.each([10_000, 200_000])(
    'SOCK-15 a slow answer of %i bytes takes its time',
    async (bytes) => {
      const { site, at, end } = await startRouterSite(limits)
      await using _ = site
      const fetchSlowly = (family: Family) =>
        curl(site.client, at(family, `/drips?${bytes},${slowMs}`))
      const fetched = await Promise.all(site.lab.families.map(fetchSlowly))
      for (const { status, body } of fetched)
        expect([status, body]).toEqual([200, 'x'.repeat(bytes)])
      await end()
    },
  )

  test('MED-08 an answer that comes before the end of its request passes at once', async () => {
    const routedSite = await startRouterSite(limits)
    await using _ = routedSite.site
    const client = await routedSite.site.connect(4, HTTP)
    client.write(post('/name', 'Content-Length: 200000'))
    await client.untilReceived(/\nnode\n$/)
    // Its server reads on, far beyond the limit of an answer.
    let left = 200_000
    await stepFor(routedSite, 4, slowMs, () => {
      client.write('x')
      left--
    })
    client.write('x'.repeat(left) + get('/connection', last))
    await until('the next one is answered', () => client.state === 'closed')
    expect(client.received.join('')).toMatch(/\nnode\n[\s\S]*\nnode \d+\n$/)
    await routedSite.end()
  })
})

describe('when nothing moves', () => {
  const limits = { bodyTimeoutMs: 500 }

  test.each([
    ['in the middle of a small body', `${post('/hash', 'Content-Length: 10')}12345`],
    ['in the middle of a large body', `${post('/hash', 'Content-Length: 1000000')}12345`],
    ['behind 100', post('/hash', 'Content-Length: 10', 'Expect: 100-continue')],
    ['in the middle of a chunk', `${post('/hash', chunked)}5\r\n123`],
    ['between two chunks', `${post('/hash', chunked)}5\r\n12345\r\n`],
  ])('SOCK-15 SOCK-25 a client that is silent %s is told so', async (_where, text) => {
    const routedSite = await startRouterSite(limits)
    await using _ = routedSite.site
    for (const family of routedSite.site.lab.families) {
      const said = await say(routedSite, text, family)
      expect(said).toMatch(/^(HTTP\/1\.1 100 Continue\r\n(.+\r\n)*\r\n)?HTTP\/1\.1 408 /)
    }
    await untilReset(routedSite)
    await routedSite.end()
  })

  test('SOCK-15 SOCK-25 a server that takes no more of a body is late', async () => {
    const routedSite = await startRouterSite(limits)
    const { site, at, end } = routedSite
    await using _ = site
    const file = join(site.lab.folder, 'body')
    await writeContents(file, 30_000_000)
    for (const family of site.lab.families) {
      const args = ['-H', 'Expect:', '-T', file, '-X', 'POST']
      expect((await curl(site.client, at(family, '/deaf'), { args })).status).toBe(504)
    }
    const expects = post('/deaf', 'Content-Length: 10', 'Expect: 100-continue')
    expect(await say(routedSite, expects)).toMatch(/^HTTP\/1\.1 504 /)
    await untilReset(routedSite)
    await end()
  })

  test.each([10, 1_000_000])(
    'SOCK-15 a server that is silent in an answer of %i bytes',
    async (bytes) => {
      const routedSite = await startRouterSite(limits)
      const { site, end } = routedSite
      await using _ = site
      for (const family of site.lab.families) {
        const client = await site.connect(family, HTTP)
        client.write(get(`/stalls?${bytes}`))
        await client.untilReceived(/\r\n\r\nhalf$/)
        await until('it is given up', () => client.state === 'closed')
        expect(client.error?.code).toBe('ECONNRESET')
      }
      await untilReset(routedSite)
      await end()
    },
  )

  test.each([10, 1_000_000])(
    'SOCK-25 behind an answer %i bytes of a request may be missing',
    async (bytes) => {
      const routedSite = await startRouterSite(limits)
      await using _ = routedSite.site
      const client = await routedSite.site.connect(6, HTTP)
      client.write(`${post('/name', `Content-Length: ${bytes}`)}12345`)
      await until('it is given up', () => client.state === 'closed')
      expect(client.error).toBeUndefined()
      expect(client.received.join('')).toMatch(/^HTTP\/1\.1 200 [\s\S]*\nnode\n$/)
      await untilReset(routedSite)
      await routedSite.end()
    },
  )

  test('a client that is silent when half of the answer is there is reset', async () => {
    const routedSite = await startRouterSite(limits)
    const { site, end } = routedSite
    await using _ = site
    for (const field of ['Content-Length: 10', chunked]) {
      const client = await site.connect(4, HTTP)
      client.write(`${post('/echo', field)}${field === chunked ? '5\r\n12345' : '12345'}`)
      await client.untilReceived(/12345\r\n$/)
      await until('it is given up', () => client.state === 'closed')
      expect(client.error?.code).toBe('ECONNRESET')
    }
    await untilReset(routedSite)
    await end()
  })

  test.each([
    ['by the engine', {}, 1],
    ['by JavaScript', { preserveClient: false }, 2],
  ])(
    'SOCK-15 SOCK-25 a client that reads no more of what passes %s is reset',
    async (_how, more, workers) => {
      const { site, at, nginx, end } = await startRouterSite({ ...limits, ...more }, workers)
      await using _ = site
      await nginx.addFile(30_000_000)
      for (const family of site.lab.families) {
        const download = await SlowDownload.start(site.client, at(family, '/bytes/30000000'))
        await download.take(1000)
        await until('it is given up', () => {
          const { sockets, parked } = site.stack.stats()
          return sockets === parked
        })
        expect((await download.finish()).code).not.toBe(0)
      }
      await end()
    },
  )
})

test('MED-08 what comes before an answer is none: its server may still be late, or gone', async () => {
  const routedSite = await startRouterSite({ answerTimeoutMs: 500 })
  await using _ = routedSite.site
  const interim = '^HTTP/1\\.1 103 .+\\r\\n(.+\\r\\n)*\\r\\nHTTP/1\\.1 '
  expect(await say(routedSite, get('/hints-alone'))).toMatch(new RegExp(`${interim}504 `))
  expect(await say(routedSite, get('/hints-gone'))).toMatch(new RegExp(`${interim}502 `))
  const continued = `${post('/deaf?', 'Content-Length: 2', 'Expect: 100-continue')}ab`
  expect(await say(routedSite, continued)).toMatch(
    /^HTTP\/1\.1 100 .+\r\n(.+\r\n)*\r\nHTTP\/1\.1 504 /,
  )
  await routedSite.end()
})
