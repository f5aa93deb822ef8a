import { once } from 'node:events'
import net from 'node:net'

/** What one connection carried, each direction. */
export interface Recording {
  client: Buffer
  server: Buffer
}

/** Stands between a client and a server on this machine, and keeps what each says. */
export class Recorder {
  readonly port: number
  readonly #server: net.Server
  readonly #recordings: Promise<Recording>[]

  private constructor(server: net.Server, recordings: Promise<Recording>[]) {
    this.#server = server
    this.#recordings = recordings
    this.port = (server.address() as net.AddressInfo).port
  }

  static async before(port: number): Promise<Recorder> {
    const recordings: Promise<Recording>[] = []
    const server = net.createServer({ allowHalfOpen: true }, (client) => {
      const options = { port, host: '127.0.0.1', allowHalfOpen: true }
      recordings.push(record(client, net.connect(options)))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Recorder(server, recordings)
  }

  /** The connections so far, in their order, each at its end. */
  async recordings(): Promise<Recording[]> {
    return await Promise.all(this.#recordings)
  }

  close(): void {
    this.#server.close()
  }
}

async function record(client: net.Socket, server: net.Socket): Promise<Recording> {
  const said = { client: [] as Buffer[], server: [] as Buffer[] }
  client.on('data', (bytes: Buffer) => said.client.push(bytes)).pipe(server)
  server.on('data', (bytes: Buffer) => said.server.push(bytes)).pipe(client)
  for (const [end, other] of [
    [client, server],
    [server, client],
  ] as const) {
    // One that was reset has said what it had to say, and the other one is heard to its end.
    end.on('error', () => {})
    end.on('close', () => other.resume().end())
  }
  await Promise.all([client, server].map((end) => new Promise((done) => end.on('close', done))))
  return { client: Buffer.concat(said.client), server: Buffer.concat(said.server) }
}
