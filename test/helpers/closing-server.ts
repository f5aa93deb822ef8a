/** A server that closes first, and remembers its clients in TIME-WAIT. */
import { join } from 'node:path'
import type { Host, LabProcess } from '../../src/laboratory/index.js'
import { root } from './repository.js'

/** Answers HTTP with the endpoint of the client. */
export async function startClosingServer(host: Host, port: number): Promise<LabProcess> {
  const script = join(root, 'test/helpers/closing_server.mjs')
  const server = await host.namespace.spawn(process.execPath, [script, String(port)])
  await server.waitForOutput(/^ready$/m)
  return server
}

/** The clients that the kernel of `host` remembers, as ss(8) has them: `10.1.0.2:40000`. */
export async function timeWaits(host: Host, port: number): Promise<string[]> {
  const filter = ['state', 'time-wait', `sport = :${port}`]
  const { stdout } = await host.namespace.exec('ss', ['-Htan', ...filter])
  const lines = stdout.split('\n').filter(Boolean)
  return lines.map((line) => (line.split(/\s+/)[3] ?? '').replace(/^\[::ffff:(.*)\]/, '$1'))
}
