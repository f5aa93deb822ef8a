/** Real data bases in a laboratory's server namespaces: PostgreSQL and Redis, and psql(1) for the former. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach } from 'vitest'
import type {
  CommandResult,
  Host,
  Laboratory,
  LabProcess,
  Namespace,
} from '../../src/laboratory/index.js'
import { untilListening } from './servers.js'

export const POSTGRES_PORT = 5432
export const REDIS_PORT = 6379

/** Debian keeps the programs of each version of PostgreSQL in a folder of their own. */
const VERSIONS = '/usr/lib/postgresql'

/** PostgreSQL does not run as root. Nobody else has a use for its files. */
const AS_NOBODY = ['--reuid=nobody', '--regid=nogroup', '--clear-groups', '--']

/** Skips each test of the file or `describe` where PostgreSQL's server cannot run. */
export function requirePostgres(): void {
  beforeEach(({ skip }) => {
    if (!postgresFolder()) skip('not installed: postgresql. Run scripts/setup.')
    const denied = readFileSync('/proc/self/setgroups', 'utf8').trim() === 'deny'
    if (denied) skip('PostgreSQL wants another user than root, and here is none. Run as root.')
  })
}

/** One PostgreSQL server with an empty data base `postgres`; whoever comes may do anything. */
export class PostgresServer {
  private constructor(
    readonly host: Host,
    readonly process: LabProcess,
  ) {}

  static async start(lab: Laboratory, host: Host): Promise<PostgresServer> {
    const at = host.namespace
    const folder = join(lab.folder, `postgres-${host.name}`)
    await at.exec('install', ['-d', '-o', 'nobody', '-g', 'nogroup', '-m', '700', folder])
    const asNobody = (program: string, args: string[]) =>
      [...AS_NOBODY, postgresProgram(program), ...args, '-D', folder] as const
    const layOut = ['--auth=trust', '--username=postgres', '--encoding=UTF8', '--no-sync']
    await at.exec('setpriv', asNobody('initdb', layOut), { cwd: '/' })
    // The default lets in whoever comes from the host itself.
    await at.exec('tee', ['-a', join(folder, 'pg_hba.conf')], {
      input: 'host all all all trust\n',
    })
    const addresses = lab.families.map((family) => host.address(family))
    const settings = {
      listen_addresses: addresses.join(','),
      unix_socket_directories: '',
      fsync: 'off',
    }
    const options = Object.entries(settings).map(([key, value]) => `--${key}=${value}`)
    const process = await at.spawn('setpriv', asNobody('postgres', options), { cwd: '/' })
    await untilListening(at, process, addresses.map(withPort(POSTGRES_PORT)))
    return new PostgresServer(host, process)
  }
}

/** What psql answers, one row on each line, columns between `|`. */
export async function sql(from: Namespace, address: string, query: string): Promise<string> {
  const { stdout } = await postgresClient(from, 'psql', address, ['-XAtc', query])
  return stdout.trim()
}

export function pgbench(
  from: Namespace,
  address: string,
  args: readonly string[],
): Promise<CommandResult> {
  return postgresClient(from, 'pgbench', address, args)
}

/** One Redis server that keeps nothing on disk. */
export async function startRedis(lab: Laboratory, host: Host): Promise<LabProcess> {
  const folder = join(lab.folder, `redis-${host.name}`)
  mkdirSync(folder)
  chmodSync(folder, 0o755)
  const addresses = lab.families.map((family) => host.address(family))
  const open = ['--protected-mode', 'no', '--save', '', '--dir', folder]
  const process = await host.namespace.spawn('redis-server', [
    ...open,
    ...['--port', String(REDIS_PORT), '--bind', ...addresses],
  ])
  await untilListening(host.namespace, process, addresses.map(withPort(REDIS_PORT)))
  return process
}

/** What a Redis server answers to one command. */
export async function redis(from: Namespace, address: string, command: string[]): Promise<string> {
  const to = ['-h', address, '-p', String(REDIS_PORT)]
  return (await from.exec('redis-cli', [...to, ...command])).stdout.trim()
}

function postgresClient(
  from: Namespace,
  program: string,
  address: string,
  args: readonly string[],
) {
  const to = ['-h', address, '-p', String(POSTGRES_PORT), '-U', 'postgres']
  return from.exec(postgresProgram(program), [...to, ...args, 'postgres'])
}

const withPort = (port: number) => (address: string) =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

function postgresProgram(name: string): string {
  return join(postgresFolder() ?? VERSIONS, name)
}

function postgresFolder(): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : []
  const folders = versions.map((version) => join(VERSIONS, version, 'bin'))
  return folders.find((folder) => existsSync(join(folder, 'postgres')))
}
