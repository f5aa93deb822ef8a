/**
 * What goes wrong with sockets. Where users of node:net know a code it is that one; what only an
 * engine of this kind has is a SluiceError.
 */
import { isIPv6 } from 'node:net'
import { constants } from 'node:os'
import { formatEndpoint } from '../bus/address.js'
import type { Endpoint } from '../endpoint.js'
import { SluiceError } from '../errors.js'
import { StreamEnd } from '../generated/streams.js'

type Errno = 'ECONNREFUSED' | 'ECONNRESET' | 'ECONNABORTED' | 'ETIMEDOUT' | 'EPIPE'

export interface SocketException extends NodeJS.ErrnoException {
  address?: string
  port?: number
}

function exception(code: Errno, syscall: string, place = ''): SocketException {
  const error: SocketException = new Error(`${syscall} ${code}${place}`)
  error.errno = -constants.errno[code]
  error.code = code
  error.syscall = syscall
  return error
}

/** Why a connection ended before its time; undefined where it did not. */
export function endError(reason: number): Error | undefined {
  switch (reason) {
    case StreamEnd.finished:
      return undefined
    case StreamEnd.timedOut:
      return exception('ETIMEDOUT', 'read')
    case StreamEnd.aborted:
      return exception('ECONNABORTED', 'read')
    case StreamEnd.noMemory:
      return noMemory()
    default:
      return exception('ECONNRESET', 'read')
  }
}

/** Why a flow of UDP ended before its user closed it; undefined where it was silent, which is no error. */
export function datagramEndError(reason: number, { address, port }: Endpoint): Error | undefined {
  switch (reason) {
    case StreamEnd.timedOut:
      return undefined
    case StreamEnd.refused:
      return refused(reason, address, port, 'recvmsg')
    case StreamEnd.noRoute:
      return connectError(reason, address, port)
    default:
      return endError(reason)
  }
}

export const datagramTooLarge = (length: number, most: number) =>
  sentence(
    'ERR_SLUICE_DATAGRAM_SIZE',
    `A datagram of ${length} bytes cannot be sent there.`,
    `Send ${most} bytes at most.`,
  )

/** A write after the connection is over. */
export const brokenPipe = (): Error => exception('EPIPE', 'write')

/** Why a connection could not be opened. */
export function connectError(reason: number, address: string, port: number): Error {
  const to = formatEndpoint({ address, port, family: isIPv6(address) ? 6 : 4 })
  switch (reason) {
    case StreamEnd.refused:
    case StreamEnd.reset:
    case StreamEnd.finished:
      return refused(reason, address, port)
    case StreamEnd.timedOut:
      return sentence('ERR_SLUICE_TIMEOUT', `${to} does not answer.`, 'Take another server.')
    case StreamEnd.noRoute:
      return sentence(
        'ERR_SLUICE_NO_ROUTE',
        `There is no way to ${to}, or its next hop does not answer.`,
        'Look at `routes` and at the addresses of `ports`.',
      )
    case StreamEnd.noMemory:
      return noMemory()
    case StreamEnd.tupleInUse:
      return sentence(
        'ERR_SLUICE_TUPLE_IN_USE',
        `Another connection to ${to} has the same address and port.`,
        'Take another server, or preserveClient: { port: false }.',
      )
    case StreamEnd.noSuchSocket:
      return closed('The client is gone.')
    case StreamEnd.badAddress:
      return sentence(
        'ERR_SLUICE_ADDR_NOT_OWNED',
        `A connection to ${to} cannot be opened from that address.`,
        'Take an address of the engine, or leave localAddress out.',
      )
    default:
      return closed(`The connection to ${to} was given up.`)
  }
}

function refused(
  reason: number,
  address: string,
  port: number,
  syscall = 'connect',
): SocketException {
  const code = reason === StreamEnd.refused ? 'ECONNREFUSED' : 'ECONNRESET'
  const error = exception(code, syscall, ` ${address}:${port}`)
  return Object.assign(error, { address, port })
}

const sentence = (code: `ERR_SLUICE_${string}`, message: string, remedy: string, passed?: bigint) =>
  new SluiceError(code, message, remedy, { passed })

const noMemory = () =>
  sentence(
    'ERR_SLUICE_MEMORY',
    'The memory of connections, or of their buffers, is used up.',
    'Raise `limits.connections` or `limits.bufferMemory`.',
  )

export const closed = (message: string, passed?: bigint) =>
  sentence('ERR_SLUICE_CLOSED', message, 'Nothing is left to do with it.', passed)

export const inUse = (what: string) =>
  sentence('ERR_SLUICE_IN_USE', `${what} is in a pair already.`, 'Disassociate that pair first.')

export const parkDirty = (socket: number) =>
  sentence(
    'ERR_SLUICE_PARK_DIRTY',
    `Socket ${socket} has bytes on their way, or an end.`,
    'Park what both sides are done with; close it otherwise.',
  )

export const wrongState = (message: string, remedy: string, passed?: bigint) =>
  sentence('ERR_SLUICE_STATE', message, remedy, passed)

export const wrongCount = (bytes: unknown) =>
  sentence(
    'ERR_SLUICE_BYTE_COUNT',
    `${String(bytes)} is no number of bytes.`,
    'Name an integer from 1 to 2 ** 64 - 1; beyond Number.MAX_SAFE_INTEGER a bigint.',
  )

export const buffered = (message: string) =>
  sentence(
    'ERR_SLUICE_BUFFERED',
    message,
    'Read or write them first, or set adoptBuffered, or leave drain: reject out.',
  )

export const unproxied = () =>
  sentence(
    'ERR_SLUICE_UNPROXIED',
    'The bytes of this socket move in the engine.',
    'Call proxy() of its pair first.',
  )

export const reentrant = () =>
  sentence(
    'ERR_SLUICE_REENTRANT',
    'It waits for a transform of the pair that waits for it.',
    'Let the transform be done first: call it without waiting for it, or from elsewhere.',
  )

export const stopped = () =>
  sentence('ERR_SLUICE_STOPPED', 'The engine was stopped.', 'Start a new one.')

export const wrongIdentity = (message: string, remedy: string) =>
  sentence('ERR_SLUICE_IDENTITY', message, remedy)
