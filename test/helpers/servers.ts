/** Real servers in a laboratory's server namespaces: nginx and iperf3. */
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  type Family,
  type Host,
  type Laboratory,
  type LabProcess,
  type Namespace,
  until,
} from '../../src/laboratory/index.js'
import { writeContents } from './contents.js'
import { root } from './repository.js'

export interface LoggedRequest {
  /** The client's address and port as the server saw them: `192.0.2.10:40000`, `[2001:..]:40000`. */
  client: string
  status: number
  target: string
}

export interface NginxOptions {
  port?: number
  /** Off for measurements; `log()` has nothing to read then. */
  accessLog?: boolean
  /** Further addresses, which the host has. */
  also?: (family: Family) => string
}

/**
 * One nginx. `GET /` answers with the server's name; `GET /bytes/N` with a file that `addFile(N)` made,
 * `GET /paced/N` too, at 20 MB/s.
 */
export class NginxServer {
  private constructor(
    readonly host: Host,
    readonly process: LabProcess,
    private readonly folder: string,
  ) {}

  /** Starts nginx on every address of `host`; returns once it accepts connections. */
  static async start(
    lab: Laboratory,
    host: Host,
    { port = 80, accessLog = true, also }: NginxOptions = {},
  ): Promise<NginxServer> {
    const folder = join(lab.folder, `nginx-${host.name}-${port}`)
    mkdirSync(join(folder, 'bytes'), { recursive: true })
    chmodSync(folder, 0o755)
    const addresses = lab.families.flatMap((family) =>
      [host.address(family), ...(also ? [also(family)] : [])].map((address) =>
        family === 4 ? `${address}:${port}` : `[${address}]:${port}`,
      ),
    )
    const file = join(folder, 'nginx.conf')
    writeFileSync(file, configuration(folder, host.name, addresses, accessLog))
    const args = ['-p', folder, '-c', file, '-e', join(folder, 'error.log')]
    const process = await host.namespace.spawn('nginx', args)
    await untilListening(host.namespace, process, addresses)
    return new NginxServer(host, process, folder)
  }

  /** Makes /bytes/N there to fetch. Returns the SHA-256 of its N bytes. */
  addFile(size: number): Promise<string> {
    return writeContents(join(this.folder, 'bytes', String(size)), size)
  }

  /** `/bytes/N` is not found any more. */
  removeFile(size: number): void {
    rmSync(join(this.folder, 'bytes', String(size)))
  }

  /** Serves a file that is there already, below /bytes/ under its own name. */
  linkFile(path: string): void {
    symlinkSync(path, join(this.folder, 'bytes', basename(path)))
  }

  /** What was served so far, oldest first. A request is logged when its answer is sent. */
  log(): LoggedRequest[] {
    const lines = readFileSync(join(this.folder, 'access.log'), 'utf8').split('\n')
    return lines.filter(Boolean).map((line) => {
      const [client = '', status, target = ''] = line.split(' ')
      return { client, status: Number(status), target }
    })
  }

  /** The log, once it holds at least `count` requests. */
  untilLogged(count: number): Promise<LoggedRequest[]> {
    return until(
      () => `${count} requests in the log of ${this.host.name}, has ${this.log().length}`,
      () => {
        const log = this.log()
        return log.length >= count && log
      },
    ) as Promise<LoggedRequest[]>
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGTERM')
  }
}

/** One nginx for each server of the laboratory. */
export function startServers(lab: Laboratory, options?: NginxOptions): Promise<NginxServer[]> {
  return Promise.all(lab.servers.map((host) => NginxServer.start(lab, host, options)))
}

/** Starts an iperf3 server on every address of `host`. */
export async function startIperf(host: Host, port = 5201): Promise<LabProcess> {
  const process = await host.namespace.spawn('iperf3', ['-s', '-p', String(port), '--forceflush'])
  await untilListening(host.namespace, process, [`:${port}`])
  return process
}

/**
 * Waits until the iperf3 servers have put `tests` tests behind them, all together: until then the one
 * concerned refuses another, and does not listen for a moment.
 */
export async function untilTested(servers: readonly LabProcess[], tests: number): Promise<void> {
  const begun = (server: LabProcess) =>
    Math.max(...Array.from(server.output().matchAll(/\(test #(\d+)\)/g), ([, nth]) => Number(nth)))
  await until(
    `${tests} tests ended`,
    () => servers.reduce((sum, server) => sum + begun(server) - 1, 0) === tests,
  )
}

/**
 * Starts echo servers, TCP and UDP, on every address of `hosts`, which share a namespace. Each line
 * or datagram comes back behind the server's own address, the client's endpoint and its number.
 */
export async function startEcho(lab: Laboratory, hosts: Host[], port = 7): Promise<LabProcess> {
  const script = join(root, 'test/helpers/echo_servers.mjs')
  const addresses = hosts.flatMap((host) => lab.families.map((family) => host.address(family)))
  const [at] = hosts
  if (!at) throw new Error('no host')
  const args = [script, String(port), ...addresses]
  const process = await at.namespace.spawn(globalThis.process.execPath, args)
  await process.waitForOutput(/^ready$/m)
  return process
}

/** Waits until there is a listening socket for each of `addresses`, given as ss(8) writes them. */
export async function untilListening(
  namespace: Namespace,
  process: LabProcess,
  addresses: string[],
): Promise<void> {
  const filter = addresses.map((address) => `src ${address}`).join(' or ')
  await until(
    () => `a server on ${addresses.join(', ')} in ${namespace.role}. It says: ${process.output()}`,
    async () => {
      if (!process.running) throw new Error(`the server has ended: ${process.output()}`)
      const { stdout } = await namespace.exec('ss', ['-Hltn', filter])
      return stdout.split('\n').filter(Boolean).length >= addresses.length
    },
  )
}

function configuration(
  folder: string,
  name: string,
  addresses: string[],
  accessLog: boolean,
): string {
  // `user root`: in a user namespace there is nobody else to become.
  return `
user root;
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 8192; }
http {
  log_format seen '$seen_client $status $request_uri';
  map $remote_addr $seen_client {
    ~:      '[$remote_addr]:$remote_port';
    default '$remote_addr:$remote_port';
  }
  access_log ${accessLog ? `${folder}/access.log seen` : 'off'};
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  client_max_body_size 0;
  default_type application/octet-stream;
  server {
${addresses.map((address) => `    listen ${address};`).join('\n')}
    location = / { default_type text/plain; return 200 '${name}\\n'; }
    location /bytes/ { alias ${folder}/bytes/; }
    location /paced/ { alias ${folder}/bytes/; limit_rate 20m; }
  }
}
`
}
