/** Probes against servers of Node's own, over the kernel's loopback. */
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type HttpExpectation, httpProbe } from '../../src/health/http-probe.js'
import { kernelDial } from '../../src/health/kernel-dial.js'
import type { Probe, Target } from '../../src/health/probe.js'
import { tcpProbe } from '../../src/health/tcp-probe.js'

async function listening(server: Server): Promise<Target> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { address, port } = server.address() as AddressInfo
  return { address, port, name: `${address}:${port}` }
}

const outcome = (probe: Probe, target: Target, signal = new AbortController().signal) =>
  probe(target, signal).then(
    () => 'well',
    (error: Error) => error.message,
  )

const base: HttpExpectation = {
  path: '/health',
  host: undefined,
  status: { first: 200, last: 399 },
  body: undefined,
}

async function answering(answer: RequestListener, changes: Partial<HttpExpectation> = {}) {
  const target = await listening(createHttpServer(answer))
  return outcome(httpProbe({ ...base, ...changes }, kernelDial), target)
}

test('LB-10 tcp: a server that accepts is well, a closed port is not', async () => {
  const server = createServer()
  const target = await listening(server)
  const ended = new Promise((resolve) =>
    server.once('connection', (one) => one.on('close', resolve).resume()),
  )
  expect(await outcome(tcpProbe(kernelDial), target)).toBe('well')
  await ended
  await new Promise((resolve) => server.close(resolve))
  expect(await outcome(tcpProbe(kernelDial), target)).toMatch(/ECONNREFUSED/)
})

test('LB-10 http: asks as it was told, and closes', async () => {
  const seen: unknown[] = []
  const changes = { path: '/up?x=1', host: 'www.example.org' }
  const result = await answering(({ method, url, headers }, response) => {
    seen.push(method, url, headers.host, headers.connection)
    response.end()
  }, changes)
  expect([result, ...seen]).toEqual(['well', 'GET', '/up?x=1', 'www.example.org', 'close'])
})

test.each([
  [200, 'well'],
  [302, 'well'],
  [404, 'it answers 404'],
  [500, 'it answers 500'],
])('LB-10 http: status %i, %s', async (status, expected) => {
  expect(await answering((_, response) => response.writeHead(status).end())).toBe(expected)
})

test('LB-10 http: a status of choice', async () => {
  const changes = { status: { first: 503, last: 503 } }
  expect(await answering((_, response) => response.writeHead(503).end(), changes)).toBe('well')
  expect(await answering((_, response) => response.end(), changes)).toBe('it answers 200')
})

test.each<[string | RegExp, string, string]>([
  ['ready', 'status: ready\n', 'well'],
  ['ready', 'status: starting\n', 'the body is not as expected'],
  [/^status: (ready|busy)$/m, 'status: busy\n', 'well'],
  [/late/, `${'x'.repeat(70_000)}late`, 'the body is not as expected'],
])('LB-10 http: a body that matches %s', async (body, text, expected) => {
  expect(await answering((_, response) => response.end(text), { body })).toBe(expected)
})

test('LB-10 http: an answer that never ends is read up to 64 KiB, and what is no HTTP is an error', async () => {
  const endless: RequestListener = (_, response) => {
    const write = () => {
      while (response.write('x'.repeat(16_384)));
      response.once('drain', write)
    }
    write()
  }
  expect(await answering(endless, { body: 'y' })).toBe('the body is not as expected')
  const target = await listening(createServer((socket) => socket.end('SSH-2.0-server\r\n')))
  expect(await outcome(httpProbe(base, kernelDial), target)).toMatch(/Parse Error/)
})

test('LB-10 a server that stays silent is left when the time is over', async () => {
  const server = createServer()
  const target = await listening(server)
  const stop = new AbortController()
  const ended = new Promise((resolve) => {
    server.once('connection', (socket) => {
      socket
        .on('close', resolve)
        .on('error', () => {})
        .resume()
      stop.abort(new Error('too late'))
    })
  })
  expect(await outcome(httpProbe(base, kernelDial), target, stop.signal)).toMatch(/abort/)
  await ended
})
