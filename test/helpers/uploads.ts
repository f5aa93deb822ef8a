/** Uploads by curl to a server that answers with the SHA-256 of what it got. */
import { join } from 'node:path'
import type { Host, LabProcess, Namespace } from '../../src/laboratory/index.js'
import { root } from './repository.js'
import { TRANSFER_MS } from './transfer-size.js'

/** Takes what is PUT to it, at every address of its host. */
export async function startUploads(host: Host, port = 80): Promise<LabProcess> {
  const script = join(root, 'test/helpers/upload_server.py')
  const process = await host.namespace.spawn('python3', [script, String(port)])
  await process.waitForOutput(/^ready$/m)
  return process
}

/** PUTs a file; the answer, which is the SHA-256 of what arrived. @throws where it fails. */
export async function upload(
  from: Namespace,
  target: string,
  path: string,
  args: readonly string[] = [],
): Promise<string> {
  const limits = ['--connect-timeout', '10', '--max-time', String(TRANSFER_MS / 1000)]
  const line = ['-sS', '-g', '-H', 'Expect:', ...limits, ...args, '-T', path, target]
  return (await from.exec('curl', line, { timeoutMs: TRANSFER_MS + 10_000 })).stdout
}
