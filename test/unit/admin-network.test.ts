/** The administration over the network: who is let in, what he may do, and what a reload changes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { connect as connectTcp, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createAdminApp } from '../../src/admin/app.js'
import { readCredentials, tlsOptions } from '../../src/admin/credentials.js'
import { AdminNetwork } from '../../src/admin/network.js'
import { Peers } from '../../src/admin/peers.js'
import type { AdminSource } from '../../src/admin/source.js'
import { askEngine, tellEngine } from '../../src/cli/admin-client.js'
import type { ResolvedAdmin } from '../../src/config/resolved.js'
import { missingTools, until } from '../../src/laboratory/index.js'
import type { Logger } from '../../src/logger.js'
import { Authority, type CertificateFiles } from '../helpers/certificates.js'
import { exampleFlow, exampleStatus } from '../helpers/example-status.js'
import { requireTools } from '../helpers/skip.js'

requireTools('openssl')

let folder: string
let authority: Authority
let engine: CertificateFiles
let scraper: CertificateFiles
let stranger: CertificateFiles

beforeAll(async () => {
  if (missingTools('openssl').length > 0) return
  folder = await mkdtemp(join(tmpdir(), 'sluice-tls-'))
  authority = await Authority.create(folder, 'home')
  const others = await Authority.create(folder, 'elsewhere')
  engine = await authority.sign('engine', '127.0.0.1', '::1')
  scraper = await authority.sign('scraper')
  stranger = { ...(await others.sign('stranger')), ca: authority.file }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const source = (): AdminSource => ({
  status: () => exampleStatus,
  eachFlow: async () => [exampleFlow],
  setNode: vi.fn(),
  setVirtualServer: vi.fn(),
})

const logger = () => ({ debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() })

/** A port that was free a moment ago. */
async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

const settingsOn = (port: number, change: Partial<ResolvedAdmin> = {}): ResolvedAdmin => ({
  ...engine,
  listen: [{ address: '127.0.0.1', port, family: 4 }],
  write: false,
  ...change,
})

/** An administration that listens, until the test ends. */
async function open(settings: ResolvedAdmin, log: Logger = logger(), of: AdminSource = source()) {
  const network = new AdminNetwork(log)
  onTestFinished(() => network[Symbol.dispose]())
  ;(await network.prepare(settings))()
  network.open({ ...of, network: () => network.status() })
  await until('it listens', () => network.status()?.listeners.every((one) => one.listening))
  return network
}

async function at(port: number, files: CertificateFiles, host = '127.0.0.1') {
  return { url: new URL(`https://${host}:${port}`), credentials: await readCredentials(files) }
}

/** What of a TLS connection comes of it: the bytes of an answer, or an error. */
function answerTo(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    socket.on('data', (bytes) => {
      text += bytes
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  })
}

describe('ARCH-13 who is let in', () => {
  test('one with a certificate of the authority is answered, over both families', async () => {
    const [port, other] = [await freePort(), await freePort('::1')]
    const listen = [
      { address: '127.0.0.1', port, family: 4 },
      { address: '::1', port: other, family: 6 },
    ] as const
    const network = await open(settingsOn(port, { listen }))
    expect(await askEngine(await at(port, scraper), '/api/v1/flows')).toEqual([exampleFlow])
    expect(await askEngine(await at(other, scraper, '[::1]'), '/api/v1/flows')).toEqual([
      exampleFlow,
    ])
    expect(network.status()?.listeners.map(({ accepted }) => accepted)).toEqual([1, 1])
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'nobody else gets a byte of HTTP with %s, and each is counted',
    async (version) => {
      const port = await freePort()
      const log = logger()
      const network = await open(settingsOn(port), log)
      const { key, cert, ca } = await readCredentials(stranger)
      const options = { port, host: '127.0.0.1', ca, minVersion: version, maxVersion: version }
      expect(await answerTo(connect({ ...options }))).toBe('')
      expect(await answerTo(connect({ ...options, key, cert }))).toBe('')
      const own = tlsOptions(await readCredentials(scraper))
      expect(await answerTo(connect({ ...options, ...own, minVersion: version }))).toContain('200')
      expect(network.status()?.listeners[0]).toMatchObject({ accepted: 1, refused: 2 })
      // One line for ten seconds, whoever comes.
      expect(log.warn).toHaveBeenCalledOnce()
      expect(log.warn.mock.calls[0]?.[0]).toMatchObject({
        event: 'adminRefused',
        code: 'ERR_SLUICE_ADMIN_PEER',
        peer: '127.0.0.1',
      })
    },
  )

  test('neither plain HTTP nor TLS 1.1', async () => {
    const port = await freePort()
    const network = await open(settingsOn(port))
    const plain = connectTcp(port, '127.0.0.1', () => plain.write('GET /healthz HTTP/1.1\r\n\r\n'))
    const said = await new Promise<string>((resolve) => {
      let text = ''
      plain.on('data', (bytes) => {
        text += bytes.toString('latin1')
      })
      plain.on('error', () => {})
      plain.on('close', () => resolve(text))
    })
    expect(said).not.toContain('HTTP')
    const own = tlsOptions(await readCredentials(scraper))
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
    expect(await answerTo(connect({ port, host: '127.0.0.1', ...own, ...(old as object) }))).toBe(
      '',
    )
    expect(network.status()?.listeners[0]).toMatchObject({ accepted: 0, refused: 2 })
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('nobody resumes a session of %s', async (version) => {
    const port = await freePort()
    await open(settingsOn(port))
    const own = tlsOptions(await readCredentials(scraper))
    const options = { port, host: '127.0.0.1', ...own, minVersion: version, maxVersion: version }
    const session = await sessionOf(connect(options))
    const again = connect({ ...options, ...(session && { session }) })
    await new Promise((resolve) => again.once('secureConnect', resolve))
    expect(again.isSessionReused()).toBe(false)
    again.destroy()
  })

  test('a crowd that says nothing keeps nobody out', async () => {
    const port = await freePort()
    const network = await open(settingsOn(port))
    const silent = Array.from({ length: 300 }, () => connectTcp(port, '127.0.0.1'))
    onTestFinished(() => {
      for (const socket of silent) socket.destroy()
    })
    for (const socket of silent) socket.on('error', () => {})
    await until('they are there', () => (network.status()?.listeners[0]?.crowdedOut ?? 0) >= 236)
    expect(await askEngine(await at(port, scraper), '/api/v1/flows')).toEqual([exampleFlow])
  })

  test('of those who are refused one line is logged in ten seconds, with how many', () => {
    const log = logger()
    let now = 0
    const peers = new Peers('10.1.0.254:9443', log, () => now)
    const socket = { remoteAddress: '192.0.2.66' } as TLSSocket
    for (let i = 0; i < 1000; i++) peers.refuse({ code: 'ECONNRESET' } as never, socket)
    now = 10_000
    peers.refuse({ code: 'ECONNRESET' } as never, socket)
    expect(log.warn.mock.calls.map(([{ refused }]) => refused)).toEqual([1, 1000])
    expect(peers.counts.refused).toBe(1001)
  })
})

describe('what he may do', () => {
  const status = async (method: string, path: string, write: boolean) =>
    (await createAdminApp(source(), { write }).request(path, { method, body: null })).status

  test.each([
    ['GET', '/metrics', 200],
    ['HEAD', '/healthz', 200],
    ['GET', '/api/v1/capture', 403],
    ['GET', '/api/v1/%63apture', 403],
    ['DELETE', '/api/v1/capture', 403],
    ['POST', '/api/v1/drain', 403],
    ['POST', '/api/v1/reload', 403],
    ['POST', '/', 403],
  ])('%s %s without write: %d', async (method, path, expected) => {
    expect(await status(method, path, false)).toBe(expected)
  })

  test('without write an order is refused with a remedy; with it, it is taken', async () => {
    const port = await freePort()
    const of = source()
    const network = await open(settingsOn(port), logger(), of)
    const body = { node: '10.1.0.11:80' }
    await expect(tellEngine(await at(port, scraper), '/api/v1/drain', body)).rejects.toMatchObject({
      code: 'ERR_SLUICE_ADMIN_READ_ONLY',
      remedy: expect.stringContaining('write: true'),
    })
    ;(await network.prepare(settingsOn(port, { write: true })))()
    await until('it listens', () => network.status()?.listeners[0]?.listening)
    await tellEngine(await at(port, scraper), '/api/v1/drain', body)
    expect(of.setNode).toHaveBeenCalledOnce()
  })
})

describe('what a reload changes', () => {
  test('another authority: the old certificates are worth nothing, nor what was opened by them', async () => {
    const port = await freePort()
    const network = await open(settingsOn(port))
    const own = tlsOptions(await readCredentials(scraper))
    const options = { port, host: '127.0.0.1', ...own }
    const idle = connect(options)
    await new Promise((resolve) => idle.once('secureConnect', resolve))
    const streaming = request({ ...options, path: '/events' }).end()
    streaming.on('error', () => {})
    const other = await Authority.create(folder, 'other')
    const ours = await other.sign('engine', '127.0.0.1')
    const next = settingsOn(port, ours)
    expect((await network.prepare(next))()).toBe(true)
    expect((await network.prepare(next))()).toBe(false)
    await new Promise((resolve) => idle.once('close', resolve))
    await expect(askEngine(await at(port, scraper), '/')).rejects.toMatchObject({
      code: 'ERR_SLUICE_ADMIN_PEER',
    })
    expect(await answerTo(connect({ ...options, ca: [own.ca, ours.ca] }))).toBe('')
    const next2 = await at(port, await other.sign('scraper'))
    expect(await askEngine(next2, '/api/v1/flows')).toEqual([exampleFlow])
    await until('the stream has ended', () => network.status()?.listeners[0]?.connections === 0)
  })

  test('other addresses: those that stay are not disturbed', async () => {
    const [port, second] = [await freePort(), await freePort()]
    const network = await open(settingsOn(port))
    const own = tlsOptions(await readCredentials(scraper))
    const live = connect({ port, host: '127.0.0.1', ...own })
    await new Promise((resolve) => live.once('secureConnect', resolve))
    const listen = [port, second].map((one) => ({
      address: '127.0.0.1',
      port: one,
      family: 4 as const,
    }))
    ;(await network.prepare(settingsOn(port, { listen })))()
    await until('both listen', () => network.status()?.listeners.every((one) => one.listening))
    expect(await answerTo(live)).toContain('200 OK')
    ;(await network.prepare(settingsOn(port, { listen: listen.slice(1) })))()
    expect(network.status()?.listeners.map(({ address }) => address)).toEqual([
      `127.0.0.1:${second}`,
    ])
    await expect(askEngine(await at(port, scraper), '/')).rejects.toMatchObject({
      code: 'ERR_SLUICE_UNREACHABLE',
    })
    ;(await network.prepare(undefined))()
    expect(network.status()).toBe(null)
  })

  test('an address that is in use is tried again until it is free; others go on', async () => {
    const [taken, port] = [await freePort(), await freePort()]
    const squatter = createServer().listen(taken, '127.0.0.1')
    await new Promise((resolve) => squatter.once('listening', resolve))
    const log = logger()
    const network = new AdminNetwork(log)
    onTestFinished(() => network[Symbol.dispose]())
    const listen = [taken, port].map((one) => ({
      address: '127.0.0.1',
      port: one,
      family: 4 as const,
    }))
    ;(await network.prepare(settingsOn(port, { listen })))()
    network.open(source())
    await until('the other listens', () => network.status()?.listeners[1]?.listening)
    await until('it is told', () => network.status()?.listeners[0]?.problem === 'EADDRINUSE')
    expect(await askEngine(await at(port, scraper), '/api/v1/flows')).toEqual([exampleFlow])
    squatter.close()
    await until('it is free', () => network.status()?.listeners[0]?.listening)
    expect(log.warn.mock.calls.map(([details]) => details)).toEqual([
      expect.objectContaining({ event: 'adminAddress', code: 'ERR_SLUICE_ADMIN_ADDRESS' }),
    ])
    expect(log.info).toHaveBeenCalledOnce()
  })
})

describe('files that are wrong', () => {
  test.each([
    ['one that is not there', () => ({ key: '/nowhere/x.key' }), /cannot be read: ENOENT/],
    ['a certificate for a key', () => ({ key: engine.cert }), /no private key/],
    ['a key for a certificate', () => ({ cert: engine.key }), /no certificate/],
    ['a key of another certificate', () => ({ key: scraper.key }), /not that of the certificate/],
    ['no authority', () => ({ ca: engine.key }), /no certificate/],
  ])('%s', async (_, change, message) => {
    await expect(readCredentials({ ...engine, ...change() })).rejects.toMatchObject({
      code: 'ERR_SLUICE_ADMIN_CERTIFICATE',
      message: expect.stringMatching(message),
      remedy: expect.any(String),
    })
  })

  test('garbage between the marks of a certificate', async () => {
    const file = join(folder, 'garbage.pem')
    await writeFile(file, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    await expect(readCredentials({ ...engine, ca: file })).rejects.toMatchObject({
      code: 'ERR_SLUICE_ADMIN_CERTIFICATE',
      message: expect.stringContaining('cannot be read'),
    })
  })
})

test('/metrics tells of listeners, peers and when the certificate expires', async () => {
  const port = await freePort()
  const network = await open(settingsOn(port))
  await askEngine(await at(port, scraper), '/api/v1/flows')
  const app = createAdminApp({ ...source(), network: () => network.status() }, { write: false })
  const text = await (await app.request('/metrics')).text()
  const labels = `{address="127.0.0.1:${port}"`
  expect(text).toContain(`sluice_admin_listening${labels}} 1\n`)
  expect(text).toContain(`sluice_admin_peers_total${labels},result="accepted"} 1\n`)
  const [, expiry] = /sluice_admin_certificate_expiry_seconds (\d+)/.exec(text) ?? []
  expect(Number(expiry) * 1000).toBe((await readCredentials(engine)).notAfter)
})

/** What a client could resume later; undefined where it is given nothing. */
async function sessionOf(socket: TLSSocket): Promise<Buffer | undefined> {
  let session: Buffer | undefined
  socket.on('session', (given) => {
    session = given
  })
  expect(await answerTo(socket)).toContain('200 OK')
  return session
}
