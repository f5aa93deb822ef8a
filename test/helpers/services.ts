/** Services for tests: each makes a function of the kind that a configuration has. */
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ServiceFunction, Socket, Stack } from '../../src/index.js'

/** A laboratory's first server. */
export const SERVER = { 4: '10.1.0.11', 6: '2001:db8:2::11' } as const

/** A server's address for each family. */
export type Server = Readonly<Record<4 | 6, string>>

/** The associated connection to a server of the client's family. */
export function associated(
  stack: Stack,
  inbound: Socket,
  server: Server,
  port: number,
  signal?: AbortSignal,
): Promise<Socket> {
  const address = server[inbound.identity.family]
  return stack.connect({ address, port, associateWith: inbound, ...(signal && { signal }) })
}

/** Everything passes, each way, until both sides have ended. */
export function join(inbound: Socket, outbound: Socket): Promise<void> {
  // As those of a pair are.
  for (const socket of [inbound, outbound]) socket.allowHalfOpen = true
  return pipeline(inbound, outbound, inbound)
}

/** The associated connection at once, and everything passes by pipes. */
export function pipeTo(server: Server, port: number): ServiceFunction {
  return async (inbound, { stack }) => {
    await join(inbound, await associated(stack, inbound, server, port))
  }
}

/** The same by `process`. */
export function processTo(server: Server, port: number): ServiceFunction {
  return async (inbound, { stack }) => {
    const outbound = await associated(stack, inbound, server, port)
    outbound.pair?.process()
  }
}

/** The same through transforms that change nothing: JavaScript has every byte. */
export function transformTo(server: Server, port: number): ServiceFunction {
  return async (inbound, { stack }) => {
    const outbound = await associated(stack, inbound, server, port)
    outbound.pair?.process(identity())
  }
}

/** Transforms that change nothing. */
export const identity = () => ({ c2s: new PassThrough(), s2c: new PassThrough() })

/** The same by who asks for the next piece when the last one is gone, and no sooner. */
export function pullTo(server: Server, port: number): ServiceFunction {
  return async (inbound, { stack }) => {
    const outbound = await associated(stack, inbound, server, port)
    await Promise.all([pull(inbound, outbound), pull(outbound, inbound)])
  }
}

async function pull(source: Socket, target: Socket): Promise<void> {
  for await (const piece of source) {
    await new Promise<void>((resolve, reject) => {
      target.write(piece, (error) => (error ? reject(error) : resolve()))
    })
  }
  target.end()
}

/** The same, but the engine moves the bytes and JavaScript may not. */
export function relayTo(server: Server, port: number): ServiceFunction {
  return async (inbound, { stack }) => {
    const outbound = await associated(stack, inbound, server, port)
    await outbound.pair?.unproxy({ depth: 'relay' })
  }
}

/** The same, but the hosts at the ends run one connection, of which the engine only rewrites headers. */
export function spliceTo(server: Server, port: number): ServiceFunction {
  return async (inbound, { stack }) => {
    const outbound = await associated(stack, inbound, server, port)
    await outbound.pair?.unproxy({ depth: 'splice' })
  }
}

/** Tells that it has a connection, blocks all of JavaScript until it may go on, then is `service`. */
export function blocking(service: ServiceFunction, mayGoOn: () => boolean): ServiceFunction {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  return (inbound, context) => {
    console.log('blocked')
    while (!mayGoOn()) Atomics.wait(cell, 0, 0, 10)
    console.log('goes on')
    return service(inbound, context)
  }
}

/** Answers whatever is asked in HTTP, and closes first: the TIME-WAIT is the engine's. */
export function answerAndClose(body: string): ServiceFunction {
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  return (inbound) => {
    inbound.once('data', () => inbound.end(answer))
  }
}

/** Closes at once. */
export function closeFirst(): ServiceFunction {
  return (inbound) => {
    inbound.resume().end()
  }
}

/** What comes goes back. */
export function echo(): ServiceFunction {
  return (inbound) => {
    inbound.pipe(inbound)
  }
}
