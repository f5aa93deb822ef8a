/** Sound streams of HTTP/1.1, and what becomes of them under seeded damage. */

const host = 'Host: a.test\r\n'

export const requestStreams: string[] = [
  `GET /a/b?c=d HTTP/1.1\r\n${host}Accept: */*\r\nCookie: a=1; b="2"\r\n\r\n`,
  `GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n`,
  `\r\nGET http://a.test:80/x?y HTTP/1.1\r\nHost: a.test:80\r\n\r\n`,
  `POST /p HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhelloGET /next HTTP/1.1\r\n${host}\r\n`,
  `PUT /c HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0a\r\n0123456789\r\n0\r\nX: y\r\n\r\nHEAD /h HTTP/1.1\r\n${host}\r\n`,
  `POST /g HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  `CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n`,
  `OPTIONS * HTTP/1.1\r\n${host}Connection: close\r\n\r\n`,
  `GET /ws HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
]

export const answerStreams: string[] = [
  `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n`,
  `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n0\r\nX: y\r\n\r\n`,
  `HTTP/1.0 200 OK\r\nServer: x\r\n\r\nall that comes`,
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nall that comes`,
  `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nframes`,
  `HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
]

/** What is worth inserting somewhere: what has misled parsers. */
const snippets = [
  '\r',
  '\n',
  '\r\n',
  '\n\n',
  ' ',
  '\t',
  '\0',
  '\x0b',
  '\x7f',
  '\x80',
  '\xff',
  ':',
  ',',
  ';',
  '+',
  '-',
  '#',
  '"',
  '0',
  '1',
  'f',
  'G',
  '0x',
  ' \r\n',
  '\r\n ',
  '\r\n\t',
  '\r\r\n',
  ' :',
  ': ',
  ', ',
  'Content-Length: 5\r\n',
  'Content-Length: 05\r\n',
  'Content-Length: 6\r\n',
  'content-length:0\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Content-Length : 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding: xchunked\r\n',
  'transfer-encoding:\tchunked \r\n',
  'Transfer-Encoding : chunked\r\n',
  'Transfer-Encoding:\r\n chunked\r\n',
  'chunked, ',
  ', chunked',
  ';q=1',
  'Host: b.test\r\n',
  'Host:\r\n',
  'Connection: close\r\n',
  'X: \r\n',
  'X\r\n',
  '5\r\n',
  '0\r\n\r\n',
  '8000000000000000',
  '/',
  '*',
  ' HTTP/1.1',
  'HTTP/1.0',
  '?',
  '@',
  '[::1]',
] as const

/** Draws of a seed (mulberry32). */
function draws(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) % below
  }
}

function damaged(text: string, draw: (below: number) => number): string {
  const at = draw(text.length + 1)
  const snippet = snippets[draw(snippets.length)] ?? ''
  switch (draw(5)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1 + draw(2))
    case 1:
      return text.slice(0, at) + snippet + text.slice(at + 1)
    case 2: {
      // A line twice.
      const from = text.lastIndexOf('\n', at - 1) + 1
      const to = text.indexOf('\n', at) + 1 || text.length
      return text.slice(0, to) + text.slice(from)
    }
    case 3: {
      // A snippet at the beginning of a line, where fields are.
      const line = text.indexOf('\n', at) + 1
      return text.slice(0, line) + snippet + text.slice(line)
    }
    default:
      return text.slice(0, at) + snippet + text.slice(at)
  }
}

/** The stream of a seed: one of `streams`, with one to three places damaged; seed 0 and some leave it whole. */
export function mutated(streams: string[], seed: number): Buffer {
  const draw = draws(seed)
  let text = streams[seed % streams.length] ?? ''
  for (let left = draw(4); left > 0; --left) text = damaged(text, draw)
  return Buffer.from(text, 'latin1')
}
