/**
 * Serves the administration interface on a Unix socket that only its owner and its group may open.
 */
import { chmod } from 'node:fs/promises'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { SluiceError } from '../errors.js'
import { createAdminApp } from './app.js'
import { mostConnections, requestBounds } from './bounds.js'
import { claimSocketPath } from './socket.js'
import type { AdminSource } from './source.js'

const socketMode = 0o660

/** A listening administration interface. */
export class AdminServer implements AsyncDisposable {
  readonly socketPath: string
  readonly #server: Server

  private constructor(source: AdminSource, socketPath: string) {
    this.socketPath = socketPath
    const app = createAdminApp(source, { write: true })
    const options = { fetch: app.fetch, serverOptions: requestBounds }
    this.#server = createAdaptorServer(options) as Server
    this.#server.maxConnections = mostConnections
  }

  /**
   * Listens on `socketPath`, in the place of a socket that a dead process left there.
   * @throws {SluiceError} `ERR_SLUICE_SOCKET`: in use by a live process, or not to be had.
   */
  static async listen(source: AdminSource, socketPath: string): Promise<AdminServer> {
    await claimSocketPath(socketPath)
    const admin = new AdminServer(source, socketPath)
    await admin.#listen()
    await chmod(socketPath, socketMode)
    return admin
  }

  /** Stops listening, ends every connection and removes the socket file. Idempotent. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => {
        reject(
          new SluiceError(
            'ERR_SLUICE_SOCKET',
            `The engine cannot listen on ${this.socketPath}: ${cause.code}.`,
            'See that its directory exists and may be written, or choose a path with --socket.',
            { cause },
          ),
        )
      })
      this.#server.listen(this.socketPath, resolve)
    })
  }
}
