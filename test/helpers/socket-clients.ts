/** Many TCP connections and UDP sockets of a namespace's kernel, held open as long as a test likes. */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type LabProcess, type Namespace, until } from '../../src/laboratory/index.js'
import { root } from './repository.js'

export interface Destination {
  host: string
  port: number
  /** Default 'tcp'. */
  protocol?: 'tcp' | 'udp'
  localAddress?: string
  localPort?: number
  /** TCP: it stays open for writing when the other side has ended. */
  allowHalfOpen?: boolean
  /** TCP: milliseconds of silence until the other side is probed. */
  keepAliveMs?: number
}

/** Why a socket could not be opened, or was lost: `ECONNREFUSED` for example. */
export class SocketError extends Error {
  constructor(readonly code: string) {
    super(code)
  }
}

interface Told {
  id: number
  event: 'ready' | 'open' | 'data' | 'close' | 'error'
  local?: string
  text?: string
  code?: string
}

export class ClientSocket {
  /** The own endpoint, as a server's log has it. */
  local = ''
  /** Everything that came, each UDP datagram in an entry of its own. */
  readonly received: string[] = []
  state: 'opening' | 'open' | 'closed' = 'opening'
  error: SocketError | undefined

  constructor(private readonly command: (what: object) => void) {}

  write(text: string): void {
    this.command({ write: text })
  }

  /** Closes its side (TCP) or the socket (UDP). */
  async end(): Promise<void> {
    this.command({ end: true })
    await until(`${this.local} is closed`, () => this.state === 'closed')
  }

  /** Gives a TCP connection up with a RST. */
  async reset(): Promise<void> {
    this.command({ reset: true })
    await until(`${this.local} is closed`, () => this.state === 'closed')
  }

  /** What came, once it matches. @throws {SocketError} where the socket was lost. */
  async untilReceived(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray> {
    return until(
      () => `${pattern} at ${this.local}, which received: ${this.received.join('').slice(-500)}`,
      () => {
        if (this.error) throw this.error
        return pattern.exec(this.received.join('')) ?? undefined
      },
      timeoutMs,
    )
  }

  /** Fetches from a web server over this connection, which stays open; gives the body. */
  async request(target = '/', headers = ''): Promise<string> {
    this.received.length = 0
    this.write(`GET ${target} HTTP/1.1\r\nHost: test\r\n${headers}\r\n`)
    const [, length] = await this.untilReceived(/content-length: (\d+)\r\n(.+\r\n)*\r\n/i)
    const [, body = ''] = await this.untilReceived(new RegExp(`\r\n\r\n(.{${length}})$`, 's'))
    return body
  }
}

export class SocketClients {
  private readonly sockets = new Map<number, ClientSocket>()

  private constructor(private readonly helper: LabProcess) {
    createInterface({ input: helper.stdout }).on('line', (line) => this.take(JSON.parse(line)))
  }

  static async start(at: Namespace): Promise<SocketClients> {
    const script = join(root, 'test/helpers/socket_clients.mjs')
    const helper = await at.spawn(process.execPath, [script])
    const clients = new SocketClients(helper)
    await helper.waitForOutput(/"ready"/)
    return clients
  }

  /** @throws {SocketError} where the other side refuses, or nothing answers. */
  async connect(to: Destination, timeoutMs?: number): Promise<ClientSocket> {
    const socket = this.open(to)
    await until(
      () => `a connection to ${to.host} port ${to.port}`,
      () => socket.state !== 'opening',
      timeoutMs,
    )
    if (socket.error) throw socket.error
    return socket
  }

  /** Begins to connect. */
  open(to: Destination): ClientSocket {
    const id = this.sockets.size + 1
    const command = (what: object) => this.helper.write(`${JSON.stringify({ id, ...what })}\n`)
    const socket = new ClientSocket(command)
    this.sockets.set(id, socket)
    command({ open: to })
    return socket
  }

  private take({ id, event, local, text, code }: Told): void {
    const socket = this.sockets.get(id)
    if (!socket) return
    if (local !== undefined) socket.local = local
    if (text !== undefined) socket.received.push(text)
    if (code !== undefined) socket.error = new SocketError(code)
    if (event === 'open') socket.state = 'open'
    if (event === 'close' || event === 'error') socket.state = 'closed'
  }
}
