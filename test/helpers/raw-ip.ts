/** Ends of any IP protocol, over the raw sockets of a kernel. */
import { join } from 'node:path'
import type { Family, LabProcess, Namespace } from '../../src/laboratory/index.js'
import { root } from './repository.js'

const script = join(root, 'test/helpers/raw_ip.py')

/** Answers at an address what comes of a protocol, by its number; its output tells the size and source of each. */
export async function startRawAnswers(
  at: Namespace,
  family: Family,
  protocol: number,
  address: string,
): Promise<LabProcess> {
  const args = [script, 'answer', `${family}`, `${protocol}`, address]
  const helper = await at.spawn('python3', args)
  await helper.waitForOutput(/^ready$/m)
  return helper
}

/** Sends so many bytes to an address and waits for their answer from it. @throws where there is none */
export async function askRaw(
  at: Namespace,
  family: Family,
  protocol: number,
  address: string,
  size: number,
): Promise<void> {
  const args = [script, 'ask', `${family}`, `${protocol}`, address, `${size}`]
  await at.exec('python3', args, { timeoutMs: 30_000 })
}
