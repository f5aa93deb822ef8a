/** A server's connection while it serves one client: one request, or several behind each other. */
import type { SocketPair } from '../socket/pair.js'
import { Progress } from './progress.js'
import { StreamReader } from './stream-reader.js'

export interface ServerAddress {
  readonly address: string
  readonly port: number
}

export class ServerSide {
  readonly reader: StreamReader
  /** Of its requests' and answers' bodies. */
  readonly progress: Progress
  readonly #at: ServerAddress

  constructor(
    readonly pair: SocketPair,
    at: ServerAddress,
  ) {
    this.reader = new StreamReader(pair.outbound)
    this.progress = new Progress(pair)
    this.#at = at
  }

  /** Whether it has served before: then its server may end it at any time. */
  get isReused(): boolean {
    return this.pair.outbound.bytesRead > 0
  }

  /** Whether it can serve a request for that server: nothing has come that nobody asked for. */
  suits({ address, port }: ServerAddress): boolean {
    const { mode, outbound } = this.pair
    const isOpen = mode === 'proxied' && outbound.writable && !outbound.readableEnded
    const isThere = this.#at.address === address && this.#at.port === port
    return isThere && isOpen && !this.reader.hasBytes
  }

  /** Ends the pair; the connection is free. */
  async part(): Promise<void> {
    this.reader.stop()
    this.progress.stop()
    await this.pair.disassociate().catch(() => {})
  }

  /** Nobody is to have it any more. */
  async end(): Promise<void> {
    await this.part()
    this.pair.outbound.resetAndDestroy()
  }
}
