/** Proxies in user space that stand in the engine's place: each listens at the virtual address. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Laboratory } from '../../src/laboratory/index.js'
import { root } from '../../test/helpers/repository.js'
import { untilListening } from '../../test/helpers/servers.js'

/** `splice`: bytes go from socket to socket in the kernel, where it thinks that worth it. */
export async function enterHaproxy(
  lab: Laboratory,
  ports: number[],
  { splice = false } = {},
): Promise<string> {
  const sections = ports.map((port) => {
    const [from, to] = ends(lab, port)
    return `listen port${port}\n  bind ${from}\n  server one ${to}`
  })
  const file = join(lab.folder, 'haproxy.cfg')
  writeFileSync(
    file,
    `${haproxyDefaults('mode tcp', splice ? 'option splice-auto' : '')}
${sections.join('\n')}
`,
  )
  return enter(lab, ports, 'haproxy', ['-db', '-f', file])
}

export async function enterNginxStream(lab: Laboratory, ports: number[]): Promise<string> {
  const servers = ports.map((port) => {
    const [from, to] = ends(lab, port)
    return `  server { listen ${from} backlog=4096; proxy_pass ${to}; }`
  })
  const file = join(lab.folder, 'stream.conf')
  writeFileSync(
    file,
    `load_module modules/ngx_stream_module.so;
${nginxDefaults(lab, 'stream')}
stream {
${servers.join('\n')}
}
`,
  )
  return enter(lab, ports, 'nginx', ['-p', '/usr/share/nginx', '-c', file])
}

/** HAProxy on one core, with these lines for all that it listens for. */
export function haproxyDefaults(...lines: string[]): string {
  return `global
  nbthread 1
  maxconn 6000
defaults
  ${lines.join('\n  ')}
  timeout connect 5s
  timeout client 60s
  timeout server 60s`
}

/** nginx on one core. `name`: of its own files. */
export function nginxDefaults(lab: Laboratory, name: string): string {
  return `user root;
daemon off;
worker_processes 1;
pid ${lab.folder}/${name}.pid;
error_log ${lab.folder}/${name}.log;
events { worker_connections 16384; }`
}

export async function enterNetPipe(lab: Laboratory, ports: number[]): Promise<string> {
  return enterNode(lab, ports, 'net_pipe.mjs')
}

/** `script`, of this folder, between the ends of each port. */
export async function enterNode(lab: Laboratory, ports: number[], script: string) {
  const pairs = ports.map((port) => ends(lab, port).join('='))
  return enter(lab, ports, process.execPath, [join(root, 'bench/peers', script), ...pairs])
}

export function ends(lab: Laboratory, port: number): [from: string, to: string] {
  return [`${lab.virtualAddress()}:${port}`, `${lab.serverAddresses()[0]}:${port}`]
}

/** Runs a proxy in the engine's place until it listens at all these ports. */
export async function enter(lab: Laboratory, ports: number[], command: string, args: string[]) {
  await lab.kernelHost()
  const place = lab.namespace('ctl')
  const proxy = await place.spawn(command, args)
  await untilListening(
    place,
    proxy,
    ports.map((port) => ends(lab, port)[0]),
  )
  return lab.virtualAddress()
}
