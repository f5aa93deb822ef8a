/** What one who asks may take of the process, whichever way he comes. */

/** Connections at once, of one listener; more wait for nothing and are closed. */
export const mostConnections = 256

/** Options of `node:http`: the time for a whole head and a whole request, and the bytes of a head. */
export const requestBounds = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  maxHeaderSize: 16_384,
}
