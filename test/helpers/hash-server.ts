/** A server that tells the SHA-256 of all that a client sends until its end, and the client. */
import { join } from 'node:path'
import type { Host, LabProcess, Namespace } from '../../src/laboratory/index.js'
import { root } from './repository.js'

/** `paused`: it reads nothing of a connection until a line is written to the process. */
export async function startHashServer(
  host: Host,
  port: number,
  { paused = false } = {},
): Promise<LabProcess> {
  const script = join(root, 'test/helpers/hash_server.mjs')
  const args = [script, String(port), ...(paused ? ['paused'] : [])]
  const server = await host.namespace.spawn(process.execPath, args)
  await server.waitForOutput(/^ready$/m)
  return server
}

/** Sends a file, ends, and gives what came back: `<SHA-256> <bytes>` and a line feed. */
export async function sendFile(
  from: Namespace,
  { host, port }: { host: string; port: number },
  path: string,
): Promise<string> {
  const script = join(root, 'test/helpers/send_file.mjs')
  const { stdout } = await from.exec(process.execPath, [script, host, String(port), path])
  return stdout
}
