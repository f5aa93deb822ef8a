/**
 * What a service may do with a socket and what it is told then, written once for `node:net` and for
 * the engine's sockets (SOCK-02): where the logs of the two differ, a user of `node:net` would notice.
 * Each scenario runs on an accepted connection, and its log is printed when that is closed.
 */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'

/** Opens a connection to a server; undefined options are those of `node:net`. */
export type Open = (server: { host: string; port: number }) => Promise<Socket>

export interface Scene {
  socket: Socket
  log: EventLog
  open: Open
  /** An echo server, and a port of it where nobody listens. */
  server: { host: string; port: number; closedPort: number }
}

/** How much of the data a log shows as it is. */
const SHOWN = 64

export class EventLog {
  readonly #entries: string[] = []
  #pending: Buffer[] = []

  add(entry: string): void {
    this.#flush()
    this.#entries.push(entry)
  }

  /** How bytes are cut into chunks is nobody's promise: those that follow each other are one entry. */
  data(chunk: Buffer | string): void {
    this.#pending.push(Buffer.from(chunk))
  }

  get entries(): string[] {
    this.#flush()
    return this.#entries
  }

  #flush(): void {
    if (this.#pending.length === 0) return
    const bytes = Buffer.concat(this.#pending)
    this.#pending = []
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const what = bytes.length <= SHOWN ? bytes.toString() : `${bytes.length} bytes, ${sha256}`
    this.#entries.push(`data ${what}`)
  }
}

/** The events that a socket has without being asked for them. */
function watch(socket: Socket, log: EventLog): void {
  for (const event of ['end', 'finish', 'timeout', 'drain']) socket.on(event, () => log.add(event))
  socket.on('error', (error: NodeJS.ErrnoException) => log.add(`error ${error.code}`))
  socket.on('close', (hadError) => log.add(`close ${hadError}`))
}

function logData({ socket, log }: Scene): void {
  socket.on('data', (chunk) => log.data(chunk))
}

/** Sockets that wait for another connection, by scenario and family. */
const waiting = new Map<string, () => void>()
const keyOf = (socket: Socket) => String(socket.localFamily)

/** By name; the order of the keys gives each its port. */
export const scenarios: Record<string, (scene: Scene) => void | Promise<void>> = {
  echo({ socket, log }) {
    socket.on('data', (chunk) => {
      log.data(chunk)
      socket.write(chunk)
    })
    socket.on('end', () => socket.end())
  },

  clientEndsFirst(scene) {
    logData(scene)
    scene.socket.on('end', () => scene.socket.end('answer'))
  },

  /** Both sides end with the first, unless somebody says otherwise. */
  endsWithPeer(scene) {
    scene.socket.allowHalfOpen = false
    logData(scene)
  },

  serverEndsFirst(scene) {
    logData(scene)
    scene.socket.end('bye')
  },

  pauses({ socket, log }) {
    socket.once('data', () => {
      socket.pause()
      log.add(`paused ${socket.isPaused()}`)
      waiting.set(keyOf(socket), () => {
        log.add('resumed')
        socket.resume()
      })
      socket.write('go')
    })
    socket.on('data', (chunk) => log.data(chunk))
    socket.on('end', () => socket.end())
  },

  /** Nobody listens until the second connection is there, and nothing is lost meanwhile. */
  listensLate(scene) {
    const { socket } = scene
    waiting.set(keyOf(socket), () => {
      logData(scene)
      socket.on('end', () => socket.end())
    })
  },

  /** The second connection of those that wait for one. */
  wakes({ socket }) {
    const wake = waiting.get(keyOf(socket))
    waiting.delete(keyOf(socket))
    wake?.()
    socket.end()
    socket.resume()
  },

  settings({ socket, log }) {
    const returned = [
      socket.setNoDelay(),
      socket.setNoDelay(false),
      socket.setKeepAlive(true, 5000),
      socket.setKeepAlive(false),
      socket.setTimeout(1000),
      socket.setTimeout(0),
      socket.unref(),
      socket.ref(),
    ]
    log.add(`returned itself ${returned.every((one) => one === socket)}`)
    socket.resume().end()
  },

  times({ socket, log }) {
    socket.setTimeout(50, () => {
      log.add('timed out')
      socket.setTimeout(0)
      socket.end('late')
    })
    log.add(`timeout ${socket.timeout}`)
    socket.resume()
  },

  addresses({ socket, log }) {
    const { localAddress, localPort, localFamily } = socket
    const { remoteAddress, remotePort, remoteFamily } = socket
    log.add(JSON.stringify(socket.address()))
    log.add(JSON.stringify({ localAddress, localPort, localFamily }))
    log.add(JSON.stringify({ remoteAddress, remotePort, remoteFamily }))
    socket.resume().end()
  },

  states({ socket, log }) {
    const state = () =>
      log.add(
        `${socket.readyState} connecting ${socket.connecting} destroyed ${socket.destroyed} ` +
          `readable ${socket.readable} writable ${socket.writable}`,
      )
    log.add(`pending ${socket.pending}`)
    state()
    socket.on('end', () => {
      state()
      socket.end('bye')
      state()
    })
    socket.on('close', state)
    socket.resume()
  },

  counts({ socket, log }) {
    const count = () => log.add(`read ${socket.bytesRead} written ${socket.bytesWritten}`)
    count()
    socket.on('end', () => socket.end('four'))
    socket.on('close', count)
    socket.resume()
  },

  destroys({ socket }) {
    socket.once('data', () => socket.destroy())
  },

  destroysWithError({ socket }) {
    socket.once('data', () => socket.destroy(Object.assign(new Error('mine'), { code: 'MINE' })))
  },

  destroysSoon({ socket }) {
    socket.once('data', () => {
      socket.write('bye')
      socket.destroySoon()
    })
  },

  resets({ socket }) {
    socket.once('data', () => socket.resetAndDestroy())
  },

  isReset({ socket, log }) {
    socket.on('data', (chunk) => {
      log.data(chunk)
      socket.write('answer')
    })
  },

  writesAfterEnd({ socket, log }) {
    socket.resume()
    socket.end('bye', () => {
      socket.write('more', (error) => log.add(`written ${(error as NodeJS.ErrnoException)?.code}`))
    })
  },

  /** A character of three bytes that came in two pieces. */
  decodes(scene) {
    scene.socket.setEncoding('utf8')
    logData(scene)
    scene.socket.on('end', () => scene.socket.end())
  },

  callsBack({ socket, log }) {
    for (const text of ['a', 'b']) socket.write(text, () => log.add(`written ${text}`))
    socket.end('c', () => log.add('ended'))
    socket.resume()
  },

  corks({ socket, log }) {
    socket.cork()
    for (const text of ['a', 'b', 'c']) socket.write(text)
    log.add(`corked ${socket.writableCorked} with ${socket.writableLength}`)
    socket.uncork()
    socket.resume().end()
  },

  sendsMuch({ socket, log }) {
    log.add(`wrote ${socket.write(Buffer.alloc(MUCH, 'x'))}`)
    socket.on('drain', () => socket.end())
    socket.on('close', () => log.add(`written ${socket.bytesWritten}`))
    socket.resume()
  },

  takesMuch(scene) {
    logData(scene)
    scene.socket.on('end', () => scene.socket.end(`${scene.socket.bytesRead}`))
  },

  async connects({ socket, log, open, server }) {
    socket.resume()
    const outbound = await open(server)
    watch(outbound, log)
    log.add(`${outbound.remoteAddress} ${outbound.remotePort} ${outbound.readyState}`)
    outbound.on('data', (chunk) => {
      // The own port is any.
      log.data(chunk.toString().replace(/:\d+ 1 /, ' 1 '))
      outbound.end()
    })
    outbound.on('close', () => socket.end())
    outbound.write('line\n')
  },

  async isRefused({ socket, log, open, server }) {
    socket.resume()
    try {
      await open({ host: server.host, port: server.closedPort })
    } catch (error) {
      const { code, syscall, address, port } = error as NodeJS.ErrnoException & {
        port?: number
      } & {
        address?: string
      }
      log.add(`${code} ${syscall} ${address} ${port}`)
    }
    socket.end()
  },
}

/** More than either side takes at once: `write` says so, and 'drain' follows. */
export const MUCH = 16_000_000

/** What is told of a scenario when its connection is over. */
export interface Played {
  scenario: string
  family: string
  log: string[]
}

/** Runs a scenario on an accepted connection. */
export function play(
  scenario: string,
  socket: Socket,
  { open, server }: Pick<Scene, 'open' | 'server'>,
): void {
  const log = new EventLog()
  const family = String(socket.localFamily)
  watch(socket, log)
  socket.on('close', () => {
    // What other listeners of the same event say belongs to it.
    setImmediate(() => console.log(JSON.stringify({ scenario, family, log: log.entries })))
  })
  scenarios[scenario]?.({ socket, log, open, server })
}
