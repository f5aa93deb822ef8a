// The server's side of a WebSocket (RFC 6455): each text comes back. Frames are small and whole.
import { createHash } from 'node:crypto'

const TEXT = 1
const CLOSE = 8

/** Of an upgrade, as Node's server tells it; one without a right key is refused (RFC 6455 4.2.1). */
export function echoTexts({ headers }, socket, head) {
  const key = headers['sec-websocket-key'] ?? ''
  const isKey = Buffer.from(key, 'base64').length === 16
  if (!isKey || headers['sec-websocket-version'] !== '13') {
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    return
  }
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
  const switched =
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
  socket.write(`${switched}Sec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`)
  let unread = head
  const take = () => {
    for (let frame = readFrame(unread); frame; frame = readFrame(unread)) {
      unread = frame.rest
      if (frame.kind === TEXT) socket.write(frameOf(TEXT, frame.text))
      else if (frame.kind === CLOSE) socket.end(frameOf(CLOSE, frame.text))
      else socket.destroy()
    }
  }
  socket.on('data', (bytes) => {
    unread = Buffer.concat([unread, bytes])
    take()
  })
  socket.on('error', () => {})
  take()
}

/** Undefined where not all of it is there. A client masks what it sends (RFC 6455 5.3). */
function readFrame(bytes) {
  const isLong = (bytes[1] & 0x7f) === 126
  const at = isLong ? 4 : 2
  if (bytes.length < at) return undefined
  if (bytes[1] < 0x80 || bytes[1] === 0xff)
    throw new Error('a frame that no small one of a client is')
  const mask = bytes.subarray(at, at + 4)
  const end = at + 4 + (isLong ? bytes.readUInt16BE(2) : bytes[1] & 0x7f)
  if (bytes.length < end) return undefined
  const text = bytes.subarray(at + 4, end).map((byte, index) => byte ^ mask[index % 4])
  return { kind: bytes[0] & 0x0f, text, rest: bytes.subarray(end) }
}

function frameOf(kind, text) {
  const head = Buffer.from([0x80 | kind, Math.min(text.length, 126), 0, 0])
  head.writeUInt16BE(text.length, 2)
  return Buffer.concat([head.subarray(0, text.length < 126 ? 2 : 4), text])
}
