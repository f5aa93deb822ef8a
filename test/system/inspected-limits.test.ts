/** Connections that are read before they have a server: cookies, TLS, hashes, slow clients, servers that
 *  fail, with real clients and servers. */
import { describe, expect, test } from 'vitest'
import { type Family, type Laboratory, until } from '../../src/laboratory/index.js'
import { startEcho } from '../helpers/servers.js'
import { endpoint, listen, Site, type SiteOptions } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'
import { startTls } from '../helpers/tls-servers.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'curl', 'nginx')

const FAMILIES: [Family][] = [[4], [6]]

const oneServer = (keys: (family: Family) => string): SiteOptions['virtualServers'] => {
  return (family: Family, lab: Laboratory) => ({
    site: `listen: '${listen(lab, family, 80)}', ${keys(family)}`,
  })
}

/** Which server answers. */
async function whoAnswers(site: Site, family: Family, path: string, args: string[] = []) {
  const { body, exitCode } = await site.fetch(family, path, 80, { args })
  expect(exitCode).toBe(0)
  return body.trim()
}

describe.each(FAMILIES)('IPv%s', (family) => {
  test.each([
    [
      'LB-04 LB-17 VS-20 a cookie',
      "{ hash: 'cookie', name: 'sid' }",
      "{ kind: 'cookie', name: 'sid' }",
    ],
    ['LB-04 a cookie of a request', "{ hash: 'cookie', name: 'sid' }", "'http'"],
    ['LB-05 a header', "{ hash: 'header', name: 'X-User' }", "'http'"],
    ['LB-06 the URL', "{ hash: 'url' }", "'http'"],
  ])('%s: the same gets the same server, all servers are used', async (_, balance, inspect) => {
    await using site = await Site.start({
      topology: 'two-arm',
      servers: 3,
      families: [family],
      balance,
      virtualServers: oneServer((of) => `inspect: ${inspect}, pool: 'web${of}'`),
    })
    const ask = (key: string, noise: string) => {
      const headers = ['-H', `Cookie: other=${noise}; sid=${key}`, '-H', `X-User: ${key}`]
      return whoAnswers(site, family, `/?${key}`, headers)
    }
    const servers = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const first = await ask(`key-${i}`, 'a')
      servers.add(first)
      for (const noise of ['b', 'c']) expect(await ask(`key-${i}`, noise)).toBe(first)
    }
    expect([...servers].sort()).toEqual(['srv1', 'srv2', 'srv3'])
    const { counters } = await site.status()
    expect(counters.inspectionsJoined).toBe(60)
    await site.end()
  })

  test('HS-20 a server that refuses, and one that is silent: the next one answers, and at last nobody', async () => {
    requireTools('nft')
    await using site = await Site.start({
      topology: 'two-arm',
      servers: 3,
      families: [family],
      ...firstNode(family),
    })
    const [first, second, third] = site.servers
    await first?.stop()
    expect(await whoAnswers(site, family, '/')).toBe('srv2')
    const rules = `add table inet t; add chain inet t in { type filter hook input priority 0; };
      add rule inet t in tcp dport 80 drop`
    // The client is told before the flow is gone; a server that is silent before that never ends it.
    const untilGone = () =>
      until('no flow is left', async () => (await site.status()).counters.flows === 0)
    await untilGone()
    await second?.host.namespace.exec('nft', [rules])
    expect(await whoAnswers(site, family, '/')).toBe('srv3')
    await untilGone()
    await third?.host.namespace.exec('nft', [rules])
    expect(await site.fetch(family, '/')).toMatchObject({ exitCode: 56, status: 0 })
    await untilGone()
    const { counters } = await site.status()
    expect(counters).toMatchObject({ inspectionsJoined: 2, inspectionsServerFailed: 6 })
    await site.end()
  })

  test('VS-25 a slow client is closed after the time-out, one with 14 KB of header is served', async () => {
    await using site = await Site.start({
      topology: 'two-arm',
      servers: 1,
      families: [family],
      virtualServers: oneServer(
        (of) => `inspect: { kind: 'http', timeoutMs: 1000 }, policy: ({ dataTruncated, http }) =>
          dataTruncated && http.target === '/' ? 'web${of}' : { reject: 'reset' }`,
      ),
    })
    const clients = await SocketClients.start(site.client)
    const slow = await clients.connect({ host: site.lab.virtualAddress(family), port: 80 })
    slow.write('GET / HTTP/1.1\r\nX: ')
    await until('the slow one is closed', async () => {
      return (await site.status()).counters.inspectionsSlow === 1
    })
    const long = ['-H', `X-Long: ${'x'.repeat(7000)}`, '-H', `X-More: ${'y'.repeat(7000)}`]
    expect(await whoAnswers(site, family, '/', long)).toBe('srv1')
    const none = await site.fetch(family, '/')
    expect(none.exitCode).toBe(56)
    await until('nothing is left', async () => {
      const { counters } = await site.status()
      return counters.connections + counters.inspected + counters.sockets === 0
    })
    await site.end()
  })

  test('LB-19 VS-06 VS-22 a protocol of its own goes by what its client says first', async () => {
    await using site = await Site.start({
      topology: 'two-arm',
      servers: 2,
      families: [family],
      pools: (of, lab) => {
        const [one, two] = lab.serverAddresses(of).map((address) => endpoint(address, 7))
        return { one: `nodes: ['${one}']`, two: `nodes: ['${two}']` }
      },
      virtualServers: (of, lab) => ({
        toy: `listen: '${listen(lab, of, 7)}', inspect: 'raw', policy: ({ data }) =>
          Buffer.from(data).toString() === 'ROUTE 2\\n' ? 'two${of}' : 'one${of}'`,
      }),
      startServers: async (lab) => {
        for (const host of lab.servers) await startEcho(lab, [host])
        return []
      },
    })
    const clients = await SocketClients.start(site.client)
    const servers = site.lab.serverAddresses(family)
    for (const [line, server] of [
      ['ROUTE 2', servers[1]],
      ['ROUTE 1', servers[0]],
    ] as const) {
      const socket = await clients.connect({ host: site.lab.virtualAddress(family), port: 7 })
      socket.write(`${line}\n`)
      const [said] = await socket.untilReceived(new RegExp(`^.*${line}$`, 'm'))
      expect(said).toContain(`${server} `)
      socket.write('more\n')
      await socket.untilReceived(/more/)
      await socket.reset()
    }
    expect((await site.status()).counters.inspectionsJoined).toBe(2)
    await site.end()
  })

  test('VS-19 TLS goes by the name of its server and its protocols', async () => {
    requireTools('openssl')
    await using site = await Site.start({
      topology: 'two-arm',
      servers: 2,
      families: [family],
      pools: (of, lab) => {
        const [one, two] = lab.serverAddresses(of).map((address) => endpoint(address, 443))
        return { one: `nodes: ['${one}']`, two: `nodes: ['${two}']` }
      },
      virtualServers: (of, lab) => ({
        site: `listen: '${listen(lab, of, 443)}', inspect: 'tls', policy: ({ tls }) =>
          tls.serverName === 'two.test' && tls.protocols.includes('http/1.1') ? 'two${of}' : 'one${of}'`,
      }),
      startServers: async (lab) => {
        for (const host of lab.servers) await startTls(lab, host, family)
        return []
      },
    })
    const at = site.lab.virtualAddress(family)
    for (const [name, server] of [
      ['one.test', 'srv1'],
      ['two.test', 'srv2'],
    ] as const) {
      const to = ['--connect-to', `${name}:443:${at.includes(':') ? `[${at}]` : at}:443`]
      const { stdout } = await site.client.exec('curl', [
        ...['-sS', '-k', '--http1.1', '-v', '--max-time', '20', ...to],
        ...['-o', '/dev/null', '--stderr', '-', `https://${name}/`],
      ])
      expect(stdout).toContain(`CN=${server}`)
    }
    expect((await site.status()).counters.inspectionsJoined).toBe(2)
    await site.end()
  })
})

/** The policy of a site whose first node is asked for first. */
function firstNode(family: Family): Partial<SiteOptions> {
  return {
    virtualServers: (of: Family, lab: Laboratory) => {
      const node = endpoint(lab.serverAddresses(of)[0] as string, 80)
      return {
        site: `listen: '${listen(lab, family, 80)}', policy: () => ({ node: '${node}' }),
          inspect: { kind: 'http', connectTimeoutMs: 500 }`,
      }
    },
  }
}
