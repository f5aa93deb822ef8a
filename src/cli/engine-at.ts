/**
 * Where the engine is that a command asks: a Unix socket of this host, or a listener of its `admin` on
 * the network, where both sides show a certificate.
 */
import { lstat } from 'node:fs/promises'
import { InvalidArgumentError, Option, type Command as Program } from 'commander'
import { type Credentials, defaultSocketPath, readCredentials } from '../index.js'

/** A listener of an engine's `admin`. */
export interface RemoteEngine {
  readonly url: URL
  readonly credentials: Credentials
}

/** The path of a socket, or a listener. */
export type EngineAt = string | RemoteEngine

/** What a command takes to find its engine. */
export interface EngineAtOptions {
  socket?: string
  connect?: URL
  key?: string
  cert?: string
  ca?: string
}

/** Where `packaging/sluice.service` has its engine listen. */
export const unitSocketPath = '/run/sluice/sluice.sock'

/** For a person. */
export const nameOf = (at: EngineAt) => (typeof at === 'string' ? at : at.url.origin)

/** @throws {SluiceError} `ERR_SLUICE_ADMIN_CERTIFICATE` */
export async function engineAt(
  { socket, connect: url, key = '', cert = '', ca = '' }: EngineAtOptions,
  env: NodeJS.ProcessEnv,
): Promise<EngineAt> {
  if (!url) return socket ?? firstPresent([defaultSocketPath(env), unitSocketPath])
  return { url, credentials: await readCredentials({ key, cert, ca }) }
}

/** The first path at which there is something; the first of all, where there is nothing at any. */
export async function firstPresent(paths: readonly [string, ...string[]]): Promise<string> {
  for (const path of paths) {
    const found = await lstat(path).catch(() => undefined)
    if (found) return path
  }
  return paths[0]
}

/** Lets a command take `EngineAtOptions`. */
export function asksAnEngine(command: Program): Program {
  return command
    .option('--socket <path>', 'the administration socket to ask', socketPath)
    .addOption(
      new Option('--connect <url>', 'the engine to ask over the network: https://HOST:PORT')
        .argParser(httpsUrl)
        .conflicts('socket'),
    )
    .option('--cert <path>', 'with --connect: the certificate of the one who asks')
    .option('--key <path>', 'with --connect: its private key')
    .option('--ca <path>', "with --connect: the authority of the engine's certificate")
    .hook('preAction', (self) => {
      const { connect, cert, key, ca } = self.opts<EngineAtOptions>()
      const files = [cert, key, ca].filter((file) => file !== undefined).length
      if (connect && files < 3) self.error('error: --connect needs --cert, --key and --ca')
      if (!connect && files > 0) self.error('error: --cert, --key and --ca go with --connect')
    })
}

export function socketPath(given: string): string {
  if (given === '') throw new InvalidArgumentError('It is empty: give the path of a socket.')
  return given
}

function httpsUrl(given: string): URL {
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url?.protocol === 'https:' && url.pathname === '/') return url
  throw new InvalidArgumentError('Write it as https://10.1.0.254:9443.')
}
