/** Heads of HTTP that the router reads: what it takes, and that Node's parser takes it the same way. */
import { describe, expect, test } from 'vitest'
import { BadMessage } from '../../src/http/bad-message.js'
import { forwarded, type Head, readAnswer, readRequest } from '../../src/http/head.js'
import { answerStreams, mutated, requestStreams } from '../helpers/http-mutations.js'
import { type NodeMessage, readByNode } from '../helpers/node-http-parser.js'

const request = (...fields: string[]) =>
  ['GET /a?b HTTP/1.1', 'Host: a.test', ...fields].join('\r\n')

describe('requests', () => {
  test('what they say', () => {
    const head = readRequest(request('Content-Length: 12', 'Expect: 100-Continue', 'X-A: b c '))
    expect(head).toMatchObject({
      ...{ method: 'GET', target: '/a?b', minor: 1, persistent: true, expectsContinue: true },
      framing: { kind: 'length', bytes: 12 },
    })
    expect([...head.fields].at(-1)).toEqual({ name: 'x-a', value: 'b c', line: 'X-A: b c ' })
    expect(readRequest(request('Transfer-Encoding: Chunked')).framing).toEqual({ kind: 'chunked' })
    expect(readRequest(request('Content-Length: 0')).framing).toEqual({ kind: 'none' })
    expect(readRequest(request('Connection: x, Close')).persistent).toBe(false)
    expect(readRequest('GET / HTTP/1.0').persistent).toBe(false)
    expect(readRequest('OPTIONS * HTTP/1.1\r\nHost:').target).toBe('*')
    expect(readRequest(request('Connection: upgrade', 'Upgrade: websocket')).upgrade).toBe(
      'websocket',
    )
    expect(readRequest(request('Upgrade: websocket')).upgrade).toBeUndefined()
    const old = request('Connection: upgrade', 'Upgrade: websocket').replace('1.1', '1.0')
    expect(readRequest(old).upgrade).toBeUndefined()
  })

  test.each(['', 'a:', 'a:80', 'a:65535', '192.0.2.1:8080', '[::1]', '[2001:DB8::1]:65535'])(
    'Host: %s is one',
    (host) => {
      const { fields } = readRequest(`GET / HTTP/1.1\r\nHost: ${host}`)
      expect(fields.of('host')).toEqual([host])
    },
  )

  test.each([
    [400, 'GET  / HTTP/1.1\r\nHost: a'],
    [400, 'GET / HTTP/1.2\r\nHost: a'],
    [400, 'GET /\x80 HTTP/1.1\r\nHost: a'],
    [400, 'GET http://a/ HTTP/1.1\r\nHost: a'],
    [400, 'GET /#a HTTP/1.1\r\nHost: a'],
    [400, request('Host: b')],
    [400, request('A')],
    [400, request(': a')],
    [400, request('A : b')],
    [400, request(' A: b')],
    [400, request('A: b\nC: d')],
    [400, request('A: b\rC: d')],
    [400, request('A: b\0')],
    [400, request('Content-Length: 1, 1')],
    [400, request('Content-Length: 1', 'Content-Length: 1')],
    [400, request('Content-Length: 0x1')],
    [400, request('Content-Length: 9999999999999999')],
    [400, request('Content-Length: 1', 'Transfer-Encoding: chunked')],
    [501, request('Transfer-Encoding: gzip, chunked')],
    [501, request('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')],
    [501, request('Transfer-Encoding:')],
    [400, 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked'],
    [431, request(...Array(300).fill('A: b'))],
  ])('refused with %i: %j', (status, text) => {
    expect(() => readRequest(text)).toThrow(expect.objectContaining({ status }))
  })

  test.each(['a/b', ':80', 'a:99999', 'a:65536', 'a:000080', 'a:b', '[]', '[::1]:65536', '[::1'])(
    'Host: %s is refused with 400',
    (host) => {
      const bad = expect.objectContaining({ status: 400 })
      expect(() => readRequest(`GET / HTTP/1.1\r\nHost: ${host}`)).toThrow(bad)
    },
  )
})

describe('answers', () => {
  test.each([
    ['GET', 'HTTP/1.1 200 OK', { kind: 'close' }, false],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 3', { kind: 'length', bytes: 3 }, true],
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 3', { kind: 'none' }, true],
    ['GET', 'HTTP/1.1 204 \r\nContent-Length: 3', { kind: 'none' }, true],
    ['GET', 'HTTP/1.1 304\r\nTransfer-Encoding: chunked', { kind: 'none' }, true],
    ['GET', 'HTTP/1.1 103 Early Hints', { kind: 'none' }, true],
    ['GET', 'HTTP/1.0 200 OK\r\nContent-Length: 3', { kind: 'length', bytes: 3 }, false],
    ['GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked', { kind: 'chunked' }, true],
  ])('to %s: %j', (method, text, framing, persistent) => {
    expect(readAnswer(text, method)).toMatchObject({ framing, persistent })
  })

  test.each(['HTTP/1.1 99 x', 'HTTP/2 200 OK', 'HTTP/1.1 200OK', 'HTTP/1.1 200 O\x01K'])(
    'refused: %j',
    (text) => {
      expect(() => readAnswer(text, 'GET')).toThrow(BadMessage)
    },
  )
})

test('what is for one hop goes no further, and nobody removes a length by naming it', () => {
  const fields = ['Connection: X-Mine, Content-Length, Host', 'X-Mine: a', 'Keep-Alive: timeout=5']
  const head = readRequest(request(...fields, 'Content-Length: 3', 'TE: trailers', 'X-Other: b'))
  expect(forwarded('GET / HTTP/1.1', head, 'keep-alive')).toBe(
    'GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nX-Other: b\r\nConnection: keep-alive\r\n\r\n',
  )
})

describe("what is taken, Node's parser takes the same way", () => {
  const runs = 20_000
  /** Methods that it does not know are no difference in reading. */
  const isMethod = (error: string | undefined) => error === 'HPE_INVALID_METHOD'

  const headOf = (stream: string) =>
    stream.replace(/^(\r\n)+/, '').split('\r\n\r\n', 1)[0] as string

  function compare(ours: Head, theirs: NodeMessage | undefined): void {
    const { fields, minor } = ours
    expect({
      minor,
      fields: [...fields].flatMap(({ line, value }) => [line.split(':', 1)[0], value]),
    }).toEqual({
      minor: theirs?.minor,
      fields: theirs?.fields.map((text) => text.trim()),
    })
  }

  test('requests, damaged in 20 000 ways', () => {
    let taken = 0
    for (let seed = 1; seed <= runs; seed++) {
      const head = headOf(mutated(requestStreams, seed).toString('latin1'))
      let ours: ReturnType<typeof readRequest>
      try {
        ours = readRequest(head)
      } catch {
        continue
      }
      const { messages, error } = readByNode(Buffer.from(`${head}\r\n\r\n`, 'latin1'), 'request')
      if (isMethod(error)) continue
      taken++
      expect([head, error]).toEqual([head, undefined])
      const [theirs] = messages
      expect([theirs?.method, theirs?.target]).toEqual([ours.method, ours.target])
      // A body that is not there yet: neither has one where ours has none.
      expect([head, theirs?.complete || theirs?.upgrade]).toEqual([
        head,
        ours.framing.kind === 'none' || ours.upgrade !== undefined,
      ])
      compare(ours, theirs)
    }
    expect(taken).toBeGreaterThan(runs / 20)
  })

  test('answers, damaged in 20 000 ways', () => {
    let taken = 0
    for (let seed = 1; seed <= runs; seed++) {
      const head = headOf(mutated(answerStreams, seed).toString('latin1'))
      let ours: ReturnType<typeof readAnswer>
      try {
        ours = readAnswer(head, 'GET')
      } catch {
        continue
      }
      const { messages, error } = readByNode(Buffer.from(`${head}\r\n\r\n`, 'latin1'), 'answer')
      taken++
      expect([head, error]).toEqual([head, undefined])
      expect(messages[0]?.status).toBe(ours.status)
      compare(ours, messages[0])
    }
    expect(taken).toBeGreaterThan(runs / 20)
  })
})
