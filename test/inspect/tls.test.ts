/**
 * Hellos of real peers (openssl, curl, Node) as native/inspect reads them, beside what they were asked to
 * send; each cut at every byte.
 */
import { constants } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tryRun } from '../../src/laboratory/lab-process.js'
import { Authority } from '../helpers/certificates.js'
import {
  type ClientHello,
  readNatively,
  type SeenTls,
  type ServerHello,
} from '../helpers/inspect-reader.js'
import { Recorder, type Recording } from '../helpers/recorded-tls.js'
import { requireTools } from '../helpers/skip.js'

requireTools('openssl', 'curl')

const tls12 = 0x0303
const tls13 = 0x0304
const nothing = 'nothing'

let folder: string
let identity: { key: Buffer; cert: Buffer }
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'inspect-'))
  const authority = await Authority.create(folder, 'authority')
  const { key, cert } = await authority.sign('shop')
  identity = { key: readFileSync(key), cert: readFileSync(cert) }
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What passes while `ask` talks to a server of these options, which ends what says a word. */
async function recorded(
  options: tls.TlsOptions,
  ask: (port: number) => Promise<void>,
): Promise<Recording[]> {
  const server = tls.createServer({ ...identity, ...options }, (socket) =>
    // Not before: tickets of TLS 1.3 are sent once the handshake is over.
    socket.once('data', () => socket.end()),
  )
  // A client that hangs up in the handshake is a client here.
  server.on('tlsClientError', () => {})
  // Sessions by their id are the server's to keep (TLS 1.2).
  const sessions = new Map<string, Buffer>()
  server.on('newSession', (id: Buffer, session: Buffer, done: () => void) => {
    sessions.set(id.toString('hex'), session)
    done()
  })
  server.on('resumeSession', (id: Buffer, done: (error: null, session: Buffer | null) => void) =>
    done(null, sessions.get(id.toString('hex')) ?? null),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const recorder = await Recorder.before((server.address() as AddressInfo).port)
  try {
    await ask(recorder.port)
    return await recorder.recordings()
  } finally {
    recorder.close()
    server.close()
  }
}

/** s_client until the server closes, by when it has the tickets; what it prints. */
async function openssl(port: number, ...args: string[]): Promise<string> {
  const peer = `127.0.0.1:${port}`
  const { stdout, stderr } = await tryRun(
    ['openssl', 's_client', '-connect', peer, '-ign_eof', ...args],
    { input: 'word\n' },
  )
  return stdout + stderr
}

async function nodeClient(port: number, options: tls.ConnectionOptions): Promise<void> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  socket.resume().write('word')
  await once(socket, 'close')
}

/** Enough for a hello and what stands behind it. */
const mostCut = 2000

function readHello<Hello>(kind: 'client' | 'server', stream: Buffer): Hello {
  const bytes = stream.subarray(0, mostCut)
  const [seen] = readNatively<SeenTls<Hello>>([{ words: `every ${kind}`, bytes }])
  expect(seen).toMatchObject({ reading: 'complete', hello: { fault: nothing } })
  if (!seen?.hello) throw new Error('no hello')
  return seen.hello
}

const hellosOf = (recordings: Recording[]) =>
  recordings.map(({ client, server }) => ({
    client: readHello<ClientHello>('client', client),
    server: readHello<ServerHello>('server', server),
  }))

const hex = (latin1: string) => Buffer.from(latin1, 'latin1').toString('hex').toUpperCase()
const sessionIdIn = (printed: string) => /Session-ID: ([0-9A-F]+)/.exec(printed)?.[1]

describe('hellos of real peers', () => {
  test('RFC 6066 3, RFC 7301 3.1 server name and protocols that openssl was asked for', async () => {
    for (const [version, number] of [
      ['-tls1_2', tls12],
      ['-tls1_3', tls13],
    ] as const) {
      const args = [version, '-servername', 'shop.test', '-alpn', 'h2,http/1.1']
      const [hellos] = hellosOf(
        await recorded({ ALPNProtocols: ['http/1.1'] }, async (port) => {
          await openssl(port, ...args)
        }),
      )
      expect(hellos?.client).toMatchObject({
        serverName: 'shop.test',
        protocols: ['h2', 'http/1.1'],
        ticket: false,
        psk: false,
      })
      expect(hellos?.client.versions).toContain(number)
      expect(hellos?.client.versions.includes(tls13)).toBe(number === tls13)
      // What TLS 1.3 chose is encrypted.
      const protocol = number === tls12 ? 'http/1.1' : ''
      expect(hellos?.server).toMatchObject({ version: number, protocol, retry: false })
    }
  })

  test('RFC 6066 3 no name where none was asked for, nor for an address', async () => {
    const hellos = hellosOf(
      await recorded({}, async (port) => {
        await openssl(port, '-noservername')
        await tryRun(['curl', '-sk', `https://127.0.0.1:${port}/`])
      }),
    )
    expect(hellos.map(({ client }) => client.serverName)).toEqual(['', ''])
    expect(hellos[0]?.client.protocols).toEqual([])
  })

  test('RFC 7301 3.1 what curl offers, by its options', async () => {
    const hellos = hellosOf(
      await recorded({}, async (port) => {
        const url = `https://Shop.test:${port}/`
        const common = ['-sk', '--resolve', `shop.test:${port}:127.0.0.1`, url]
        await tryRun(['curl', ...common, '--http1.1', '--tls-max', '1.2'])
        await tryRun(['curl', ...common, '--http2'])
        await tryRun(['curl', ...common, '--no-alpn'])
      }),
    )
    expect(hellos.map(({ client }) => client.serverName.toLowerCase())).toEqual(
      Array.from({ length: 3 }, () => 'shop.test'),
    )
    expect(hellos.map(({ client }) => client.protocols)).toEqual([
      ['http/1.1'],
      ['h2', 'http/1.1'],
      [],
    ])
    expect(hellos.map(({ server }) => server.version)).toEqual([tls12, tls13, tls13])
  })

  test('RFC 5246 7.4.1.3 a session of TLS 1.2 has the id that openssl prints, and keeps it', async () => {
    const file = join(folder, 'by-id')
    const printed: string[] = []
    const hellos = hellosOf(
      await recorded({ secureOptions: constants.SSL_OP_NO_TICKET }, async (port) => {
        const args = ['-tls1_2', '-no_ticket']
        printed.push(await openssl(port, ...args, '-sess_out', file))
        printed.push(await openssl(port, ...args, '-sess_in', file))
      }),
    )
    const id = sessionIdIn(printed[0] ?? '')
    expect(id).toMatch(/^[0-9A-F]{64}$/)
    expect(printed[1]).toContain('Reused, TLSv1.2')
    expect(hellos.map(({ client }) => hex(client.sessionId))).toEqual(['', id])
    expect(hellos.map(({ server }) => hex(server.sessionId))).toEqual([id, id])
    expect(hellos.map(({ server }) => server.namesSession)).toEqual([true, true])
    expect(hellos.map(({ client }) => client.ticket)).toEqual([false, false])
  })

  test('RFC 5077 3.4 a session of TLS 1.2 by its ticket', async () => {
    const file = join(folder, 'by-ticket')
    const hellos = hellosOf(
      await recorded({}, async (port) => {
        await openssl(port, '-tls1_2', '-sess_out', file)
        expect(await openssl(port, '-tls1_2', '-sess_in', file)).toContain('Reused, TLSv1.2')
      }),
    )
    expect(hellos.map(({ client }) => client.ticket)).toEqual([false, true])
    expect(hellos.map(({ client }) => client.psk)).toEqual([false, false])
    expect(hellos[0]?.server.ticket).toBe(true)
  })

  test('RFC 8446 4.2.11 a session of TLS 1.3 by its key; the session id is an echo', async () => {
    const file = join(folder, 'by-key')
    const hellos = hellosOf(
      await recorded({}, async (port) => {
        await openssl(port, '-tls1_3', '-sess_out', file)
        expect(await openssl(port, '-tls1_3', '-sess_in', file)).toContain('Reused, TLSv1.3')
      }),
    )
    expect(hellos.map(({ client }) => client.psk)).toEqual([false, true])
    expect(hellos.map(({ server }) => server.psk)).toEqual([false, true])
    for (const { client, server } of hellos) {
      expect(server.sessionId).toBe(client.sessionId)
      expect(server.namesSession).toBe(false)
    }
    expect(hellos[0]?.client.sessionId).not.toBe(hellos[1]?.client.sessionId)
  })

  test('RFC 8446 4.1.4 a server that asks for another key share', async () => {
    const hellos = hellosOf(
      await recorded({ ecdhCurve: 'P-521' }, async (port) => {
        await openssl(port, '-groups', 'X25519:P-521')
        await openssl(port, '-groups', 'P-521')
      }),
    )
    expect(hellos.map(({ server }) => server.retry)).toEqual([true, false])
    expect(hellos.map(({ server }) => server.version)).toEqual([tls13, tls13])
  })

  test('RFC 8446 5.1 a hello that openssl splits over records', async () => {
    const protocols = Array.from({ length: 50 }, (_, i) => `protocol-number-${i}`)
    const recordings = await recorded({}, async (port) => {
      await openssl(port, '-max_send_frag', '512', '-alpn', protocols.join(','))
    })
    expect(recordings[0]?.client.readUInt16BE(3)).toBe(512)
    expect(recordings[0]?.client.readUInt8(5 + 512)).toBe(22)
    const stream = recordings[0]?.client ?? Buffer.of()
    expect(readHello<ClientHello>('client', stream).protocols).toEqual(protocols)
  })

  test('RFC 8446 4.1.2 what Node asks for, each version alone and both', async () => {
    const asked = [
      { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
      { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' },
      { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' },
    ] as const
    const hellos = hellosOf(
      await recorded({}, async (port) => {
        for (const versions of asked) {
          const options = { ...versions, servername: 'a-1.shop.test', ALPNProtocols: ['x'] }
          await nodeClient(port, options)
        }
      }),
    )
    expect(
      hellos.map(({ client }) => client.versions.filter((version) => version >= tls12)),
    ).toEqual([[tls12], [tls13], [tls12, tls13]])
    for (const { client } of hellos) {
      expect(client).toMatchObject({ serverName: 'a-1.shop.test', protocols: ['x'] })
    }
    expect(hellos.map(({ server }) => server.version)).toEqual([tls12, tls13, tls13])
  })

  test('RFC 8446 5.1 a server that refuses says so by an alert', async () => {
    const [recording] = await recorded({ minVersion: 'TLSv1.3' }, async (port) => {
      await openssl(port, '-tls1_2')
    })
    const bytes = recording?.server ?? Buffer.of()
    const [seen] = readNatively<SeenTls<ServerHello>>([{ words: 'every server', bytes }])
    expect(seen).toMatchObject({
      reading: 'malformed',
      reason: 'an alert in the place of the hello',
    })
  })
})
