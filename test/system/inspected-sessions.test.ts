/** Sessions of TLS that go back to the server that they were begun with, with openssl at both ends. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Family, Laboratory, type Namespace } from '../../src/laboratory/index.js'
import { curl, url } from '../helpers/http-clients.js'
import { startEcho, startServers } from '../helpers/servers.js'
import { runExample } from '../helpers/service-site.js'
import { endpoint, listen, Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'
import { connectTls, startTls } from '../helpers/tls-servers.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'curl', 'nginx', 'openssl')

const FAMILIES: [Family][] = [[4], [6]]
const SESSIONS = 10
/** Each session is resumed from so many addresses; the row asks for 50 of 50. */
const RESUMED = 5

function startSite(family: Family): Promise<Site> {
  return Site.start({
    topology: 'two-arm',
    servers: 3,
    families: [family],
    pools: (of, lab) => {
      const nodes = lab.serverAddresses(of).map((address) => `'${endpoint(address, 443)}'`)
      return { tls: `nodes: [${nodes}], balance: { hash: 'tls-session' }` }
    },
    virtualServers: (of, lab) => ({
      site: `listen: '${listen(lab, of, 443)}', inspect: 'tls', pool: 'tls${of}'`,
    }),
    startServers: async (lab) => {
      for (const host of lab.servers) await startTls(lab, host, family)
      return []
    },
  })
}

/** The client gets addresses of its network, beside its own. */
async function addAddresses({ client }: Site, family: Family): Promise<string[]> {
  const addresses = Array.from({ length: SESSIONS }, (_, index) =>
    family === 4 ? `192.0.2.${150 + index}` : `2001:db8:1::${1500 + index}`,
  )
  for (const address of addresses) {
    const network = family === 4 ? [`${address}/24`] : [`${address}/64`, 'nodad']
    await client.exec('ip', ['addr', 'add', ...network, 'dev', 'eth0'])
  }
  return addresses
}

test.each(FAMILIES)(
  'LB-15 LB-16 IPv%s: sessions are resumed 50 of 50, from any address; with TLS 1.3 and tickets nothing is learned',
  async (family) => {
    await using site = await startSite(family)
    const addresses = await addAddresses(site, family)
    const target = site.lab.virtualAddress(family)
    const connect = (index: number, args: string[]) => {
      const source = addresses[index % SESSIONS] as string
      return connectTls(site.client, [source, target], args)
    }
    const byId = ['-tls1_2', '-no_ticket']
    for (let session = 0; session < SESSIONS; session++) {
      const file = join(site.lab.folder, `session${session}`)
      const first = await connect(session, [...byId, '-sess_out', file])
      expect(first).toEqual({ version: 'TLSv1.2', isReused: false })
      for (let other = 1; other <= RESUMED; other++) {
        const again = await connect(session + other, [...byId, '-sess_in', file])
        expect(again).toEqual({ version: 'TLSv1.2', isReused: true })
      }
    }
    const { counters, pools } = await site.status()
    const connections = SESSIONS * (1 + RESUMED)
    expect(counters).toMatchObject({ sslidLearned: connections, sslidUnusable: 0 })
    const used = pools.find(({ name }) => name === `tls${family}`)?.nodes ?? []
    expect(used.filter(({ totalConnections }) => totalConnections > 0).length).toBeGreaterThan(1)
    expect(await connect(0, ['-tls1_3'])).toMatchObject({ version: 'TLSv1.3' })
    expect(await connect(0, ['-tls1_2'])).toMatchObject({ version: 'TLSv1.2' })
    const after = (await site.status()).counters
    expect(after).toMatchObject({ sslidLearned: connections, sslidUnusable: 2 })
    expect(after.inspectionsJoined).toBe(connections + 2)
    await site.end()
  },
)

test('SOCK-34 LB-18 LB-19 VS-19 examples/inspect.ts: by path, host and cookie, by the name of a TLS server, by a line', async () => {
  await using lab = await Laboratory.create({ topology: 'two-arm', servers: 3 })
  await startServers(lab)
  for (const host of lab.servers) await startEcho(lab, [host])
  const engine = await runExample(lab, 'inspect')
  const clients = await SocketClients.start(lab.client.namespace)
  for (const family of lab.families) {
    for (const host of lab.servers) await startTls(lab, host, family)
    const at = lab.virtualAddress(family)
    const ask = (path: string, ...args: string[]) =>
      curl(lab.client.namespace, url(at, path), { args })
    expect(await ask('/')).toMatchObject({ status: 200, body: 'srv1\n' })
    expect(await ask('/', '-b', 'a=1; version=beta')).toMatchObject({ body: 'srv2\n' })
    expect(await ask('/', '-H', 'Host: beta.test')).toMatchObject({ body: 'srv2\n' })
    // nginx has no such file, and says so.
    expect(await ask('/api/')).toMatchObject({ status: 404 })
    expect(await ask('/', '-H', 'Host: admin.test')).toMatchObject({ status: 0, exitCode: 56 })
    const secure = (name: string) => certificateOf(lab.client.namespace, at, name)
    expect(await secure('api.test')).toBe('srv3')
    expect(['srv1', 'srv2']).toContain(await secure('site.test'))
    expect(await secure('other.test')).toBeUndefined()
    for (const [index, server] of lab.serverAddresses(family).slice(0, 2).entries()) {
      const toy = await clients.connect({ host: at, port: 7 })
      for (const byte of `ROUTE ${index + 1}\n`) toy.write(byte)
      const [, answered] = await toy.untilReceived(/^(\S+) .* 1 ROUTE \d$/m)
      expect(answered).toBe(server)
      await toy.reset()
    }
  }
  await engine.stop()
})

/** Whose certificate a client gets that wants this name. */
async function certificateOf(from: Namespace, at: string, name: string) {
  const to = ['--connect-to', `${name}:443:${endpoint(at, 443)}`]
  const { stdout } = await from.tryExec('curl', [
    ...['-sS', '-k', '--http1.1', '-v', '--max-time', '20', ...to],
    ...['-o', '/dev/null', '--stderr', '-', `https://${name}/`],
  ])
  return /CN=(\w+)/.exec(stdout)?.[1]
}
