/** The services of examples/, each run as its users run it, with real clients and servers. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Family, type Host, Laboratory, until } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { Authority } from '../helpers/certificates.js'
import { sha256OfFile } from '../helpers/contents.js'
import { startDnsServer } from '../helpers/dns-server.js'
import { sendFile, startHashServer } from '../helpers/hash-server.js'
import { curl, url } from '../helpers/http-clients.js'
import { loseSegments } from '../helpers/impairment.js'
import { numberedLines } from '../helpers/repository.js'
import { NginxServer, startServers } from '../helpers/servers.js'
import { runExample } from '../helpers/service-site.js'
import { endpoint } from '../helpers/site.js'
import { requireCaptures, requireHost, requireTools } from '../helpers/skip.js'
import { SocketClients } from '../helpers/socket-clients.js'
import { conversations } from '../helpers/tcp-streams.js'
import { startUploads, upload } from '../helpers/uploads.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'python3', 'openssl', 'nft', 'ethtool', 'nsd', 'dig')

const laboratory = (servers = 1) => Laboratory.create({ topology: 'two-arm', servers })
const first = (lab: Laboratory) => lab.servers[0] as Host

test('SOCK-34 examples/echo.ts: what comes goes back, and the end, too', async () => {
  await using lab = await laboratory()
  const engine = await runExample(lab, 'echo')
  const clients = await SocketClients.start(lab.client.namespace)
  const text = 'one line of many\n'.repeat(10_000)
  for (const family of lab.families) {
    const socket = await clients.connect({ host: lab.virtualAddress(family), port: 7 })
    socket.write(text)
    await socket.untilReceived(new RegExp(`^(.|\n){${text.length}}$`))
    expect(socket.received.join('')).toBe(text)
    await socket.end()
  }
  await engine.stop()
})

test('SOCK-34 examples/count.ts: a filter that knows how many bytes passed', async () => {
  await using lab = await laboratory()
  const [nginx] = (await startServers(lab)) as [NginxServer]
  await nginx.addFile(1_000_000)
  const engine = await runExample(lab, 'count')
  for (const [turn, family] of lab.families.entries()) {
    const target = url(lab.virtualAddress(family), '/bytes/1000000')
    const fetched = await curl(lab.client.namespace, target, { output: '/dev/null' })
    expect(fetched).toMatchObject({ status: 200, bytes: 1_000_000 })
    const address = lab.client.address(family)
    const [, down] = await engine.process.waitForOutput(
      new RegExp(`${address} port \\d+: \\{"up":\\d+,"down":(\\d+)\\}`),
    )
    // The header, too.
    expect(Number(down)).toBeGreaterThan(1_000_000)
    expect(Number(down)).toBeLessThan(1_001_000)
    expect((await nginx.untilLogged(turn + 1)).at(-1)?.client).toBe(fetched.client)
  }
  await engine.stop()
})

/** 20 MB that are a tenth of that as gzip. */
function compressible(): Buffer {
  const lines = Array.from({ length: 400_000 }, (_, index) => {
    return `${String((index * 2_654_435_761) % 2 ** 32).padStart(10)}${' '.repeat(39)}\n`
  })
  return Buffer.from(lines.join(''))
}

test('SOCK-30 SOCK-34 examples/gunzip.ts: another number of bytes, over links that lose two of a hundred', async () => {
  await using lab = await laboratory()
  await startHashServer(first(lab), 9000)
  const engine = await runExample(lab, 'gunzip')
  for (const { namespace: at } of [lab.client, first(lab)]) {
    await at.exec('ethtool', ['-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off'])
    await loseSegments(at, 'eth0', 2)
  }
  const plain = compressible()
  const [file, plainFile] = [join(lab.folder, 'sent.gz'), join(lab.folder, 'plain')]
  const compressed = gzipSync(plain)
  expect(compressed.length).toBeLessThan(plain.length / 5)
  writeFileSync(file, compressed)
  writeFileSync(plainFile, plain)
  const expected = `${await sha256OfFile(plainFile)} ${plain.length}\n`
  for (const family of lab.families) {
    const to = { host: lab.virtualAddress(family), port: 9000 }
    expect(await sendFile(lab.client.namespace, to, file)).toBe(expected)
  }
  await engine.stop()
})

test('PROXY-10 examples/store-and-forward.ts: taken while there is no server, and brought to it later', async () => {
  await using lab = await laboratory()
  const engine = await runExample(lab, 'store-and-forward')
  const file = join(lab.folder, 'letter')
  writeFileSync(file, compressible())
  for (const family of lab.families) {
    const target = url(lab.virtualAddress(family), `/letter${family}`)
    expect(await upload(lab.client.namespace, target, file)).toBe('stored\n')
  }
  const server = await startUploads(first(lab), 80)
  const sha256 = await sha256OfFile(file)
  for (const family of lab.families) {
    await server.waitForOutput(new RegExp(`^PUT /letter${family} ${sha256}$`, 'm'))
  }
  await engine.stop()
})

test('PROXY-15 examples/tls.ts: TLS ends at the engine, and the server sees the client', async () => {
  await using lab = await laboratory()
  const [nginx] = (await startServers(lab)) as [NginxServer]
  const authority = await Authority.create(lab.folder, 'authority')
  const addresses = lab.families.map((family) => lab.virtualAddress(family))
  const { key, cert } = await authority.sign('site', ...addresses)
  const engine = await runExample(lab, 'tls', { TLS_KEY: key, TLS_CERT: cert })
  await nginx.addFile(5_000_000)
  for (const [turn, family] of lab.families.entries()) {
    const target = `https://${endpoint(lab.virtualAddress(family), 443)}/bytes/5000000`
    const args = ['--cacert', authority.file]
    const options = { args, output: '/dev/null' }
    const fetched = await curl(lab.client.namespace, target, options)
    expect(fetched).toMatchObject({ status: 200, bytes: 5_000_000, exitCode: 0 })
    expect((await nginx.untilLogged(turn + 1)).at(-1)?.client).toBe(fetched.client)
    // Who speaks no TLS is told so, and harms nobody.
    const plain = url(lab.virtualAddress(family), '/', 443)
    expect((await curl(lab.client.namespace, plain)).exitCode).not.toBe(0)
  }
  await engine.stop()
})

/** A DNS question for TXT as text (RFC 1035, 4.1): no byte of it is beyond ASCII. */
function question(name: string): string {
  const labels = name.split('.').map((label) => String.fromCharCode(label.length) + label)
  return `ab\x01\0\0\x01\0\0\0\0\0\0${labels.join('')}\0\0\x10\0\x01`
}

test('SOCK-32 SOCK-34 examples/dns-filter.ts: refused by name, and trusted after a while', async () => {
  await using lab = await laboratory()
  await startDnsServer(lab, first(lab))
  const engine = await runExample(lab, 'dns-filter')
  const clients = await SocketClients.start(lab.client.namespace)
  for (const family of lab.families) {
    const address = lab.virtualAddress(family)
    const dig = ['+tries=1', '+time=10', `@${address}`, 'TXT']
    const answer = await lab.client.namespace.exec('dig', [...dig, '+short', 'who.test'])
    expect(answer.stdout.trim()).toBe('"srv1"')
    const refused = await lab.client.namespace.exec('dig', [...dig, 'who.blocked.test'])
    expect(refused.stdout).toContain('status: REFUSED')

    const socket = await clients.connect({ protocol: 'udp', host: address, port: 53 })
    const ask = async (name: string) => {
      socket.received.length = 0
      socket.write(question(name))
      await until(`${name} is answered`, () => socket.received.length > 0)
      return socket.received[0] ?? ''
    }
    const code = (message: string) => message.charCodeAt(3) & 15
    expect(code(await ask('who.blocked.test'))).toBe(5)
    for (let turn = 0; turn < 20; turn++) expect(await ask('who.test')).toContain('srv1')
    // From here on the server itself says that it knows no such name.
    await until('it is trusted', async () => code(await ask('who.blocked.test')) === 3)
  }
  await engine.stop()
})

test('SOCK-02 examples/http.ts: the HTTP server of Node over the sockets of the engine', async () => {
  await using lab = await laboratory()
  const engine = await runExample(lab, 'http')
  const clients = await SocketClients.start(lab.client.namespace)
  for (const family of lab.families) {
    const target = (path: string) => url(lab.virtualAddress(family), path)
    const twice = await curl(lab.client.namespace, [target('/one'), target('/two')])
    const from = `from ${lab.client.address(family)} port ${/\d+$/.exec(twice.client)}`
    expect(twice).toMatchObject({ connections: 1, body: `GET /one ${from}\n` })
    const socket = await clients.connect({ host: lab.virtualAddress(family), port: 80 })
    for (let request = 0; request < 100; request++) {
      socket.write(`GET /${request} HTTP/1.1\r\nHost: test\r\n\r\n`)
      await socket.untilReceived(new RegExp(`GET /${request} from `))
    }
    await socket.end()
  }
  await engine.stop()
})

describe('examples/balancer.ts', () => {
  test('SOCK-34 SOCK-35 LB-01 PROXY-11 PROXY-15 each connection to the next of three servers, in less than 60 lines', async () => {
    expect(numberedLines('examples/balancer.ts').length).toBeLessThan(60)
    await using lab = await laboratory(3)
    const servers = await startServers(lab)
    const engine = await runExample(lab, 'balancer')
    for (const [turn, family] of lab.families.entries()) {
      const target = url(lab.virtualAddress(family))
      const seen: string[] = []
      for (let request = 0; request < 300; request++) {
        seen.push((await curl(lab.client.namespace, target)).body)
      }
      const cycle = ['srv1\n', 'srv2\n', 'srv3\n']
      expect(seen).toEqual(Array.from({ length: 300 }, (_, index) => cycle[index % 3]))
      for (const server of servers) await server.untilLogged(100 * (turn + 1))
    }
    await engine.stop()
  })

  test('PROXY-19 the next server where one refuses, and a RST where all do', async () => {
    await using lab = await laboratory(3)
    const [, , host] = lab.servers as [Host, Host, Host]
    const server = await NginxServer.start(lab, host)
    const engine = await runExample(lab, 'balancer')
    const ask = (family: Family) => curl(lab.client.namespace, url(lab.virtualAddress(family)))
    for (const family of lab.families) {
      for (let request = 0; request < 3; request++) {
        expect(await ask(family)).toMatchObject({ status: 200, body: 'srv3\n' })
      }
    }
    await server.stop()
    for (const family of lab.families) {
      // 56: the connection was reset; 7: before curl saw that there was one.
      const { status, exitCode } = await ask(family)
      expect(status).toBe(0)
      expect([7, 56]).toContain(exitCode)
    }
    await engine.stop()
  })
})

describe('examples/cache.ts', () => {
  requireCaptures()

  /** What passes the devices of the client and the server until `stop`. */
  const captures = async (lab: Laboratory) => {
    const start = (host: Host) => Capture.start(lab, host.namespace, 'eth0', { filter: 'tcp' })
    return [await start(lab.client), await start(first(lab))] as const
  }

  test('PROXY-08 PROXY-09 PROXY-15 a hit costs the server no packet, and the client is closed behind it', async () => {
    await using lab = await laboratory()
    const [nginx] = (await startServers(lab)) as [NginxServer]
    await nginx.addFile(300_000)
    const engine = await runExample(lab, 'cache')
    for (const [turn, family] of lab.families.entries()) {
      // Its own path for each: what is kept is kept for all.
      const path = `/bytes/300000?${family}`
      const fetch = () =>
        curl(lab.client.namespace, url(lab.virtualAddress(family), path), { args: ['-i'] })
      const miss = await fetch()
      expect(miss.body).toMatch(/^X-Cache: miss\r$/m)
      expect((await nginx.untilLogged(turn + 1)).at(-1)?.client).toBe(miss.client)
      const [outside, inside] = await captures(lab)
      const hit = await fetch()
      expect(hit.body).toMatch(/^X-Cache: hit\r$/m)
      expect(hit.bytes).toBe(miss.bytes)
      expect(await inside.stop()).toEqual([])
      const [conversation] = conversations(await outside.stop(), 80)
      expect(conversation?.reply).toMatchObject({ finished: true, reset: false })
      expect(conversation?.reply?.bytes.length).toBeGreaterThan(300_000)
    }
    await engine.stop()
  })
})
